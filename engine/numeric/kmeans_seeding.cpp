#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>

#include "cdc/error.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/parallel.hpp"
#include "cdc/random.hpp"
#include "numeric/clones.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/rows.hpp"

namespace cdc::kmeans_detail {
namespace {

constexpr std::int64_t kChunk = 1020;  ///< points: whole tiles of 6 and of 12
constexpr std::uint32_t kSeeding = 1;  ///< the random stream's operation

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Adds a row to a sum. Returns 0 unless a value is infinite or NaN.
CDC_CLONES float add_and_probe(const float* row, double* sum, std::int64_t d) {
  float probe[16] = {};
  std::int64_t j = 0;
  for (; j + 16 <= d; j += 16)
    for (int l = 0; l < 16; ++l) {
      sum[j + l] += static_cast<double>(row[j + l]);
      probe[l] += row[j + l] * 0.0f;
    }
  for (; j < d; ++j) {
    sum[j] += static_cast<double>(row[j]);
    probe[0] += row[j] * 0.0f;
  }
  float out = 0;
  for (const float p : probe) out += p;
  return out;
}

/// |x - mean|^2 and, in `length`, |x|^2.
CDC_CLONES double square_distance_to_mean(const float* row, const double* mean, std::int64_t d, double& length) {
  double lanes[16] = {}, lengths[16] = {};
  std::int64_t j = 0;
  for (; j + 16 <= d; j += 16)
    for (int l = 0; l < 16; ++l) {
      const double x = static_cast<double>(row[j + l]), e = x - mean[j + l];
      lanes[l] += e * e;
      lengths[l] += x * x;
    }
  for (int l = 0; j < d; ++j, ++l) {
    const double x = static_cast<double>(row[j]), e = x - mean[j];
    lanes[l] += e * e;
    lengths[l] += x * x;
  }
  double out = 0;
  length = 0;
  for (int l = 0; l < 16; ++l) {
    out += lanes[l];
    length += lengths[l];
  }
  return out;
}

/// Squared distances of all points to each centre chosen so far, and the candidates for the next.
class Seeding {
 public:
  explicit Seeding(const Points& points)
      : points_(points),
        kernels_(kernels()),
        chunks_((points.n + kChunk - 1) / kChunk),
        nearest_(size(points.n), std::numeric_limits<float>::infinity()),
        chunk_sums_(size(chunks_)) {}

  /// The potentials (sum of squared distances to the nearest centre) were each candidate chosen.
  std::vector<double> try_candidates(const std::vector<std::int64_t>& candidates) {
    const std::int64_t lanes = kernels_.lanes, tile = kernels_.rows;
    const std::int64_t all = static_cast<std::int64_t>(candidates.size()), groups = (all + lanes - 1) / lanes;
    if (groups > groups_) {
      squares_ = AlignedFloats(size(groups * points_.n * lanes));
      groups_ = groups;
    }
    std::vector<Centres> centres(size(groups));
    std::vector<float> rows;
    for (std::int64_t g = 0; g < groups; ++g) {
      const std::int64_t count = std::min(lanes, all - g * lanes);
      rows.resize(size(count * points_.d));
      for (std::int64_t c = 0; c < count; ++c) std::copy_n(points_.row(candidates[size(g * lanes + c)]), points_.d, rows.data() + c * points_.d);
      centres[size(g)].pack(kernels_, rows.data(), count, points_.d, points_.mean.data(), {});
    }
    // Twice a point gives 0 and not the rounding error of float32 products.
    const auto noise = static_cast<float>(products_noise(points_.d));
    std::vector<double> potentials(size(chunks_ * groups * lanes), 0.0);
    parallel_chunks(points_.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      alignas(64) float dots[12 * 16];
      const float* rows_of_tile[12];
      for (std::int64_t t = begin; t < end; t += tile) {
        const std::int64_t count = std::min(tile, end - t);
        for (std::int64_t r = 0; r < tile; ++r) rows_of_tile[r] = points_.row(t + std::min(r, count - 1));
        for (std::int64_t g = 0; g < groups; ++g) {
          const Centres::Panel& panel = centres[size(g)].panels().front();
          kernels_.dots[0](rows_of_tile, points_.d, panel.data, dots);
          float* const square = squares_.data() + (g * points_.n + t) * lanes;
          double* const potential = potentials.data() + (begin / kChunk * groups + g) * lanes;
          if (kernels_.squares(dots, panel.bias, points_.norm.data() + t, nearest_.data() + t, points_.doubt.data() + t, count, noise, square,
                               potential))
            for (std::int64_t r = 0; r < count; ++r)
              measure(t + r, candidates.data() + g * lanes, panel.count, square + r * lanes, potential);
        }
      }
    });
    std::vector<double> out(candidates.size(), 0.0);
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk)
      for (std::int64_t c = 0; c < all; ++c) out[size(c)] += potentials[size(chunk * groups * lanes + c)];
    return out;
  }

