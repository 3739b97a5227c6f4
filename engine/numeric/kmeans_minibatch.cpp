#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cdc/error.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/parallel.hpp"
#include "cdc/random.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/rows.hpp"

namespace cdc {
namespace kmeans_detail {
namespace {

constexpr std::int64_t kColumns = 64;                                       ///< columns of one task that adds up points
constexpr std::uint32_t kBatches = 3, kSample = 4, kCheck = 5, kFirst = 6;  ///< random streams' operations

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

std::vector<std::int64_t> draw_rows(Random& random, std::int64_t count, std::int64_t n) {
  std::vector<std::int64_t> rows(size(count));
  for (auto& r : rows) r = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n)));
  return rows;
}

class MiniBatch {
 public:
  /// `progress` may be empty.
  MiniBatch(const Points& points, const MiniBatchKMeansOptions& options, const std::function<bool(const MiniBatchKMeansProgress&)>& progress)
      : points_(points),
        options_(options),
        progress_(progress),
        k_(options.clusters),
        d_(points.d),
        batch_(std::min(options.batch_size, points.n)),
        steps_(std::max<std::int64_t>(1, points.n * options.max_passes / batch_)) {}

  void start(KMeansResult& result) {
    const std::int64_t wanted = options_.init_samples > 0 ? options_.init_samples : std::max(3 * batch_, 3 * k_);
    const std::int64_t count = std::clamp(wanted, k_, points_.n);
    Random check(options_.seed, 0, 0, 0, kCheck);
    const std::vector<std::int64_t> held = draw_rows(check, count, points_.n);
    double least = std::numeric_limits<double>::infinity();
    for (int init = 0; init < options_.inits; ++init) {
      std::vector<float> centres = first_centres(init, count);
      const double inertia = assign(centres, held);
      if (init > 0 && inertia >= least) continue;
      least = inertia;
      result.centres = std::move(centres);
      result.restart = init;
    }
  }

  void run(KMeansResult& result) {
    Random random(options_.seed, 0, 0, 0, kBatches);
    weight_.assign(size(k_), 0.0);
    mean_.assign(result.centres.begin(), result.centres.end());
    const double alpha = std::min(1.0, 2.0 * static_cast<double>(batch_) / static_cast<double>(points_.n + 1));
    double average = 0, best = std::numeric_limits<double>::infinity();
    int worse = 0;
    for (std::int64_t step = 0; step < steps_ && !result.converged; ++step) {
      const std::vector<std::int64_t> rows = draw_rows(random, batch_, points_.n);
      const double inertia = assign(result.centres, rows) / static_cast<double>(batch_);
      const std::vector<float> before = options_.tolerance > 0 ? result.centres : std::vector<float>();
      move(rows, result.centres);
      reassign(rows, random, result.centres);
      result.iterations = static_cast<int>(step + 1);
      if (step > 0) {  // the first is the inertia of the first centres
        average = step == 1 ? inertia : average * (1 - alpha) + inertia * alpha;
        worse = average < best ? 0 : worse + 1;
        best = std::min(best, average);
        result.converged = options_.max_no_improvement > 0 && worse >= options_.max_no_improvement;
        if (options_.tolerance > 0)
          result.converged =
              result.converged || rows::square_distance(before.data(), result.centres.data(), k_ * d_) <= options_.tolerance * points_.mean_variance;
      }
      if (progress_ && !progress_({step + 1, steps_, step > 0 ? average : inertia})) throw Stopped("k-means was stopped");
    }
    result.labels.assign(size(points_.n), 0);
    score_.resize(size(points_.n));
    packed_.pack(kernels(), result.centres.data(), k_, d_, points_.mean.data(), {});
    nearest(kernels(), packed_, points_.x, nullptr, points_.n, result.labels.data(), score_.data());
    settle(kernels(), points_, packed_, result.centres.data(), k_, nullptr, points_.n, result.labels.data(), score_.data(), nullptr);
  }

