#include <algorithm>
#include <cmath>
#include <vector>

#include "cdc/parallel.hpp"
#include "numeric/clones.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/rows.hpp"

namespace cdc::kmeans_detail {
namespace {

constexpr std::int64_t kChunk = 1020;  ///< points: whole tiles of 6 and of 12

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Whether any of n squared distances |x - c|^2 = norm + score is within `times` its possible error.
CDC_CLONES bool any_within(const float* norm, const float* score, const float* doubt, float times, std::int64_t n) {
  std::int32_t found = 0;
  for (std::int64_t i = 0; i < n; ++i) found |= static_cast<std::int32_t>(norm[i] + score[i] < times * doubt[i]);
  return found != 0;
}

/// What of a centre bounds the error of its scores: by packed place.
struct Lengths {
  std::vector<double> length, square;  ///< relative to the mean

  Lengths(const Centres& packed, const float* centre, std::int64_t k, const Points& points) : length(size(k)), square(size(k)) {
    for (std::int64_t place = 0; place < k; ++place) {
      const float* const c = centre + std::int64_t{packed.original(static_cast<std::int32_t>(place))} * points.d;
      double sum = 0;
      for (std::int64_t j = 0; j < points.d; ++j) {
        const double e = static_cast<double>(c[j]) - points.mean[size(j)];
        sum += e * e;
      }
      square[size(place)] = sum;
      length[size(place)] = std::sqrt(sum);
    }
  }
};

}  // namespace

Settled settle(const Kernels& kernels, const Points& points, const Centres& packed, const float* centre, std::int64_t k, const std::int64_t* index,
               std::int64_t n, std::int32_t* label, const float* score, double* square) {
  const auto row_of = [&](std::int64_t b) { return index == nullptr ? b : index[b]; };
  const auto square_of = [&](std::int64_t b) {
    return std::max(0.0, static_cast<double>(points.norm[size(row_of(b))]) + static_cast<double>(score[b]));
  };
  std::vector<std::vector<std::int64_t>> found(size((n + kChunk - 1) / kChunk));
  parallel_chunks(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    // Nearly always none is in doubt: float32, with room for its rounding, says so many points at a time.
    if (index == nullptr && square == nullptr &&
        !any_within(points.norm.data() + begin, score + begin, points.doubt.data() + begin, static_cast<float>(kClear * 1.001), end - begin))
      return;
    for (std::int64_t b = begin; b < end; ++b) {
      const double own = square_of(b);
      if (square != nullptr) square[b] = own;
      if (own < kClear * static_cast<double>(points.doubt[size(row_of(b))])) found[size(begin / kChunk)].push_back(b);
    }
  });
  std::vector<std::int64_t> doubtful;
  for (const auto& part : found) doubtful.insert(doubtful.end(), part.begin(), part.end());
  Settled out;
  out.doubtful = static_cast<std::int64_t>(doubtful.size());
  if (doubtful.empty()) return out;

  const Lengths lengths(packed, centre, k, points);
  const double noise = products_noise(points.d);
  const std::int64_t tile = kernels.rows;
  std::vector<std::int64_t> moved(size((out.doubtful + kChunk - 1) / kChunk), 0);
  parallel_chunks(out.doubtful, kChunk, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float dots[12 * 2 * 16];
    const float* rows[12];
    double length[12], most[12], least[12];
    std::int32_t best[12];
    for (std::int64_t t = begin; t < end; t += tile) {
      const std::int64_t count = std::min(tile, end - t);
      for (std::int64_t r = 0; r < tile; ++r) {  // the last tile is filled up with its last point
        const std::int64_t b = doubtful[size(t + std::min(r, count - 1))];
        rows[r] = points.row(row_of(b));
        length[r] = std::sqrt(rows::dot(rows[r], rows[r], points.d));
        // The distance itself is measured: no centre beyond it is nearer.
        best[r] = label[b];
        least[r] = rows::square_distance(rows[r], centre + std::int64_t{best[r]} * points.d, points.d);
        most[r] = least[r] - static_cast<double>(points.norm[size(row_of(b))]) * (1 - 1e-7);
      }
      for (const Centres::Panel& panel : packed.panels()) {
        const std::int64_t width = std::int64_t{panel.vectors} * kernels.lanes;
        kernels.dots[panel.vectors - 1](rows, points.d, panel.data, dots);
        for (std::int64_t r = 0; r < count; ++r)
          for (std::int64_t l = 0; l < panel.count; ++l) {
            const std::size_t place = size(panel.first + l);
            const double s = static_cast<double>(panel.bias[l] - 2.0f * dots[r * width + l]);
            if (s - noise * (2 * length[r] * lengths.length[place] + lengths.square[place]) > most[r]) continue;
            const std::int32_t c = packed.original(static_cast<std::int32_t>(place));
            const double exact = rows::square_distance(rows[r], centre + std::int64_t{c} * points.d, points.d);
            if (exact < least[r] || (exact == least[r] && c < best[r])) {
              least[r] = exact;
              best[r] = c;
            }
          }
      }
      for (std::int64_t r = 0; r < count; ++r) {
        const std::int64_t b = doubtful[size(t + r)];
        if (best[r] != label[b]) ++moved[size(begin / kChunk)];
        label[b] = best[r];
        if (square != nullptr) square[b] = least[r];
      }
    }
  });
  for (const std::int64_t m : moved) out.moved += m;
  return out;
}

}  // namespace cdc::kmeans_detail
