#!/usr/bin/env bash
# sdk_version.sh INCLUDE RECORD: the SDK's headers (below INCLUDE) are those that CDC_SDK_VERSION stands for by RECORD, "VERSION HASH". A plugin is let in
# by that number alone: one built against other headers would read the engine's memory wrongly. CDC_SDK_WRITE=1 writes RECORD anew, once the number is raised.
set -euo pipefail
include=$1 record=$2
version=$(sed -n 's/^#define CDC_SDK_VERSION \([0-9]*\)$/\1/p' "$include/cdc/plugin.hpp")
# Comments and layout are no part of it. The number itself neither, so that raising it leaves the hash as it was.
hash=$(cd "$include/cdc" && for header in $(LC_ALL=C ls ./*.hpp); do
  echo "$header" && sed -e 's|//.*||' -e '/^#define CDC_SDK_VERSION/d' "$header"
done | tr -s ' \n' '\n\n' | sha256sum | cut -c1-16)
old_version='' old_hash=''
[ ! -f "$record" ] || read -r old_version old_hash < "$record"
if [ "$hash" != "$old_hash" ] && [ "$version" = "$old_version" ]; then
  echo "The headers of the SDK changed, but CDC_SDK_VERSION is $version as before: plugins built against the old ones would be let in."
  echo "Raise it in engine/include/cdc/plugin.hpp, then: CDC_SDK_WRITE=1 ctest -R setup/sdk_version"
  exit 1
fi
if [ "$version $hash" != "$old_version $old_hash" ]; then
  if [ "${CDC_SDK_WRITE:-}" != 1 ]; then
    echo "$record is not of CDC_SDK_VERSION $version: CDC_SDK_WRITE=1 ctest -R setup/sdk_version"
    exit 1
  fi
  echo "$version $hash" > "$record"
fi
echo "SDK $version, headers $hash"