 private:
  std::vector<float> first_centres(int init, std::int64_t count) const {
    Random random(options_.seed, static_cast<std::uint64_t>(init), 0, 0, kSample);
    std::vector<std::int64_t> rows;
    if (count == points_.n) {
      rows.resize(size(count));
      std::iota(rows.begin(), rows.end(), 0);
    } else {
      rows = draw_rows(random, count, points_.n);
    }
    std::vector<std::int64_t> chosen;
    std::vector<float> sample(size(count * d_));
    for (std::int64_t i = 0; i < count; ++i) std::copy_n(points_.row(rows[size(i)]), d_, sample.data() + i * d_);
    if (options_.start == KMeansOptions::Start::random) {
      Random first(options_.seed, static_cast<std::uint64_t>(init), 0, 0, kFirst);
      chosen = first.permutation(count);
      chosen.resize(size(k_));
    } else {
      chosen = seed_rows(describe_points(sample.data(), count, d_), k_, options_.seed, static_cast<std::uint64_t>(init), [&] {
        return !progress_ || progress_({0, steps_, 0});
      });
    }
    std::vector<float> out(size(k_ * d_));
    for (std::int64_t c = 0; c < k_; ++c) std::copy_n(sample.data() + chosen[size(c)] * d_, d_, out.data() + c * d_);
    return out;
  }

  /// Labels of these rows, in label_. Returns their inertia.
  double assign(const std::vector<float>& centres, const std::vector<std::int64_t>& rows) {
    label_.resize(rows.size());
    score_.resize(rows.size());
    square_.resize(rows.size());
    const auto count = static_cast<std::int64_t>(rows.size());
    packed_.pack(kernels(), centres.data(), k_, d_, points_.mean.data(), {});
    nearest(kernels(), packed_, points_.x, rows.data(), count, label_.data(), score_.data());
    settle(kernels(), points_, packed_, centres.data(), k_, rows.data(), count, label_.data(), score_.data(), square_.data());
    double inertia = 0;
    for (const double square : square_) inertia += square;
    return inertia;
  }

  void move(const std::vector<std::int64_t>& rows, std::vector<float>& centres) {
    std::vector<double> gained(size(k_), 0.0);
    for (const std::int32_t l : label_) ++gained[size(l)];
    // Tasks own columns: each adds the points in order.
    parallel_chunks(d_, kColumns, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = 0; c < k_; ++c)
        if (gained[size(c)] > 0)
          for (std::int64_t j = begin; j < end; ++j) mean_[size(c * d_ + j)] *= weight_[size(c)];
      for (std::size_t b = 0; b < rows.size(); ++b)
        rows::add(points_.row(rows[b]) + begin, mean_.data() + std::int64_t{label_[b]} * d_ + begin, end - begin);
      for (std::int64_t c = 0; c < k_; ++c)
        if (gained[size(c)] > 0)
          for (std::int64_t j = begin; j < end; ++j) {
            mean_[size(c * d_ + j)] /= weight_[size(c)] + gained[size(c)];
            centres[size(c * d_ + j)] = static_cast<float>(mean_[size(c * d_ + j)]);
          }
    });
    for (std::int64_t c = 0; c < k_; ++c) {
      weight_[size(c)] += gained[size(c)];
      if (!options_.spherical || gained[size(c)] <= 0) continue;
      double length = 0;
      for (std::int64_t j = 0; j < d_; ++j) length += mean_[size(c * d_ + j)] * mean_[size(c * d_ + j)];
      if (length <= 1e-12) continue;
      for (std::int64_t j = 0; j < d_; ++j) centres[size(c * d_ + j)] = static_cast<float>(mean_[size(c * d_ + j)] / std::sqrt(length));
    }
  }

  /// Moves centres of few points to random points of the batch, half the batch at most.
  void reassign(const std::vector<std::int64_t>& rows, Random& random, std::vector<float>& centres) {
    since_ += batch_;
    const bool never = std::find(weight_.begin(), weight_.end(), 0.0) != weight_.end();
    if (!never && since_ < 10 * k_) return;
    since_ = 0;
    const double largest = *std::max_element(weight_.begin(), weight_.end());
    std::vector<std::int64_t> few;
    for (std::int64_t c = 0; c < k_; ++c)
      if (weight_[size(c)] < options_.reassignment_ratio * largest) few.push_back(c);
    std::stable_sort(few.begin(), few.end(), [&](std::int64_t a, std::int64_t b) { return weight_[size(a)] < weight_[size(b)]; });
    if (static_cast<std::int64_t>(few.size()) > batch_ / 2) few.resize(size(batch_ / 2));
    if (few.empty()) return;
    // Those that stay; there is one, the largest.
    double least = largest;
    std::vector<char> moved(size(k_), 0);
    for (const std::int64_t c : few) moved[size(c)] = 1;
    for (std::int64_t c = 0; c < k_; ++c)
      if (!moved[size(c)]) least = std::min(least, weight_[size(c)]);
    const std::vector<std::int64_t> order = random.permutation(batch_);
    for (std::size_t i = 0; i < few.size(); ++i) {
      const float* row = points_.row(rows[size(order[i])]);
      std::copy_n(row, d_, centres.data() + few[i] * d_);
      std::copy_n(row, d_, mean_.data() + few[i] * d_);
      weight_[size(few[i])] = least;
    }
  }

  const Points& points_;
  const MiniBatchKMeansOptions& options_;
  const std::function<bool(const MiniBatchKMeansProgress&)>& progress_;
  std::int64_t k_, d_, batch_, steps_, since_ = 0;
  std::vector<double> weight_, mean_;  ///< [K] points that each centre got; [K, D] their means
  std::vector<std::int32_t> label_;
  std::vector<float> score_;
  std::vector<double> square_;
  Centres packed_;
};

