#include "numeric/neighbors_detail.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"

namespace cdc::neighbors_detail {
namespace {

using kmeans_detail::Centres;
using kmeans_detail::Kernels;

constexpr std::int64_t kChunk = 1024;  ///< rows of one task
constexpr double kMostSquare = 1e36;   ///< of a row's distance from the mean
constexpr int kMostRows = 12, kMostLanes = 16;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

}  // namespace

void Best::shrink() {
  std::nth_element(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(wanted_) - 1, kept_.end());
  kept_.resize(wanted_);
  threshold_ = kept_.back().score;
}

void offer_panel(const Kernels& kernels, const Centres::Panel& panel, const std::int32_t* number, const Query* queries, std::int64_t count,
                 std::int64_t d) {
  const std::int64_t tile = kernels.rows, width = panel.vectors * kernels.lanes;
  alignas(64) float dots[kMostRows * 2 * kMostLanes];
  float least[kMostRows];
  const float* points[kMostRows];
  for (std::int64_t t = 0; t < count; t += tile) {
    const std::int64_t rows_here = std::min(tile, count - t);
    for (std::int64_t r = 0; r < tile; ++r) points[r] = queries[t + std::min(r, rows_here - 1)].row;  // the last tile is filled up
    kernels.dots[panel.vectors - 1](points, d, panel.data, dots);
    kernels.least(dots, panel.vectors, panel.bias, rows_here, least);
    for (std::int64_t r = 0; r < rows_here; ++r) {
      const Query& query = queries[t + r];
      Best& best = *query.best;
      if (!(least[r] < best.threshold())) continue;
      for (std::int64_t l = 0; l < panel.count; ++l) {
        const float score = panel.bias[l] - 2.0f * dots[r * width + l];
        if (score < best.threshold() && number[l] != query.own) best.offer(score, number[l]);
      }
    }
  }
}

void centre_rows(const float* x, std::int64_t n, std::int64_t d, const std::vector<double>& mean, float* out) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < d; ++j) out[i * d + j] = static_cast<float>(static_cast<double>(x[i * d + j]) - mean[size(j)]);
}

double enlarging_factor(double longest_square) {
  if (longest_square == 0 || longest_square > 0x1p-60) return 1;
  int exponent = 0;
  std::frexp(std::sqrt(longest_square), &exponent);
  return std::ldexp(1.0, -exponent);
}

std::vector<float> multiplied(const float* x, std::int64_t n, std::int64_t d, double factor) {
  std::vector<float> out(size(n * d));
  parallel_chunks(n * d, kChunk * 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[size(i)] = static_cast<float>(static_cast<double>(x[i]) * factor);
  });
  return out;
}

void check_spread(const float* x, std::int64_t n, std::int64_t d, const std::vector<double>& mean) {
  std::vector<std::int64_t> bad(size((n + kChunk - 1) / kChunk), -1);
  parallel_chunks(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end && bad[size(begin / kChunk)] < 0; ++i) {
      double square = 0;
      for (std::int64_t j = 0; j < d; ++j) {
        const double e = static_cast<double>(x[i * d + j]) - mean[size(j)];
        square += e * e;
      }
      if (square > kMostSquare) bad[size(begin / kChunk)] = i;
    }
  });
  for (const std::int64_t i : bad)
    if (i >= 0)
      throw Error(
          fmt::format("row {} of the features lies more than {:g} from the mean, too far for float32 products: bring the features to a smaller scale",
                      i, std::sqrt(kMostSquare)));
}

void check_shape(std::int64_t n, std::int64_t d, std::int64_t k, std::int64_t most) {
  if (d < 1) throw Error("nearest neighbours need features with at least 1 column");
  if (n > std::numeric_limits<std::int32_t>::max()) throw Error(fmt::format("nearest neighbours of {} rows: at most 2^31 - 1 are possible", n));
  if (k < 1 || k > most) throw Error(fmt::format("{} nearest neighbours cannot be taken of {} rows: k must lie in 1 .. {}", k, n, most));
}

}  // namespace cdc::neighbors_detail
