#include "cdc/kmeans.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/random.hpp"
#include "numeric/clones.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/rows.hpp"

namespace cdc {
namespace kmeans_detail {
namespace {

constexpr std::int64_t kChunk = 1020;
constexpr std::int64_t kColumns = 64;                    ///< columns of one task that adds up points
constexpr std::uint32_t kRandomStart = 2;                ///< the random stream's operation

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

CDC_CLONES void move_row(const float* row, double* from, double* to, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) {
    from[j] -= static_cast<double>(row[j]);
    to[j] += static_cast<double>(row[j]);
  }
}

/// Sums and sizes of the clusters, in float64, kept up with the labels: an iteration costs what changed.
class Sums {
 public:
  Sums(const Points& points, std::int64_t k) : points_(points), k_(k), sums_(size(k * points.d), 0.0), counts_(size(k), 0) {}

  /// Follows the labels from `before` (-1: in no cluster yet) to `now`. Returns how many changed.
  std::int64_t follow(std::vector<std::int32_t>& before, const std::vector<std::int32_t>& now) {
    changed_.clear();
    for (std::int64_t i = 0; i < points_.n; ++i)
      if (before[size(i)] != now[size(i)]) changed_.push_back(i);
    for (const std::int64_t i : changed_) {
      if (before[size(i)] >= 0) --counts_[size(before[size(i)])];
      ++counts_[size(now[size(i)])];
    }
    // Tasks own columns: each adds its points in order of the points, so that no partial sums depend on threads.
    parallel_chunks(points_.d, kColumns, [&](std::int64_t begin, std::int64_t end) {
      for (std::size_t t = 0; t < changed_.size(); ++t) {
        const std::int64_t i = changed_[t];
        if (t + 8 < changed_.size())
          for (std::int64_t j = begin; j < end; j += 16) __builtin_prefetch(points_.row(changed_[t + 8]) + j);
        const std::int32_t old = before[size(i)];
        double* to = sums_.data() + now[size(i)] * points_.d + begin;
        if (old < 0)
          rows::add(points_.row(i) + begin, to, end - begin);
        else
          move_row(points_.row(i) + begin, sums_.data() + old * points_.d + begin, to, end - begin);
      }
    });
    before = now;
    return static_cast<std::int64_t>(changed_.size());
  }

  void move(std::int64_t i, std::int32_t from, std::int32_t to) {
    move_row(points_.row(i), sums_.data() + from * points_.d, sums_.data() + to * points_.d, points_.d);
    --counts_[size(from)];
    ++counts_[size(to)];
  }

  const std::vector<std::int64_t>& counts() const { return counts_; }
  bool any_empty() const { return std::find(counts_.begin(), counts_.end(), 0) != counts_.end(); }

  /// Means of the clusters, at length 1 where `spherical`; a cluster without points, or whose points cancel, keeps its centre. Returns the squared
  /// movement.
  double centres(float* centre, bool spherical) const {
    std::vector<double> shifts(size(k_), 0.0);
    parallel_chunks(k_, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) {
        if (counts_[size(c)] == 0) continue;
        const double* sum = sums_.data() + c * points_.d;
        double scale = 1.0 / static_cast<double>(counts_[size(c)]);
        if (spherical) {
          double length = 0;
          for (std::int64_t j = 0; j < points_.d; ++j) length += sum[j] * sum[j];
          if (length <= 1e-12) continue;
          scale = 1.0 / std::sqrt(length);
        }
        double shift = 0;
        for (std::int64_t j = 0; j < points_.d; ++j) {
          const auto now = static_cast<float>(sum[j] * scale);
          const double e = static_cast<double>(now) - static_cast<double>(centre[c * points_.d + j]);
          shift += e * e;
          centre[c * points_.d + j] = now;
        }
        shifts[size(c)] = shift;
      }
    });
    return std::accumulate(shifts.begin(), shifts.end(), 0.0);
  }

 private:
  const Points& points_;
  std::int64_t k_;
  std::vector<double> sums_;
  std::vector<std::int64_t> counts_;
  std::vector<std::int64_t> changed_;
};

