#!/usr/bin/env bash
# scripts.sh SOURCE: what tools/setup.sh asks of apt, as which user; and what tools/test refuses. dpkg-query, apt-get, sudo and id are made up.
set -euo pipefail
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
mkdir "$work/bin"
# dpkg-query: of the packages asked for, all but those in $MISSING are installed; removed ones leave a record, as they do.
cat >"$work/bin/dpkg-query" <<'END'
#!/bin/bash
for name in "${@:3}"; do
  case " $MISSING " in
    *" $name "*) echo "config-files $name" ;;
    *) echo "installed $name" ;;
  esac
done
END
printf '#!/bin/bash\necho "apt-get $*" >>"$CALLS"\n' >"$work/bin/apt-get"
printf '#!/bin/bash\necho "sudo" >>"$CALLS"\nexec "$@"\n' >"$work/bin/sudo"
printf '#!/bin/bash\necho "${FAKE_USER:-0}"\n' >"$work/bin/id"
chmod +x "$work"/bin/*
export CALLS=$work/calls PATH=$work/bin:$PATH MISSING="" FAKE_USER=0

# expect NAME PATTERN LINES COMMAND...: the output of COMMAND and what it asked of apt match PATTERN; apt and sudo were called LINES times.
expect() {
  : >"$CALLS"
  local output
  output=$( ("${@:4}") 2>&1 || true)
  if ! grep -qE -- "$2" <<<"$output $(tr '\n' ';' <"$CALLS")" || [ "$(wc -l <"$CALLS")" != "$3" ]; then
    echo "$1: expected '$2' and $3 calls; got: $output"
    cat "$CALLS"
    failed=1
  fi
}
# In a shell of its own, since setup.sh's functions end the script.
install() { env PATH="${ONLY:-$PATH}" bash -c 'root=$1; shift; . "$root/tools/setup.sh"; install_packages "$@"; echo went on' setup "$root" "$@"; }

expect all_there 'went on' 0 install build test
MISSING="cmake libtbb-dev python3-venv" expect some_missing 'update -qq;apt-get install .* cmake libtbb-dev;' 2 install build
MISSING="cmake python3-venv" expect test_section 'install .* cmake python3-venv;' 2 install build test
MISSING="cmake" FAKE_USER=1000 expect with_sudo 'sudo;apt-get update -qq;sudo;apt-get install' 4 install build
# Neither root nor sudo: a folder with only what the functions use.
mkdir "$work/bare"
for program in bash awk sort comm sed readlink uname env basename; do ln -s "$(command -v $program)" "$work/bare/$program"; done
cp "$work"/bin/{dpkg-query,apt-get,id} "$work/bare"
MISSING="cmake" FAKE_USER=1000 ONLY=$work/bare expect without_sudo 'not root, and there is no sudo; as root run: apt-get update' 0 install build
rm "$work/bare/apt-get"
ONLY=$work/bare expect no_debian 'this is no Debian; what is needed must be there already .*libtbb-dev' 0 install build

expect unknown_preset "there is no preset 'quick'" 0 "$root/tools/test" --preset quick
expect unknown_torch "--torch takes 'wheel'; for another LibTorch: cmake --preset release -DCDC_TORCH=DIR" 0 "$root/tools/test" --torch 2.1
expect help 'tools/test \[OPTIONS\]' 0 "$root/tools/test" --help
expect quickstart_help 'Arguments go to cdc-run' 0 "$root/tools/quickstart" --help
cd /
expect from_elsewhere 'Arguments go to cdc-run' 0 "$root/tools/quickstart" --help
exit $failed
