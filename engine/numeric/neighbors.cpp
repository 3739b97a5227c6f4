#include "cdc/neighbors.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
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
    mean_ = kmeans_detail::describe_points(x, n, d).mean;
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
      const std::vector<Candidate>& candidates = best[size(i)].finish();
      for (const Candidate& c : candidates) exact.emplace_back(exact_distance(begin + i, c.index), c.index);
      std::partial_sort(exact.begin(), exact.begin() + k_, exact.end());
      if (const double limit = doubtful_below(block[size(i)], candidates, exact[size(k_ - 1)].first); limit > -infinity()) {
        measure_below(begin + i, block[size(i)], limit, exact);
        std::partial_sort(exact.begin(), exact.begin() + k_, exact.end());
      }
      for (std::int64_t j = 0; j < k_; ++j) {
        const double distance = exact[size(j)].first;
        out.index[size((begin + i) * k_ + j)] = exact[size(j)].second;
        out.distance[size((begin + i) * k_ + j)] = static_cast<float>(distance_ == Distance::cosine ? distance : std::sqrt(distance));
      }
    }
  }

  static double infinity() { return std::numeric_limits<double>::infinity(); }

  /// The score below which a row that is no candidate may be nearer than the k-th of them, since float32 products cannot tell; -infinity where they
  /// can. `distance`: the k-th's.
  double doubtful_below(const Query& query, const std::vector<Candidate>& candidates, double distance) const {
    const double square = distance_ == Distance::cosine ? 2 * distance : distance;
    if (square <= 0 || static_cast<std::int64_t>(candidates.size()) == n_ - (itself_ ? 1 : 0)) return -infinity();
    const double own = rows::dot(query.row, query.row, d_), length = std::sqrt(own);
    const double reach = length + std::sqrt(square);  // no row nearer than that is farther from the mean
    const double error = kmeans_detail::products_noise(d_) * (2 * length * reach + reach * reach);
    if (square > kmeans_detail::kClear * error) return -infinity();
    const double limit = square - own + error;
    const auto worst = std::max_element(candidates.begin(), candidates.end());
    return static_cast<double>(worst->score) > limit ? -infinity() : limit;
  }

  /// The distances of all rows whose score is not above `limit`.
  void measure_below(std::int64_t query, const Query& of, double limit, std::vector<std::pair<double, std::int32_t>>& exact) const {
    alignas(64) float dots[12 * 2 * 16];
    const float* row[12];
    std::fill(std::begin(row), std::end(row), of.row);
    exact.clear();
    for (const Centres::Panel& panel : data_.panels()) {
      kernels_.dots[panel.vectors - 1](row, d_, panel.data, dots);
      for (std::int64_t l = 0; l < panel.count; ++l)
        if (const std::int32_t i = number_[size(panel.first + l)]; i != of.own && static_cast<double>(panel.bias[l] - 2.0f * dots[l]) <= limit)
          exact.emplace_back(exact_distance(query, i), i);
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

/// `search` of the rows at a scale at which float32 holds their squares; distances are those of the rows as they are.
template <class Search>
Neighbors at_scale(double factor, Distance distance, const Search& search) {
  Neighbors out = search();
  if (distance == Distance::euclidean)
    for (float& length : out.distance) length = static_cast<float>(static_cast<double>(length) / factor);
  return out;
}

double longest_square(const float* x, std::int64_t n, std::int64_t d) {
  return kmeans_detail::describe_points(x, n, d, "nearest neighbours need").longest_square;
}

}  // namespace

Neighbors nearest_neighbors(const float* queries, std::int64_t q, const float* x, std::int64_t n, std::int64_t d, std::int64_t k, Distance distance,
                            const std::function<bool(std::int64_t)>& progress) {
  neighbors_detail::check_shape(n, d, k, n);
  const double factor = neighbors_detail::enlarging_factor(std::max(longest_square(x, n, d), longest_square(queries, q, d)));
  if (factor == 1) return Search(queries, q, x, n, d, k, distance, false).run(progress);
  const std::vector<float> large = neighbors_detail::multiplied(x, n, d, factor), large_queries = neighbors_detail::multiplied(queries, q, d, factor);
  return at_scale(factor, distance, [&] { return Search(large_queries.data(), q, large.data(), n, d, k, distance, false).run(progress); });
}

Neighbors nearest_neighbors(const float* x, std::int64_t n, std::int64_t d, std::int64_t k, Distance distance,
                            const std::function<bool(std::int64_t)>& progress) {
  neighbors_detail::check_shape(n, d, k, n - 1);
  const double factor = neighbors_detail::enlarging_factor(longest_square(x, n, d));
  if (factor == 1) return Search(x, n, x, n, d, k, distance, true).run(progress);
  const std::vector<float> large = neighbors_detail::multiplied(x, n, d, factor);
  return at_scale(factor, distance, [&] { return Search(large.data(), n, large.data(), n, d, k, distance, true).run(progress); });
}

}  // namespace cdc
