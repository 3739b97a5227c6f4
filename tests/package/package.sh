#!/usr/bin/env bash
# package.sh CMAKE COMPILER BUILD: installs BUILD into an empty folder, builds plugin/ against that outside this tree, and uses its loss by name.
set -euo pipefail
cmake=$1 compiler=$2 build=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "FAILED: $*"
  exit 1
}
# quietly COMMAND...: its output only if it fails.
quietly() {
  "$@" >"$work/log" 2>&1 || {
    tail -40 "$work/log"
    fail "$*"
  }
}

quietly "$cmake" --install "$build" --prefix "$work/installed"
[ -z "$(find "$work/installed/include" -type f ! -path '*/include/cdc/*.hpp')" ] || fail "headers that are no part of the SDK were installed"

# The installed tree by itself: what it loads must not lie in the build folder.
for file in "$work"/installed/lib/libcdc.so "$work"/installed/bin/* "$work"/installed/lib/cdc/plugins/*.so; do
  libraries=$(ldd "$file")
  if grep -qE "not found|$build" <<<"$libraries"; then
    grep -E "not found|$build" <<<"$libraries"
    fail "$file does not find its libraries among the installed ones"
  fi
done

configure() { "$cmake" -S "$here/plugin" -B "$work/plugin" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/installed" "$@"; }
quietly configure
quietly "$cmake" --build "$work/plugin"
lines=$(wc -l <"$here/plugin/vicreg.cpp")
[ "$lines" -lt 40 ] || fail "the plugin has $lines lines; one .cpp under 40 is what is promised"
readelf -d "$work/plugin/my_losses.so" | grep -q NODELETE || fail "the plugin may be unloaded: -z nodelete is missing"
if nm -DC --defined-only "$work/plugin/my_losses.so" | grep 'VicReg'; then
  fail "the plugin's classes are visible from outside"
fi

# Another LibTorch than the engine's is refused, by version and by folder.
version=$(sed -n 's/^set(_cdc_engine_torch_version "\(.*\)")/\1/p' "$work/installed/lib/cmake/cdc/cdcConfig.cmake")
IFS=. read -r major minor patch <<<"$version"
mkdir -p "$work/other/include/torch/csrc/api/include/torch" "$work/other/lib"
for library in torch torch_cpu c10; do
  "$compiler" -shared -o "$work/other/lib/lib$library.so" -x c++ /dev/null
done
refused() {
  printf '#define TORCH_VERSION_MAJOR %s\n#define TORCH_VERSION_MINOR %s\n#define TORCH_VERSION_PATCH %s\n' "$major" "$minor" "$1" \
    >"$work/other/include/torch/csrc/api/include/torch/version.h"
  rm -rf "$work/plugin-other"
  if "$cmake" -S "$here/plugin" -B "$work/plugin-other" -DCMAKE_PREFIX_PATH="$work/installed" -DCDC_TORCH="$work/other" >"$work/log" 2>&1; then
    fail "another LibTorch was taken"
  fi
  tr '\n' ' ' <"$work/log" | tr -s ' ' | grep -q "$2" || {
    tail -20 "$work/log"
    fail "expected '$2'"
  }
}
refused $((patch + 1)) "built with LibTorch $version (.*, and $major.$minor.$((patch + 1)) in $work/other/lib was found. A plugin must use the engine's"
refused "$patch" "and another in $work/other/lib was found; both would be loaded. A plugin must use the engine's: leave out CDC_TORCH"

# 64 grey images of 16 x 16, four kinds of stripes, and their labels.
mkdir "$work/run" "$work/run/images"
cd "$work/run"
{
  printf '\0\0\10\3\0\0\0\100\0\0\0\20\0\0\0\20'
  awk 'BEGIN { for (i = 0; i < 64; ++i) for (y = 0; y < 16; ++y) for (x = 0; x < 16; ++x) {
    k = i % 4; t = k == 0 ? x : k == 1 ? y : k == 2 ? x + y : 5
    printf "\\%03o", (int(t / 4) % 2) * 160 + (i * 7 + x * 3) % 32 } }' | while IFS= read -r bytes || [ -n "$bytes" ]; do printf '%b' "${bytes//\\/\\0}"; done
} >images/train-images-idx3-ubyte
{
  printf '\0\0\10\1\0\0\0\100'
  for ((i = 0; i < 64; ++i)); do printf "\\$((i % 4))"; done
} >images/train-labels-idx1-ubyte
[ "$(wc -c <images/train-images-idx3-ubyte)" = 16400 ] || fail "the images were not made"

export CDC_PLUGIN_PATH=$work/plugin
"$work/installed/bin/cdc-inspect" loss.vicreg >inspected || fail "cdc-inspect does not know the plugin"
for word in "Invariance, variance and covariance" invariance variance covariance embedding; do
  grep -q "$word" inspected || {
    cat inspected
    fail "cdc-inspect says nothing of '$word'"
  }
done
quietly "$work/installed/bin/cdc-run" "$here/pipeline.toml" --threads 2 --cache cache "stage.images.root=images"
grep -q '"loss.vicreg"\|loss.vicreg' "$work/log" runs/out_of_tree/latest/* 2>/dev/null || fail "the run's record does not name the loss"
grep -q '"acc"' runs/out_of_tree/latest/summary.json || {
  cat runs/out_of_tree/latest/summary.json
  fail "the run has no scores"
}
grep -qr 'loss.distance' runs/out_of_tree/latest/metrics.jsonl || fail "what the loss reports is not in metrics.jsonl"
# The same again costs nothing: the loss is part of the stage's key.
"$work/installed/bin/cdc-run" "$here/pipeline.toml" --dry-run --cache cache "stage.images.root=images" >dry || fail "--dry-run fails"
grep -E 'train' dry | grep -q cached || {
  cat dry
  fail "a second run trains again"
}
echo "a loss of $lines lines was built outside the tree, listed and trained with"