void check(std::int64_t n, std::int64_t d, const MiniBatchKMeansOptions& options) {
  check_shape(n, d, options.clusters);
  if (options.batch_size < 1) throw Error(fmt::format("k-means needs at least 1 row a batch; batch_size = {}", options.batch_size));
  if (options.max_passes < 1) throw Error(fmt::format("k-means needs at least 1 pass over the data; max_passes = {}", options.max_passes));
  if (options.inits < 1) throw Error(fmt::format("k-means needs at least 1 start; inits = {}", options.inits));
  if (options.init_samples != 0 && options.init_samples < options.clusters)
    throw Error(fmt::format("k-means cannot choose {} first centres among init_samples = {} rows: raise init_samples, or 0 for the usual number",
                            options.clusters, options.init_samples));
  if (!(options.reassignment_ratio >= 0 && options.reassignment_ratio < 1))
    throw Error(fmt::format("k-means' reassignment_ratio must lie in 0 .. 1, without 1; reassignment_ratio = {}", options.reassignment_ratio));
  if (options.max_no_improvement < 0)
    throw Error(fmt::format("k-means' max_no_improvement must not be negative; max_no_improvement = {}", options.max_no_improvement));
  if (!(options.tolerance >= 0)) throw Error(fmt::format("k-means' tolerance must not be negative; tolerance = {}", options.tolerance));
}

}  // namespace
}  // namespace kmeans_detail

KMeansResult minibatch_kmeans(const float* x, std::int64_t n, std::int64_t d, const MiniBatchKMeansOptions& options,
                              const std::function<bool(const MiniBatchKMeansProgress&)>& progress) {
  kmeans_detail::check(n, d, options);
  std::vector<float> unit;
  if (options.spherical) {
    unit = normalised_rows(x, n, d);
    x = unit.data();
  }
  const kmeans_detail::Scaled scaled(x, n, d);
  kmeans_detail::MiniBatch batches(scaled.points(), options, progress);
  KMeansResult result;
  batches.start(result);
  batches.run(result);
  kmeans_detail::scale_back(result.centres, scaled.factor());
  result.inertia = kmeans_inertia(x, n, d, result.centres.data(), result.labels.data());
  result.empty = kmeans_detail::count_empty(result.labels, options.clusters);
  return result;
}

}  // namespace cdc
