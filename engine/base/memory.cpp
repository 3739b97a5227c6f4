#include "base/memory.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>  // defines __GLIBC__
#include <fstream>

#ifdef __GLIBC__
#include <malloc.h>

#include <climits>
#endif

namespace cdc {

void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}

std::string memory_limit_problem() {
  // Measured with OpenBLAS 0.3.21 and LibTorch 1.13: libraries map 550 MiB and write to 60 of them; the buffer of a core is 128 MiB on processors
  // with AVX-512, less on others.
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20, kMapped = 512 * kMiB, kWritten = 128 * kMiB, kBuffer = 128 * kMiB;
  constexpr int kMostBuffers = 64;  // of Debian's OpenBLAS
  cpu_set_t cores;
  const int known = ::sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
  const std::uint64_t buffers = static_cast<std::uint64_t>(std::clamp(known, 1, kMostBuffers)) * kBuffer;
  std::uint64_t mapped = 0, ignored = 0, written = 0;  // in pages
  std::ifstream("/proc/self/statm") >> mapped >> ignored >> ignored >> ignored >> ignored >> written;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  struct Limit {
    int resource;
    const char *option, *what;
    std::uint64_t used, needed;
  };
  for (const Limit& one : {Limit{RLIMIT_AS, "-v", "address space", mapped * page, kMapped + buffers},
                           Limit{RLIMIT_DATA, "-d", "data", written * page, kWritten + buffers}}) {
    struct rlimit limit {};
    if (::getrlimit(static_cast<__rlimit_resource_t>(one.resource), &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) continue;
    if (limit.rlim_cur >= one.used + one.needed) continue;
    return fmt::format(
        "the limit of this process's {}, {} MiB, is too low: LibTorch needs {} MiB before any work, which grows with the cores. Raise it "
        "(ulimit {} unlimited), or use fewer cores (taskset -c 0 COMMAND)",
        one.what, limit.rlim_cur / kMiB, (one.used + one.needed + kMiB - 1) / kMiB, one.option);
  }
  return {};
}

}  // namespace cdc
