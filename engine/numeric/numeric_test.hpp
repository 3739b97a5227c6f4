#pragma once

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <cstdint>
#include <vector>

#include "cdc/random.hpp"
#include "support/errors.hpp"

// What tests of this folder share.
namespace cdc::test {

/// n points around `groups` centres in turn, `shift` away from 0.
inline std::vector<float> blobs(std::int64_t n, std::int64_t d, std::int64_t groups, double noise, std::uint64_t seed, double shift = 0) {
  Random random(seed);
  std::vector<float> centres(static_cast<std::size_t>(groups * d)), out(static_cast<std::size_t>(n * d));
  for (float& c : centres) c = static_cast<float>(random.normal() + shift);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t g = i % groups;
    for (std::int64_t j = 0; j < d; ++j)
      out[static_cast<std::size_t>(i * d + j)] = centres[static_cast<std::size_t>(g * d + j)] + static_cast<float>(noise * random.normal());
  }
  return out;
}

/// body(threads), on that many: 1, 2, 8.
template <class Body>
void on_threads(Body body) {
  const oneapi::tbb::global_control allowed(oneapi::tbb::global_control::max_allowed_parallelism, 8);
  for (const int threads : {1, 2, 8}) {
    oneapi::tbb::task_arena arena(threads);
    arena.execute([&] { body(threads); });
  }
}

}  // namespace cdc::test
