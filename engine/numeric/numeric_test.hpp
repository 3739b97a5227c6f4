#pragma once

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <cmath>
#include <cstdint>
#include <set>
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

/// Six classes of 60 rows in 48 columns: the first column parts them into three pairs, `span` apart from first to last, the second parts each pair by
/// 0.25; all of it times `scale`. Class of row i: i / 60.
inline std::vector<float> far_pairs(double span, double scale) {
  constexpr std::int64_t kColumns = 48;
  std::vector<float> out(static_cast<std::size_t>(360 * kColumns));
  Random random(7);
  for (std::int64_t i = 0; i < 360; ++i)
    for (std::int64_t j = 0; j < kColumns; ++j) {
      const auto group = static_cast<double>(i / 60);
      double value = 0.01 * (random.uniform() - 0.5);
      if (j == 0) value += span / 2 * std::floor(group / 2);
      if (j == 1) value += 0.25 * (group - 2 * std::floor(group / 2));
      out[static_cast<std::size_t>(i * kColumns + j)] = static_cast<float>(value * scale);
    }
  return out;
}

/// Whether labels of its rows are its classes, in any order.
inline bool are_far_pairs(const std::vector<std::int32_t>& labels) {
  std::set<std::int32_t> seen;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != labels[i / 60 * 60]) return false;
    seen.insert(labels[i]);
  }
  return labels.size() == 360 && seen.size() == 6;
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
