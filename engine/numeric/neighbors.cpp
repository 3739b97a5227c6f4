#include "cdc/neighbors.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>

#include "cdc/error.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/parallel.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/rows.hpp"

namespace cdc {
namespace {

using kmeans_detail::Centres;
using kmeans_detail::Kernels;

constexpr std::int64_t kSpare = 8;          ///< candidates beyond k, for float64 to choose among
constexpr std::int64_t kBlocksAtOnce = 64;  ///< blocks of queries between two calls of `progress`
constexpr std::int64_t kChunk = 1024;       ///< rows of one task
constexpr double kMostSquare = 1e36;        ///< of a row's distance from the mean
constexpr int kMostRows = 12, kMostLanes = 16;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

struct Candidate {
  float score;
  std::int32_t index;
  bool operator<(const Candidate& other) const { return score < other.score || (score == other.score && index < other.index); }
};

/// The best `wanted` of the candidates offered in order of their index.
class Best {
 public:
  explicit Best(std::int64_t wanted) : wanted_(size(wanted)) {}
  float threshold() const { return threshold_; }  ///< what is not below it is not wanted
  void offer(float score, std::int32_t index) {
    kept_.push_back({score, index});
    if (kept_.size() == 2 * wanted_) shrink();
  }
  const std::vector<Candidate>& finish() {
    if (kept_.size() > wanted_) shrink();
    return kept_;
  }

 private:
  void shrink() {
    std::nth_element(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(wanted_) - 1, kept_.end());
    kept_.resize(wanted_);
    threshold_ = kept_.back().score;
  }
  std::size_t wanted_;
  std::vector<Candidate> kept_;
  float threshold_ = std::numeric_limits<float>::infinity();
};

/// Rows relative to the mean: float32 products stay exact enough far from 0.
void centre_rows(const float* x, std::int64_t n, std::int64_t d, const std::vector<double>& mean, float* out) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < d; ++j) out[i * d + j] = static_cast<float>(static_cast<double>(x[i * d + j]) - mean[size(j)]);
}

/// cdc::Error naming a row whose products with others float32 cannot hold.
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