  /// Candidate number c of the last try becomes a centre. Returns the potential.
  double choose(std::int64_t c) {
    const std::int64_t lanes = kernels_.lanes;
    const float* squares = squares_.data() + (c / lanes) * points_.n * lanes + c % lanes;
    parallel_chunks(points_.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      double sum = 0;
      for (std::int64_t i = begin; i < end; ++i) {
        nearest_[size(i)] = std::min(nearest_[size(i)], squares[i * lanes]);
        sum += static_cast<double>(nearest_[size(i)]);
      }
      chunk_sums_[size(begin / kChunk)] = sum;
    });
    potential_ = 0;
    for (const double s : chunk_sums_) potential_ += s;
    return potential_;
  }

  /// A point with probability proportional to its squared distance.
  std::int64_t draw(Random& random) const {
    double left = random.uniform() * potential_;
    std::int64_t last = -1;
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
      const double sum = chunk_sums_[size(chunk)];
      if (sum <= 0) continue;
      if (left >= sum && chunk + 1 < chunks_) {
        left -= sum;
        last = chunk;
        continue;
      }
      last = chunk;
      break;
    }
    std::int64_t found = -1;
    for (std::int64_t i = last * kChunk; i < std::min(points_.n, (last + 1) * kChunk); ++i) {
      if (nearest_[size(i)] <= 0) continue;
      found = i;
      left -= static_cast<double>(nearest_[size(i)]);
      if (left < 0) break;
    }
    return found;
  }

 private:
  /// Squared distances to candidates that float32 products leave in doubt, from differences.
  void measure(std::int64_t i, const std::int64_t* candidates, std::int64_t count, float* square, double* potential) const {
    for (std::int64_t c = 0; c < count; ++c) {
      if (square[c] > points_.doubt[size(i)]) continue;
      const auto exact = static_cast<float>(rows::square_distance(points_.row(i), points_.row(candidates[c]), points_.d));
      potential[c] += static_cast<double>(std::min(exact, nearest_[size(i)])) - static_cast<double>(std::min(square[c], nearest_[size(i)]));
      square[c] = exact;
    }
  }

  const Points& points_;
  const Kernels& kernels_;
  std::int64_t chunks_, groups_ = 0;
  std::vector<float> nearest_;
  std::vector<double> chunk_sums_;
  AlignedFloats squares_;
  double potential_ = 0;
};

}  // namespace

