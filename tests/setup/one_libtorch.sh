#!/usr/bin/env bash
# one_libtorch.sh FOLDER BUILD: whatever of BUILD is loaded, its LibTorch libraries come from FOLDER, all of them; so does the one libgomp that FOLDER may bring.
set -euo pipefail
folder=$(realpath "$1") build=$2
shopt -s nullglob
checked=0 failed=0
for file in "$build"/lib/libcdc.so "$build"/lib/cdc/plugins/*.so "$build"/bin/*; do
  [ -x "$file" ] && [ ! -d "$file" ] || continue
  libraries=$(ldd "$file")
  while read -r name _ path _; do
    case $name in
      libtorch.so* | libtorch_*.so* | libc10*.so*)
        checked=$((checked + 1))
        if [ "$path" = not ] || [ "$(dirname "$(realpath "$path")")" != "$folder" ]; then
          echo "$file: $name is $path, and not in $folder"
          failed=1
        fi ;;
    esac
  done <<<"$libraries"
  if [ "$(grep -c 'libgomp' <<<"$libraries")" -gt 1 ]; then
    echo "$file loads more than one libgomp:"
    grep libgomp <<<"$libraries"
    failed=1
  fi
done
echo "$checked dependencies on LibTorch looked at"
[ $checked -ge 2 ] || { echo "too few: libcdc.so alone depends on libtorch_cpu and libc10"; failed=1; }
exit $failed