class Search {
 public:
  Search(const float* queries, std::int64_t q, const float* x, std::int64_t n, std::int64_t d, std::int64_t k, Distance distance, bool itself)
      : queries_(queries), x_(x), q_(q), n_(n), d_(d), k_(k), distance_(distance), itself_(itself), kernels_(kmeans_detail::kernels()) {
    mean_ = kmeans_detail::describe_points(x, n, d, "nearest neighbours need").mean;
    if (!itself) kmeans_detail::describe_points(queries, q, d, "nearest neighbours need");
    scaled_x_ = x;
    scaled_queries_ = queries;
    if (distance == Distance::cosine) {
      unit_x_ = normalised_rows(x, n, d);
      scaled_x_ = unit_x_.data();
      if (!itself) unit_queries_ = normalised_rows(queries, q, d);
      scaled_queries_ = itself ? unit_x_.data() : unit_queries_.data();
      mean_ = kmeans_detail::describe_points(scaled_x_, n, d).mean;
      square_x_ = squares(x, n);
      square_queries_ = itself ? square_x_ : squares(queries, q);
    }
    check_spread(scaled_x_, n, d, mean_);
    if (!itself) check_spread(scaled_queries_, q, d, mean_);
    std::vector<float> centred(size(n * d));
    parallel_chunks(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      centre_rows(scaled_x_ + begin * d, end - begin, d, mean_, centred.data() + begin * d);
    });
    data_.pack(kernels_, centred.data(), n, d, std::vector<double>(size(d), 0.0).data(), {});
  }

  Neighbors run(const std::function<bool(std::int64_t)>& progress) const {
    Neighbors out;
    out.queries = q_;
    out.k = k_;
    out.index.resize(size(q_ * k_));
    out.distance.resize(size(q_ * k_));
    // Queries of a block stay in the second-level cache while the data pass.
    const std::int64_t block = std::clamp<std::int64_t>((std::int64_t{1} << 15) / d_ / kernels_.rows, 1, 16) * kernels_.rows;
    for (std::int64_t done = 0; done < q_;) {
      const std::int64_t count = std::min(q_ - done, block * kBlocksAtOnce);
      parallel_chunks(count, block, [&](std::int64_t begin, std::int64_t end) { search(done + begin, done + end, out); });
      done += count;
      if (progress && !progress(done)) throw Stopped("the search for nearest neighbours was stopped");
    }
    return out;
  }

 private:
  std::vector<double> squares(const float* x, std::int64_t n) const {
    std::vector<double> out(size(n));
    parallel_chunks(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[size(i)] = rows::dot(x + i * d_, x + i * d_, d_);
    });
    return out;
  }

  void search(std::int64_t begin, std::int64_t end, Neighbors& out) const {
    const std::int64_t tile = kernels_.rows, count = end - begin;
    std::vector<float> centred(size(count * d_));
    centre_rows(scaled_queries_ + begin * d_, count, d_, mean_, centred.data());
    std::vector<Best> best(size(count), Best(std::min(k_ + kSpare, n_ - (itself_ ? 1 : 0))));
    alignas(64) float dots[kMostRows * 2 * kMostLanes];
    float least[kMostRows];
    const float* points[kMostRows];
    for (const Centres::Panel& panel : data_.panels())
      for (std::int64_t t = 0; t < count; t += tile) {
        const std::int64_t rows_here = std::min(tile, count - t), width = panel.vectors * kernels_.lanes;
        for (std::int64_t r = 0; r < tile; ++r) points[r] = centred.data() + (t + std::min(r, rows_here - 1)) * d_;
        kernels_.dots[panel.vectors - 1](points, d_, panel.data, dots);
        kernels_.least(dots, panel.vectors, panel.bias, rows_here, least);
        for (std::int64_t r = 0; r < rows_here; ++r) {
          Best& b = best[size(t + r)];
          if (!(least[r] < b.threshold())) continue;
          const std::int64_t own = itself_ ? begin + t + r : -1;
          for (std::int64_t l = 0; l < panel.count; ++l) {
            const float score = panel.bias[l] - 2.0f * dots[r * width + l];
            if (score < b.threshold() && panel.first + l != own) b.offer(score, static_cast<std::int32_t>(panel.first + l));
          }
        }
      }
    std::vector<std::pair<double, std::int32_t>> exact;
    for (std::int64_t i = 0; i < count; ++i) {
      exact.clear();
      for (const Candidate& c : best[size(i)].finish()) exact.emplace_back(exact_distance(begin + i, c.index), c.index);
      std::partial_sort(exact.begin(), exact.begin() + k_, exact.end());
      for (std::int64_t j = 0; j < k_; ++j) {
        const double distance = exact[size(j)].first;
        out.index[size((begin + i) * k_ + j)] = exact[size(j)].second;
        out.distance[size((begin + i) * k_ + j)] = static_cast<float>(distance_ == Distance::cosine ? distance : std::sqrt(distance));
      }
    }
  }

  /// Squared where Euclidean.
  double exact_distance(std::int64_t query, std::int64_t i) const {
    const float *a = queries_ + query * d_, *b = x_ + i * d_;
    if (distance_ == Distance::euclidean) return rows::square_distance(a, b, d_);
    return 1.0 - rows::dot(a, b, d_) / std::sqrt(square_queries_[size(query)] * square_x_[size(i)]);
  }

  const float *queries_, *x_;
  std::int64_t q_, n_, d_, k_;
  Distance distance_;
  bool itself_;
  const Kernels& kernels_;
  std::vector<double> mean_, square_x_, square_queries_;
  std::vector<float> unit_x_, unit_queries_;
  const float *scaled_x_ = nullptr, *scaled_queries_ = nullptr;  ///< at length 1 where distances are cosines
  Centres data_;
};

void check(std::int64_t n, std::int64_t d, std::int64_t k, std::int64_t most) {
  if (d < 1) throw Error("nearest neighbours need features with at least 1 column");
  if (n > std::numeric_limits<std::int32_t>::max()) throw Error(fmt::format("nearest neighbours of {} rows: at most 2^31 - 1 are possible", n));
  if (k < 1 || k > most) throw Error(fmt::format("{} nearest neighbours cannot be taken of {} rows: k must lie in 1 .. {}", k, n, most));
}

}  // namespace

Neighbors nearest_neighbors(const float* queries, std::int64_t q, const float* x, std::int64_t n, std::int64_t d, std::int64_t k, Distance distance,
                            const std::function<bool(std::int64_t)>& progress) {
  check(n, d, k, n);
  return Search(queries, q, x, n, d, k, distance, false).run(progress);
}

Neighbors nearest_neighbors(const float* x, std::int64_t n, std::int64_t d, std::int64_t k, Distance distance,
                            const std::function<bool(std::int64_t)>& progress) {
  check(n, d, k, n - 1);
  return Search(x, n, x, n, d, k, distance, true).run(progress);
}

}  // namespace cdc
