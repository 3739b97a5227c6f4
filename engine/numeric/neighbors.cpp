#include "cdc/neighbors.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "cdc/error.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/parallel.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/neighbors_detail.hpp"
#include "numeric/rows.hpp"

namespace cdc {
namespace {

using kmeans_detail::Centres;
using kmeans_detail::Kernels;
using neighbors_detail::Best;
using neighbors_detail::Candidate;
using neighbors_detail::Query;

constexpr std::int64_t kSpare = 8;          ///< candidates beyond k, for float64 to choose among
constexpr std::int64_t kBlocksAtOnce = 64;  ///< blocks of queries between two calls of `progress`
constexpr std::int64_t kChunk = 1024;       ///< rows of one task

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

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
    neighbors_detail::check_spread(scaled_x_, n, d, mean_);
    if (!itself) neighbors_detail::check_spread(scaled_queries_, q, d, mean_);
    std::vector<float> centred(size(n * d));
    parallel_chunks(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      neighbors_detail::centre_rows(scaled_x_ + begin * d, end - begin, d, mean_, centred.data() + begin * d);
    });
    data_.pack(kernels_, centred.data(), n, d, std::vector<double>(size(d), 0.0).data(), {});
    number_.resize(size(n));
    std::iota(number_.begin(), number_.end(), 0);
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
    const std::int64_t count = end - begin;
    std::vector<float> centred(size(count * d_));
    neighbors_detail::centre_rows(scaled_queries_ + begin * d_, count, d_, mean_, centred.data());
    std::vector<Best> best(size(count), Best(std::min(k_ + kSpare, n_ - (itself_ ? 1 : 0))));
    std::vector<Query> block(size(count));
    for (std::int64_t i = 0; i < count; ++i)
      block[size(i)] = {centred.data() + i * d_, &best[size(i)], itself_ ? static_cast<std::int32_t>(begin + i) : -1};
    for (const Centres::Panel& panel : data_.panels())
      neighbors_detail::offer_panel(kernels_, panel, number_.data() + panel.first, block.data(), count, d_);
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
  std::vector<std::int32_t> number_;  ///< [n] 0 .. n-1
};

}  // namespace

Neighbors nearest_neighbors(const float* queries, std::int64_t q, const float* x, std::int64_t n, std::int64_t d, std::int64_t k, Distance distance,
                            const std::function<bool(std::int64_t)>& progress) {
  neighbors_detail::check_shape(n, d, k, n);
  return Search(queries, q, x, n, d, k, distance, false).run(progress);
}

Neighbors nearest_neighbors(const float* x, std::int64_t n, std::int64_t d, std::int64_t k, Distance distance,
                            const std::function<bool(std::int64_t)>& progress) {
  neighbors_detail::check_shape(n, d, k, n - 1);
  return Search(x, n, x, n, d, k, distance, true).run(progress);
}

}  // namespace cdc