/// Gives every empty cluster the farthest point of the cluster with the largest sum of squared distances. Returns the points that moved.
std::vector<std::int64_t> refill(const Points& points, const float* centre, std::vector<std::int32_t>& label, Sums& sums, std::int64_t k) {
  std::vector<std::int64_t> moved;
  std::vector<double> distance(size(points.n)), spread(size(k), 0.0);
  parallel_chunks(points.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      distance[size(i)] = rows::square_distance(points.row(i), centre + std::int64_t{label[size(i)]} * points.d, points.d);
  });
  for (std::int64_t i = 0; i < points.n; ++i) spread[size(label[size(i)])] += distance[size(i)];
  for (std::int64_t c = 0; c < k; ++c) {
    if (sums.counts()[size(c)] > 0) continue;
    std::int64_t donor = -1;
    for (std::int64_t other = 0; other < k; ++other)
      if (sums.counts()[size(other)] > 1 && spread[size(other)] > 0 && (donor < 0 || spread[size(other)] > spread[size(donor)])) donor = other;
    if (donor < 0) break;  // every point lies on its centre: fewer points are distinct than clusters wanted
    std::int64_t farthest = -1;
    for (std::int64_t i = 0; i < points.n; ++i)
      if (label[size(i)] == donor && (farthest < 0 || distance[size(i)] > distance[size(farthest)])) farthest = i;
    if (distance[size(farthest)] <= 0) break;
    sums.move(farthest, static_cast<std::int32_t>(donor), static_cast<std::int32_t>(c));
    spread[size(donor)] -= distance[size(farthest)];
    label[size(farthest)] = static_cast<std::int32_t>(c);
    distance[size(farthest)] = 0;
    moved.push_back(farthest);
  }
  return moved;
}

struct Run {
  const Points& points;
  const KMeansOptions& options;
  const std::function<bool(const KMeansProgress&)>& progress;
  int restart;

  void report(int iteration, double changed) const {
    if (progress && !progress({restart, iteration, changed})) throw Stopped("k-means was stopped");
  }
};

std::vector<float> start_centres(const Run& run) {
  const Points& points = run.points;
  const std::int64_t k = run.options.clusters, d = points.d;
  if (run.options.centres) return {run.options.centres, run.options.centres + k * d};
  std::vector<std::int64_t> rows;
  if (run.options.start == KMeansOptions::Start::random) {
    Random random(run.options.seed, static_cast<std::uint64_t>(run.restart), 0, 0, kRandomStart);
    rows = random.permutation(points.n);
    rows.resize(size(k));
  } else {
    rows = seed_rows(points, k, run.options.seed, static_cast<std::uint64_t>(run.restart), [&] {
      if (run.progress) return run.progress({run.restart, 0, 1.0});
      return true;
    });
  }
  std::vector<float> out(size(k * d));
  for (std::int64_t c = 0; c < k; ++c) std::copy_n(points.row(rows[size(c)]), d, out.data() + c * d);
  return out;
}

/// Every point to its nearest centre. Points that were in doubt, and how many of them float32 alone had put elsewhere.
Settled assign_all(const Run& run, Centres& packed, const std::vector<float>& centre, std::vector<std::int32_t>& label, std::vector<float>& score) {
  const Points& points = run.points;
  score.resize(size(points.n));
  packed.pack(kernels(), centre.data(), run.options.clusters, points.d, points.mean.data(), {});
  nearest(kernels(), packed, points.x, nullptr, points.n, label.data(), score.data());
  return settle(kernels(), points, packed, centre.data(), run.options.clusters, nullptr, points.n, label.data(), score.data(), nullptr);
}

/// The last labels where bounds decided: what float32 left in doubt there.
void settle_bounded(const Run& run, Centres& packed, const std::vector<float>& centre, std::vector<std::int32_t>& label, std::vector<float>& score) {
  const Points& points = run.points;
  score.resize(size(points.n));
  parallel_chunks(points.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      score[size(i)] = static_cast<float>(rows::square_distance(points.row(i), centre.data() + std::int64_t{label[size(i)]} * points.d, points.d) -
                                          static_cast<double>(points.norm[size(i)]));
  });
  packed.pack(kernels(), centre.data(), run.options.clusters, points.d, points.mean.data(), {});
  settle(kernels(), points, packed, centre.data(), run.options.clusters, nullptr, points.n, label.data(), score.data(), nullptr);
}

