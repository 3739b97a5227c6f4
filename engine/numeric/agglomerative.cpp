#include "cdc/agglomerative.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/random.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/rows.hpp"

namespace cdc {
namespace {

constexpr std::uint32_t kSample = 7;     ///< the random stream's operation
constexpr std::int64_t kWork = 1 << 16;  ///< products of one task

/// Up to this many columns means are read as fast as kept distances (tests/bench/agglomerative.py).
constexpr std::int64_t kMeansColumns = 128;

constexpr double kFarthest = std::numeric_limits<float>::max();

using Linkage = AgglomerativeOptions::Linkage;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Ward's distances from the means, in little memory. A cluster is called by one of its rows. distance(a, b) and distance(b, a) must have the same
/// bits.
class WardMeans {
 public:
  WardMeans(const float* x, std::int64_t n, std::int64_t d) : d_(d), mean_(x, x + n * d), count_(size(n), 1.0) {}
  std::int64_t cost() const { return d_; }
  /// Half the square of the height: grows with it.
  double distance(std::int64_t a, std::int64_t b) const {
    const double na = count_[size(a)], nb = count_[size(b)];
    return na * nb / (na + nb) * rows::square_distance(mean_.data() + a * d_, mean_.data() + b * d_, d_);
  }
  double height(double distance) const { return std::sqrt(2 * distance); }
  void merge(std::int64_t into, std::int64_t from, const std::vector<std::int64_t>&) {
    const double na = count_[size(into)], nb = count_[size(from)];
    for (std::int64_t j = 0; j < d_; ++j) {
      double& m = mean_[size(into * d_ + j)];
      m = (na * m + nb * mean_[size(from * d_ + j)]) / (na + nb);
    }
    count_[size(into)] = na + nb;
  }

 private:
  std::int64_t d_;
  std::vector<double> mean_, count_;
};

using Progress = std::function<bool(std::int64_t, std::int64_t)>;

void tell(const Progress& progress, std::int64_t done, std::int64_t total) {
  if (progress && !progress(done, total)) throw Stopped("agglomerative clustering was stopped");
}

/// All distances, updated by the formula of Lance and Williams (1967).
template <class Number>
class AllDistances {
 public:
  AllDistances(const float* x, std::int64_t n, std::int64_t d, Linkage linkage, const Progress& progress)
      : n_(n), linkage_(linkage), distance_(size(n * (n - 1) / 2)), count_(size(n), 1.0) {
    constexpr std::int64_t kTile = 16;  // rows that stay in the cache while the others pass
    std::vector<double> tile(size(kTile * d));
    for (std::int64_t first = 0; first < n - 1; first += kTile) {
      const std::int64_t last = std::min(first + kTile, n);
      rows::widen(x + first * d, tile.data(), (last - first) * d);
      parallel_chunks(n - first, 64, [&](std::int64_t begin, std::int64_t end) {
        std::vector<double> row(size(d));
        for (std::int64_t o = first + begin; o < first + end; ++o) {
          rows::widen(x + o * d, row.data(), d);
          for (std::int64_t i = first; i < std::min(o, last); ++i) {
            const double square = rows::square_distance(tile.data() + (i - first) * d, row.data(), d);
            distance_[place(i, o)] = static_cast<Number>(linkage == Linkage::ward ? square / 2 : std::min(std::sqrt(square), kFarthest));
          }
        }
      });
      tell(progress, 0, n - 1);
    }
  }
  std::int64_t cost() const { return 16; }
  /// Ward's: half the square of the height, as WardMeans has it.
  double distance(std::int64_t a, std::int64_t b) const { return static_cast<double>(distance_[place(a, b)]); }
  double height(double distance) const { return linkage_ == Linkage::ward ? std::sqrt(2 * distance) : distance; }
  void merge(std::int64_t into, std::int64_t from, const std::vector<std::int64_t>& others) {
    const double na = count_[size(into)], nb = count_[size(from)], ab = distance(into, from);
    parallel_chunks(static_cast<std::int64_t>(others.size()), kWork / cost(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t o = others[size(i)];
        if (o == into || o == from) continue;
        Number& to = distance_[place(into, o)];
        to = static_cast<Number>(merged(static_cast<double>(to), distance(from, o), ab, na, nb, count_[size(o)]));
      }
    });
    count_[size(into)] = na + nb;
  }

