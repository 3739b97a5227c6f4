#!/usr/bin/env bash
# find_libtorch.sh CMAKE COMPILER MODULES: CDCTorch.cmake finds made-up LibTorches in all the places it promises, and refuses what it must with a remedy.
set -euo pipefail
cmake=$1 compiler=$2 modules=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# fake DIR VERSION [old-abi] [cuda]: headers and libraries that have what the module looks at.
fake() {
  local dir=$1 version=$2 abi=NSt7__cxx1112basic_stringIcE flags=" ${*:3} " folder
  [[ $flags == *" old-abi "* ]] && abi=Ss
  folder=$dir/include/torch/csrc/api/include/torch
  mkdir -p "$folder" "$dir/include/fmt" "$dir/lib"
  if [[ $flags == *" headeronly "* ]]; then
    echo '#include <torch/headeronly/version.h>' >"$folder/version.h"
    folder=$dir/include/torch/headeronly
    mkdir -p "$folder"
  fi
  IFS=. read -r major minor patch <<<"$version"
  printf '#pragma once\n#define TORCH_VERSION_MAJOR %s\n#define TORCH_VERSION_MINOR %s\n#define TORCH_VERSION_PATCH %s\n' "$major" "$minor" "$patch" >"$folder/version.h"
  echo '#error "the fmt of LibTorch was taken"' >"$dir/include/fmt/core.h"
  echo "extern \"C\" int _ZN3c105ErrorC1ENS_14SourceLocationE$abi() { return 0; }" >"$work/c10.cpp"
  "$compiler" -shared -fPIC -o "$dir/lib/libc10.so" "$work/c10.cpp"
  local libraries="torch torch_cpu"
  [[ $flags == *" cuda "* ]] && libraries="$libraries torch_cuda c10_cuda"
  for library in $libraries; do
    echo "extern \"C\" int part_of_$library() { return 0; }" >"$work/part.cpp"
    [ "$library" = torch_cuda ] && echo 'extern "C" int cudaNotOnThisMachine(); int use_of_cuda() { return cudaNotOnThisMachine(); }' >>"$work/part.cpp"
    "$compiler" -shared -fPIC -Wl,-soname,lib$library.so -o "$dir/lib/lib$library.so" "$work/part.cpp"
  done
}

mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(finds LANGUAGES CXX)
list(APPEND CMAKE_MODULE_PATH "$modules")
include(CDCTorch)
add_executable(program program.cpp)
target_link_libraries(program PRIVATE cdc::torch)
END
cat >"$work/project/program.cpp" <<END
#include <fmt/core.h>
#include <torch/version.h>
extern "C" int part_of_torch_cpu();
int main() { return part_of_torch_cpu() + (TORCH_VERSION_MAJOR == EXPECTED_MAJOR ? 0 : 1); }
END

# configure NAME ARGS...: the output, on one line (CMake folds messages).
configure() { "$cmake" -S "$work/project" -B "$work/build-$1" -DCMAKE_CXX_COMPILER="$compiler" "${@:2}" 2>&1 | tr '\n' ' ' | tr -s ' ' || true; }
# expect NAME PATTERN ARGS...
expect() {
  local output
  output=$(configure "$1" "${@:3}")
  if ! grep -qE -- "$2" <<<"$output"; then
    echo "$1: expected '$2' in: $output"
    failed=1
  fi
}

fake "$work/plain" 2.1.0
fake "$work/old" 1.12.1
fake "$work/abi" 2.4.0 old-abi
fake "$work/env/lib/python3.11/site-packages/torch" 2.13.0 headeronly
fake "$work/cuda" 2.5.1 cuda
fake "$work/headers" 2.2.0
rm -r "$work/headers/lib"
fake "$work/broken" 2.2.0
: >"$work/broken/include/torch/csrc/api/include/torch/version.h"

expect plain "LibTorch 2.1.0 in $work/plain, CUDA OFF" -DCDC_TORCH="$work/plain" -DCMAKE_CXX_FLAGS=-DEXPECTED_MAJOR=2
expect package "LibTorch 2.13.0 in $work/env/lib/python3.11/site-packages/torch" -DCDC_TORCH="$work/env/lib/python3.11/site-packages/torch"
expect above "LibTorch 2.13.0 in $work/env/lib/python3.11/site-packages/torch" -DCDC_TORCH="$work/env/lib/python3.11/site-packages"
expect environment "LibTorch 2.13.0 in $work/env/lib/python3.11/site-packages/torch" -DCDC_TORCH="$work/env"
expect cuda "LibTorch 2.5.1 in $work/cuda, CUDA ON" -DCDC_TORCH="$work/cuda" -DCMAKE_CXX_FLAGS=-DEXPECTED_MAJOR=2
expect too_old "is 1.12.1; 1.13 is the oldest that is supported. .*-DCDC_TORCH=DIR" -DCDC_TORCH="$work/old"
expect old_abi "built with the old C\+\+ ABI .*cxx11-abi" -DCDC_TORCH="$work/abi"
expect nothing "which holds no LibTorch .*Install Debian's libtorch-dev" -DCDC_TORCH="$work/project"
expect no_libraries "LibTorch was not found \(libtorch.so, its headers; .*Install Debian's libtorch-dev" -DCDC_TORCH="$work/headers"
expect no_version "could not be read from torch/version.h" -DCDC_TORCH="$work/broken"
# Headers of one and libraries of another, as search paths may have it.
expect mixed "mix of two LibTorches: headers in $work/headers/include, .*Name one of them" "-DCMAKE_PREFIX_PATH=$work/headers;$work/plain"

for name in plain cuda; do
  if ! "$cmake" --build "$work/build-$name" >"$work/log" 2>&1; then
    echo "$name: does not build:"
    tail -20 "$work/log"
    failed=1
  fi
done
needed=$(readelf -d "$work/build-cuda/program" 2>/dev/null | grep NEEDED || true)
for library in libtorch.so libtorch_cuda.so libc10_cuda.so; do
  grep -q "\[$library\]" <<<"$needed" || { echo "cuda: the program does not load $library: $needed"; failed=1; }
done
"$work/build-plain/program" || { echo "plain: the program does not run, or saw another version"; failed=1; }
exit $failed
