#!/usr/bin/env bash
# sdk_headers.sh COMPILER INCLUDE HEADER...: HEADERs (below INCLUDE) bring in nothing but the standard library and other headers of the SDK, and none of the
# SDK's names a header that is neither the standard library's, its own, nor LibTorch's.
set -euo pipefail
compiler=$1 include=$2
shift 2
failed=0
foreign=$(grep -HnE '^ *# *include' "$include"/cdc/*.hpp | grep -vE '<[a-z_0-9]+>|"cdc/[a-z_]+\.hpp"|<(ATen|c10|torch)/[A-Za-z0-9_/]+\.h>' || true)
if [ -n "$foreign" ]; then
  echo "The SDK's headers may include the standard library, cdc/ and LibTorch alone:"
  echo "$foreign"
  failed=1
fi
for header in "$@"; do
  brought=$(echo "#include \"$header\"" | "$compiler" -std=c++17 -DCDC_WITHOUT_TORCH -I "$include" -M -x c++ - | tr ' \\' '\n\n' |
    grep -E '/(ATen|c10|torch|fmt|tbb|oneapi|boost|nlohmann|spdlog|toml\+\+)/|hdf5' | head -3 || true)
  if [ -n "$brought" ]; then
    echo "$header is to be free of other libraries, and brings in" $brought
    failed=1
  fi
done
echo "$# headers without other libraries looked through"
[ $# -gt 5 ] || { echo "too few headers: the test looks in the wrong place"; failed=1; }
exit $failed