 private:
  /// The distance between what A and B become and a third cluster, of a and b from them. They are the nearest: ab is not above a and b.
  double merged(double a, double b, double ab, double na, double nb, double n) const {
    switch (linkage_) {
      case Linkage::ward:
        return std::max(((na + n) * a + (nb + n) * b - n * ab) / (na + nb + n), 0.0);
      case Linkage::average:
        return (na * a + nb * b) / (na + nb);
      case Linkage::complete:
        return std::max(a, b);
      case Linkage::single:
        break;
    }
    return std::min(a, b);
  }
  std::size_t place(std::int64_t a, std::int64_t b) const {
    if (a > b) std::swap(a, b);
    return size(a * n_ - a * (a + 1) / 2 + b - a - 1);
  }
  std::int64_t n_;
  Linkage linkage_;
  std::vector<Number> distance_;
  std::vector<double> count_;
};

/// The merges in the order in which chains find them; a and b are rows of the two clusters.
template <class Distances>
std::vector<Merge> chain(Distances distances, std::int64_t n, const Progress& progress) {
  std::vector<Merge> merges;
  std::vector<std::int64_t> active(size(n)), path, place(size(n), -1);  // place on the path
  std::iota(active.begin(), active.end(), 0);
  const std::int64_t block = std::max<std::int64_t>(64, kWork / distances.cost());
  std::vector<std::pair<double, std::int64_t>> parts(size((n + block - 1) / block));
  while (active.size() > 1) {
    if (path.empty()) {
      path.push_back(active.front());
      place[size(path.front())] = 0;
    }
    const std::int64_t a = path.back(), previous = path.size() > 1 ? path[path.size() - 2] : -1;
    const auto count = static_cast<std::int64_t>(active.size());
    parallel_chunks(count, block, [&](std::int64_t begin, std::int64_t end) {
      std::pair<double, std::int64_t> best{std::numeric_limits<double>::infinity(), -1};
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t o = active[size(i)];
        if (o == a) continue;
        const double distance = distances.distance(a, o);
        if (distance < best.first || (distance == best.first && o == previous)) best = {distance, o};
      }
      parts[size(begin / block)] = best;
    });
    std::pair<double, std::int64_t> best = parts.front();
    for (std::int64_t p = 1; p < (count + block - 1) / block; ++p) {
      const auto& part = parts[size(p)];
      if (part.first < best.first || (part.first == best.first && part.second == previous)) best = part;
    }
    const std::int64_t met = place[size(best.second)];
    if (met < 0) {
      place[size(best.second)] = static_cast<std::int64_t>(path.size());
      path.push_back(best.second);
      continue;
    }
    // The nearest is on the path: the one before, or among equal distances, which rounding may put in a circle, one further back.
    const std::int64_t into = std::min(a, best.second), from = std::max(a, best.second);
    merges.push_back({into, from, distances.height(best.first), 0});
    distances.merge(into, from, active);
    active.erase(std::lower_bound(active.begin(), active.end(), from));
    for (auto i = met; i < static_cast<std::int64_t>(path.size()); ++i) place[size(path[size(i)])] = -1;
    path.resize(size(met));
    tell(progress, static_cast<std::int64_t>(merges.size()), n - 1);
  }
  return merges;
}

std::int64_t top(std::vector<std::int64_t>& parent, std::int64_t i) {
  while (parent[size(i)] != i) i = parent[size(i)] = parent[size(parent[size(i)])];
  return i;
}

/// Puts merges in order of their heights and names clusters as SciPy does.
void name_clusters(std::vector<Merge>& merges, std::int64_t n) {
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) { return a.height < b.height; });
  std::vector<std::int64_t> parent(size(2 * n - 1)), count(size(2 * n - 1), 1);
  std::iota(parent.begin(), parent.end(), 0);
  for (std::size_t i = 0; i < merges.size(); ++i) {
    Merge& m = merges[i];
    m.a = top(parent, m.a);
    m.b = top(parent, m.b);
    if (m.a > m.b) std::swap(m.a, m.b);
    const std::int64_t made = n + static_cast<std::int64_t>(i);
    parent[size(m.a)] = parent[size(m.b)] = made;
    m.size = count[size(made)] = count[size(m.a)] + count[size(m.b)];
  }
}

/// Labels of the n rows once all but k - 1 merges are made.
std::vector<std::int32_t> cut(const std::vector<Merge>& merges, std::int64_t n, std::int64_t k) {
  std::vector<std::int64_t> parent(size(2 * n - 1));
  std::iota(parent.begin(), parent.end(), 0);
  for (std::int64_t i = 0; i < n - k; ++i) parent[size(merges[size(i)].a)] = parent[size(merges[size(i)].b)] = n + i;
  std::vector<std::int32_t> label_of(size(2 * n - 1), -1), out;
  std::int32_t next = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    std::int32_t& label = label_of[size(top(parent, i))];
    if (label < 0) label = next++;
    out.push_back(label);
  }
  return out;
}

