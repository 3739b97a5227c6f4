#include "cdc/parallel.hpp"

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>

#include "base/at_work.hpp"

namespace cdc {

void parallel_chunks(std::int64_t n, std::int64_t chunk, const std::function<void(std::int64_t, std::int64_t)>& body) {
  chunk = std::max<std::int64_t>(chunk, 1);
  const std::int64_t chunks = (n + chunk - 1) / chunk;
  if (chunks <= 1) {
    if (n > 0) body(0, n);
    return;
  }
  const AtWork* const whose = AtWork::here();
  oneapi::tbb::parallel_for(std::int64_t{0}, chunks, [&](std::int64_t c) {
    const AtWorkFor work(whose);
    body(c * chunk, std::min(n, (c + 1) * chunk));
  });
}

int thread_count() { return oneapi::tbb::this_task_arena::max_concurrency(); }

}  // namespace cdc