Points describe_points(const float* x, std::int64_t n, std::int64_t d, const char* who) {
  Points out;
  out.x = x;
  out.n = n;
  out.d = d;
  const std::int64_t chunks = (n + kChunk - 1) / kChunk;
  std::vector<double> sums(size(chunks * d), 0.0), squares(size(chunks), 0.0);
  std::vector<std::int64_t> bad(size(chunks), -1);
  parallel_chunks(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    double* sum = sums.data() + begin / kChunk * d;
    for (std::int64_t i = begin; i < end; ++i) {
      if (add_and_probe(out.row(i), sum, d) != 0 && bad[size(begin / kChunk)] < 0) bad[size(begin / kChunk)] = i;
    }
  });
  for (const std::int64_t i : bad)
    if (i >= 0) {
      const float* row = out.row(i);
      const std::int64_t j = std::find_if(row, row + d, [](float v) { return !std::isfinite(v); }) - row;
      throw Error(fmt::format("row {}, column {} of the features is {}: {} finite numbers; look at what computed the features", i, j, row[j], who));
    }
  out.mean.assign(size(d), 0.0);
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
    for (std::int64_t j = 0; j < d; ++j) out.mean[size(j)] += sums[size(chunk * d + j)];
  for (double& m : out.mean) m /= static_cast<double>(n);
  out.norm.resize(size(n));
  out.doubt.resize(size(n));
  const double noise = products_noise(d);
  std::vector<double> longest(size(chunks), 0.0);
  parallel_chunks(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    double total = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      double length = 0;
      const double sum = square_distance_to_mean(out.row(i), out.mean.data(), d, length);
      out.norm[size(i)] = static_cast<float>(sum);
      out.doubt[size(i)] = static_cast<float>(std::sqrt(length));
      double& most = longest[size(begin / kChunk)];
      most = std::max(most, length);
      total += sum;
    }
    squares[size(begin / kChunk)] = total;
  });
  for (const double s : squares) out.mean_variance += s;
  out.mean_variance /= static_cast<double>(n) * static_cast<double>(d);
  for (const double l : longest) out.longest_square = std::max(out.longest_square, l);
  // Products are of x itself with a centre relative to the mean, about as far from it as the points are.
  const double typical = std::sqrt(out.mean_variance * static_cast<double>(d));
  for (std::size_t i = 0; i < out.doubt.size(); ++i) {
    const auto square = static_cast<double>(out.norm[i]);
    out.doubt[i] = static_cast<float>(noise * std::max(square, static_cast<double>(out.doubt[i]) * std::max(std::sqrt(square), typical)));
  }
  return out;
}

Scaled::Scaled(const float* x, std::int64_t n, std::int64_t d, const char* who, double largest_square) : points_(describe_points(x, n, d, who)) {
  // Far from where squares of float32 overflow (1.8e19) or lose digits (1e-19), so that sums and products of them do neither.
  const double longest = std::max(points_.longest_square, largest_square);
  if (longest == 0 || (longest < 0x1p80 && longest > 0x1p-60)) return;
  int exponent = 0;
  std::frexp(std::sqrt(longest), &exponent);
  // As large as sums of squares allow: beside one far row the others' squares keep their digits.
  factor_ = std::ldexp(1.0, 60 - exponent);
  rows_.resize(size(n * d));
  parallel_chunks(n * d, kChunk * 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) rows_[size(i)] = static_cast<float>(static_cast<double>(x[i]) * factor_);
  });
  points_ = describe_points(rows_.data(), n, d, who);
}

std::vector<std::int64_t> seed_rows(const Points& points, std::int64_t k, std::uint64_t seed, std::uint64_t restart,
                                    const std::function<bool()>& keep_going) {
  Random random(seed, restart, 0, 0, kSeeding);
  Seeding seeding(points);
  const auto tries = 2 + static_cast<std::int64_t>(std::log(static_cast<double>(k)));
  std::vector<std::int64_t> out = {static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(points.n)))};
  seeding.try_candidates(out);
  double potential = seeding.choose(0);
  std::vector<std::int64_t> candidates;
  while (static_cast<std::int64_t>(out.size()) < k && potential > 0) {
    if (keep_going && !keep_going()) throw Stopped("k-means was stopped while choosing its first centres");
    candidates.clear();
    for (std::int64_t c = 0; c < tries; ++c) candidates.push_back(seeding.draw(random));
    const std::vector<double> potentials = seeding.try_candidates(candidates);
    const std::int64_t best = std::min_element(potentials.begin(), potentials.end()) - potentials.begin();
    out.push_back(candidates[size(best)]);
    potential = seeding.choose(best);
  }
  // Every point lies on a centre: the rest are repetitions.
  for (std::int64_t i = 0; static_cast<std::int64_t>(out.size()) < k; ++i)
    if (std::find(out.begin(), out.end(), i) == out.end()) out.push_back(i);
  return out;
}

}  // namespace cdc::kmeans_detail