template <class Number>
double bytes(std::int64_t n) {
  return sizeof(Number) / 2.0 * static_cast<double>(n) * static_cast<double>(n);
}

void check(std::int64_t n, std::int64_t d, const AgglomerativeOptions& options) {
  const std::int64_t k = options.clusters;
  if (k < 1) throw Error(fmt::format("agglomerative clustering needs at least 1 cluster; clusters = {}", k));
  if (d < 1) throw Error("agglomerative clustering needs features with at least 1 column");
  if (n < k) throw Error(fmt::format("agglomerative clustering cannot make {} clusters of {} rows: lower clusters or take more data", k, n));
  if (options.max_samples != 0 && options.max_samples < k)
    throw Error(fmt::format("agglomerative clustering cannot make {} clusters of a sample of {} rows: raise max_samples", k, options.max_samples));
  const std::int64_t clustered = options.max_samples > 0 ? std::min(n, options.max_samples) : n;
  if (options.linkage != Linkage::ward && bytes<float>(clustered) > options.max_bytes)
    throw Error(
        fmt::format("the distances between {} rows take {:.1f} GB, more than {:.1f} GB: take linkage = \"ward\", which needs none, or lower "
                    "max_samples",
                    clustered, bytes<float>(clustered) / 1e9, options.max_bytes / 1e9));
}

}  // namespace

AgglomerativeResult agglomerative_clustering(const float* x, std::int64_t n, std::int64_t d, const AgglomerativeOptions& options,
                                             const Progress& progress) {
  check(n, d, options);
  const kmeans_detail::Scaled scaled(x, n, d, "agglomerative clustering needs");
  AgglomerativeResult result;
  const bool sample = options.max_samples > 0 && options.max_samples < n;
  std::vector<float> sampled;
  if (sample) {
    Random random(options.seed, 0, 0, 0, kSample);
    result.rows = random.permutation(n);
    result.rows.resize(size(options.max_samples));
    std::sort(result.rows.begin(), result.rows.end());
    for (const std::int64_t i : result.rows) sampled.insert(sampled.end(), x + i * d, x + (i + 1) * d);
  } else {
    result.rows.resize(size(n));
    std::iota(result.rows.begin(), result.rows.end(), 0);
  }
  const auto m = static_cast<std::int64_t>(result.rows.size());
  const float* data = sample ? sampled.data() : x;
  if (options.linkage != Linkage::ward)
    result.merges = chain(AllDistances<float>(data, m, d, options.linkage, progress), m, progress);
  else if (d > kMeansColumns && bytes<double>(m) <= options.max_bytes)
    result.merges = chain(AllDistances<double>(data, m, d, Linkage::ward, progress), m, progress);
  else
    result.merges = chain(WardMeans(data, m, d), m, progress);
  name_clusters(result.merges, m);
  std::vector<std::int32_t> labels = cut(result.merges, m, options.clusters);
  if (!sample) {
    result.labels = std::move(labels);
    return result;
  }
  const std::int64_t k = options.clusters;
  std::vector<double> sums(size(k * d), 0.0), counts(size(k), 0.0);
  for (std::int64_t i = 0; i < m; ++i) {
    rows::add(data + i * d, sums.data() + labels[size(i)] * d, d);
    ++counts[size(labels[size(i)])];
  }
  std::vector<float> means(size(k * d));
  for (std::int64_t c = 0; c < k; ++c)
    for (std::int64_t j = 0; j < d; ++j) means[size(c * d + j)] = static_cast<float>(sums[size(c * d + j)] / counts[size(c)] * scaled.factor());
  kmeans_detail::Centres centres;
  const kmeans_detail::Points& points = scaled.points();
  centres.pack(kmeans_detail::kernels(), means.data(), k, d, points.mean.data(), {});
  result.labels.resize(size(n));
  std::vector<float> score(size(n));
  kmeans_detail::nearest(kmeans_detail::kernels(), centres, points.x, nullptr, n, result.labels.data(), score.data());
  kmeans_detail::settle(kmeans_detail::kernels(), points, centres, means.data(), k, nullptr, n, result.labels.data(), score.data(), nullptr);
  for (std::int64_t i = 0; i < m; ++i) result.labels[size(result.rows[size(i)])] = labels[size(i)];
  return result;
}

}  // namespace cdc