/// Lloyd's iterations from `result.centres`.
void lloyd(const Run& run, KMeansResult& result) {
  const Points& points = run.points;
  const KMeansOptions& options = run.options;
  const std::int64_t k = options.clusters;
  std::vector<std::int32_t> before(size(points.n), -1);
  result.labels.assign(size(points.n), 0);
  Sums sums(points, k);
  Centres packed;
  BoundedAssignment bounded(kernels(), points, k);
  std::vector<float> score;
  std::int64_t changed = points.n;
  bool clear = true;  ///< float32 tells distances apart: those that bounds are made of
  for (int iteration = 0; iteration < options.max_iterations; ++iteration) {
    result.iterations = iteration + 1;
    // Bounds pay once most points stay where they are; before that centres move too far.
    if (bounded.started()) {
      bounded.assign(result.centres.data(), result.labels.data());
    } else if (options.prune && clear && iteration > 0 && changed * 2 < points.n) {
      bounded.start(result.centres.data(), result.labels.data());
    } else {
      const Settled settled = assign_all(run, packed, result.centres, result.labels, score);
      clear = clear && settled.moved == 0 && settled.doubtful * 100 <= points.n;
    }
    changed = sums.follow(before, result.labels);
    if (sums.any_empty()) {
      for (const std::int64_t i : refill(points, result.centres.data(), result.labels, sums, k)) {
        if (bounded.started()) bounded.forget(i);
        ++changed;
      }
      before = result.labels;
    }
    run.report(iteration, static_cast<double>(changed) / static_cast<double>(points.n));
    if (changed == 0) {  // the centres are the means of these labels already
      result.converged = true;
      if (bounded.started()) settle_bounded(run, packed, result.centres, result.labels, score);
      return;
    }
    const double shift = sums.centres(result.centres.data(), options.spherical);
    if (shift <= options.tolerance * points.mean_variance) {
      result.converged = true;
      break;
    }
  }
  if (bounded.started()) {
    bounded.assign(result.centres.data(), result.labels.data());
    settle_bounded(run, packed, result.centres, result.labels, score);
  } else {
    assign_all(run, packed, result.centres, result.labels, score);
  }
}

/// Of the centers given to start from; 0 where there are none. cdc::Error where one is not finite.
double largest_square(const KMeansOptions& options, std::int64_t d) {
  double largest = 0;
  for (std::int64_t c = 0; options.centres != nullptr && c < options.clusters; ++c) {
    const float* const centre = options.centres + c * d;
    const float* const wrong = std::find_if(centre, centre + d, [](float v) { return !std::isfinite(v); });
    if (wrong != centre + d)
      throw Error(fmt::format("center {}, column {} of those to start from is {}: k-means needs finite numbers", c, wrong - centre, *wrong));
    largest = std::max(largest, rows::dot(centre, centre, d));
  }
  return largest;
}

void check(std::int64_t n, std::int64_t d, const KMeansOptions& options) {
  check_shape(n, d, options.clusters);
  if (options.restarts < 1) throw Error(fmt::format("k-means needs at least 1 start; restarts = {}", options.restarts));
  if (options.max_iterations < 1) throw Error(fmt::format("k-means needs at least 1 iteration; max_iterations = {}", options.max_iterations));
  if (!(options.tolerance >= 0)) throw Error(fmt::format("k-means' tolerance must not be negative; tolerance = {}", options.tolerance));
}

}  // namespace

void check_shape(std::int64_t n, std::int64_t d, std::int64_t clusters) {
  if (clusters < 1) throw Error(fmt::format("k-means needs at least 1 cluster; clusters = {}", clusters));
  if (d < 1) throw Error("k-means needs features with at least 1 column");
  if (n < clusters) throw Error(fmt::format("k-means cannot make {} clusters of {} rows: lower clusters or take more data", clusters, n));
  if (clusters > std::numeric_limits<std::int32_t>::max() / 2) throw Error(fmt::format("{} clusters are too many for k-means", clusters));
}

std::int64_t count_empty(const std::vector<std::int32_t>& labels, std::int64_t clusters) {
  std::vector<char> used(size(clusters), 0);
  for (const std::int32_t l : labels) used[size(l)] = 1;
  return std::count(used.begin(), used.end(), 0);
}

void scale_back(std::vector<float>& centres, double factor) {
  if (factor == 1) return;
  for (float& c : centres) c = static_cast<float>(static_cast<double>(c) / factor);
}

}  // namespace kmeans_detail

using kmeans_detail::Points;

