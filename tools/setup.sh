# Sourced by tools/quickstart, tools/test and tools/tsan-tbb: what they have in common. $root is the repository's folder.

say() { printf '== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# as_root COMMAND...: sudo only where it is needed.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "not root, and there is no sudo; as root run: $*"
  fi
}

# packages SECTION...: the names in these sections of packages.txt.
packages() {
  local section
  for section in "$@"; do
    awk -v want="[$section]" '/^\[/ { on = $0 == want; next } on && NF && !/^#/ { print $1 }' "$root/tools/packages.txt"
  done
}

# install_packages SECTION...: installs what is missing, and asks nothing of the network when nothing is.
install_packages() {
  local wanted missing
  wanted=$(packages "$@")
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "this is no Debian; what is needed must be there already (Debian's names: $(echo $wanted))"
    return
  fi
  # Virtual packages have no status of their own; none is in the list.
  missing=$(comm -23 <(sort -u <<<"$wanted") <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' | sort -u))
  if [ -n "$missing" ]; then
    say "installing by apt-get:" $missing
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $missing >/dev/null
  fi
  case $(readlink -f /usr/lib/*-linux-gnu/libblas.so.3) in
    *openblas-pthread*) say "libblas.so.3 is OpenBLAS with POSIX threads, which makes training on the CPU several times slower; to change it:" \
      "update-alternatives --config libblas.so.3-$(uname -m)-linux-gnu" ;;
  esac
}

# Compilers at once: as many as cores, and no more than memory allows (a file with LibTorch's headers takes 1 GB).
jobs_at_once() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  echo $((memory < 1 ? 1 : memory < cores ? memory : cores))
}

# build_preset PRESET [CMAKE ARGUMENTS...] [-- TARGET...]: configures and builds; says nothing of what went well, except on a terminal.
build_preset() {
  local preset=$1 log
  shift
  local arguments=() targets=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    arguments+=("$1")
    shift
  done
  [ $# -gt 0 ] && shift && targets=(--target "$@")
  say "building preset $preset in build/$preset ($(jobs_at_once) at once)"
  log=$root/build/$preset/configure.log
  mkdir -p "$root/build/$preset"
  if ! (cd "$root" && cmake --preset "$preset" "${arguments[@]}") >"$log" 2>&1; then
    grep -vE '^-- ' "$log" >&2
    die "cmake --preset $preset failed; its whole output is in $log"
  fi
  local quiet=()
  [ -t 1 ] || quiet=(-- --quiet)
  (cd "$root" && CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G} cmake --build --preset "$preset" -j "$(jobs_at_once)" "${targets[@]}" "${quiet[@]}") || die "the build failed"
}