KMeansResult kmeans(const float* x, std::int64_t n, std::int64_t d, const KMeansOptions& options,
                    const std::function<bool(const KMeansProgress&)>& progress) {
  kmeans_detail::check(n, d, options);
  std::vector<float> unit;
  if (options.spherical) {
    unit = normalised_rows(x, n, d);
    x = unit.data();
  }
  const kmeans_detail::Scaled scaled(x, n, d, "k-means needs", kmeans_detail::largest_square(options, d));
  const Points& points = scaled.points();
  KMeansOptions scaled_options = options;
  std::vector<float> scaled_centres;
  if (options.centres != nullptr && scaled.factor() != 1) {
    for (std::int64_t j = 0; j < options.clusters * d; ++j)
      scaled_centres.push_back(static_cast<float>(static_cast<double>(options.centres[j]) * scaled.factor()));
    scaled_options.centres = scaled_centres.data();
  }
  KMeansResult best;
  const int restarts = options.centres ? 1 : options.restarts;
  for (int restart = 0; restart < restarts; ++restart) {
    const kmeans_detail::Run run{points, scaled_options, progress, restart};
    KMeansResult result;
    result.restart = restart;
    result.centres = kmeans_detail::start_centres(run);
    kmeans_detail::lloyd(run, result);
    kmeans_detail::scale_back(result.centres, scaled.factor());
    result.inertia = kmeans_inertia(x, n, d, result.centres.data(), result.labels.data());
    if (restart == 0 || result.inertia < best.inertia) best = std::move(result);
  }
  best.empty = kmeans_detail::count_empty(best.labels, options.clusters);
  return best;
}

std::vector<std::int64_t> kmeans_plus_plus(const float* x, std::int64_t n, std::int64_t d, std::int64_t clusters, std::uint64_t seed) {
  kmeans_detail::check_shape(n, d, clusters);
  return kmeans_detail::seed_rows(kmeans_detail::Scaled(x, n, d).points(), clusters, seed, 0, {});
}

std::int64_t distinct_rows(const float* x, std::int64_t n, std::int64_t d, std::int64_t at_most) {
  std::unordered_multimap<std::size_t, const float*> known;
  for (std::int64_t i = 0; i < n && static_cast<std::int64_t>(known.size()) < at_most; ++i) {
    const float* const row = x + i * d;
    std::size_t hash = 0;
    for (std::int64_t j = 0; j < d; ++j) hash = hash * 1000003 + std::hash<float>()(row[j]);
    const auto [first, last] = known.equal_range(hash);
    if (std::none_of(first, last, [&](const auto& other) { return std::equal(row, row + d, other.second); })) known.emplace(hash, row);
  }
  return static_cast<std::int64_t>(known.size());
}

std::vector<float> normalised_rows(const float* x, std::int64_t n, std::int64_t d) {
  std::vector<float> out(static_cast<std::size_t>(n * d));
  std::vector<std::int64_t> bad(static_cast<std::size_t>((n + 1023) / 1024), -1);
  parallel_chunks(n, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = end - 1; i >= begin; --i) {
      double length = 0;
      for (std::int64_t j = 0; j < d; ++j) length += static_cast<double>(x[i * d + j]) * static_cast<double>(x[i * d + j]);
      if (!(length > 0) || !std::isfinite(length)) {
        bad[static_cast<std::size_t>(begin / 1024)] = i;
        continue;
      }
      const double scale = 1.0 / std::sqrt(length);
      for (std::int64_t j = 0; j < d; ++j) out[static_cast<std::size_t>(i * d + j)] = static_cast<float>(static_cast<double>(x[i * d + j]) * scale);
    }
  });
  for (const std::int64_t i : bad)
    if (i >= 0)
      throw Error(
          fmt::format("row {} of the features cannot be brought to length 1: it is all zeros or not finite; look at what computed the features", i));
  return out;
}

double kmeans_inertia(const float* x, std::int64_t n, std::int64_t d, const float* centres, const std::int32_t* labels) {
  std::vector<double> parts(static_cast<std::size_t>((n + 1023) / 1024), 0.0);
  parallel_chunks(n, 1024, [&](std::int64_t begin, std::int64_t end) {
    double sum = 0;
    for (std::int64_t i = begin; i < end; ++i) sum += rows::square_distance(x + i * d, centres + std::int64_t{labels[i]} * d, d);
    parts[static_cast<std::size_t>(begin / 1024)] = sum;
  });
  double out = 0;
  for (const double p : parts) out += p;
  return out;
}

}  // namespace cdc
