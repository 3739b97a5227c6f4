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
#include "numeric/clones.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/rows.hpp"

namespace cdc {
namespace {

constexpr std::uint32_t kSample = 7;     ///< the random stream's operation
constexpr std::int64_t kWork = 1 << 16;  ///< products of one task

constexpr double kFarthest = std::numeric_limits<float>::max();

using Linkage = AgglomerativeOptions::Linkage;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

CDC_CLONES double square_distance(const double* a, const double* b, std::int64_t d) {
  double lanes[8] = {};
  std::int64_t j = 0;
  for (; j + 8 <= d; j += 8)
    for (int l = 0; l < 8; ++l) lanes[l] += (a[j + l] - b[j + l]) * (a[j + l] - b[j + l]);
  for (int l = 0; j < d; ++j, ++l) lanes[l] += (a[j] - b[j]) * (a[j] - b[j]);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

/// Distances of clusters, which are called by one of their rows. distance(a, b) and distance(b, a) must have the same bits.
class WardDistances {
 public:
  WardDistances(const float* x, std::int64_t n, std::int64_t d) : d_(d), mean_(x, x + n * d), count_(size(n), 1.0) {}
  std::int64_t cost() const { return d_; }
  /// Half the square of the height: grows with it.
  double distance(std::int64_t a, std::int64_t b) const {
    const double na = count_[size(a)], nb = count_[size(b)];
    return na * nb / (na + nb) * square_distance(mean_.data() + a * d_, mean_.data() + b * d_, d_);
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

/// All distances, updated by the formula of Lance and Williams (1967).
class AllDistances {
 public:
  AllDistances(const float* x, std::int64_t n, std::int64_t d, Linkage linkage)
      : n_(n), linkage_(linkage), distance_(size(n * (n - 1) / 2)), count_(size(n), 1.0) {
    parallel_chunks(n, 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t o = i + 1; o < n; ++o)
          distance_[place(i, o)] = static_cast<float>(std::min(std::sqrt(rows::square_distance(x + i * d, x + o * d, d)), kFarthest));
    });
  }
  std::int64_t cost() const { return 16; }
  double distance(std::int64_t a, std::int64_t b) const { return static_cast<double>(distance_[place(a, b)]); }
  double height(double distance) const { return distance; }
  void merge(std::int64_t into, std::int64_t from, const std::vector<std::int64_t>& others) {
    const double na = count_[size(into)], nb = count_[size(from)];
    for (const std::int64_t o : others) {
      if (o == into || o == from) continue;
      float& a = distance_[place(into, o)];
      const float b = distance_[place(from, o)];
      if (linkage_ == Linkage::single)
        a = std::min(a, b);
      else if (linkage_ == Linkage::complete)
        a = std::max(a, b);
      else
        a = static_cast<float>((na * static_cast<double>(a) + nb * static_cast<double>(b)) / (na + nb));
    }
    count_[size(into)] = na + nb;
  }

 private:
  std::size_t place(std::int64_t a, std::int64_t b) const {
    if (a > b) std::swap(a, b);
    return size(a * n_ - a * (a + 1) / 2 + b - a - 1);
  }
  std::int64_t n_;
  Linkage linkage_;
  std::vector<float> distance_;
  std::vector<double> count_;
};

using Progress = std::function<bool(std::int64_t, std::int64_t)>;

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
    if (progress && !progress(static_cast<std::int64_t>(merges.size()), n - 1)) throw Stopped("agglomerative clustering was stopped");
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

void check(std::int64_t n, std::int64_t d, const AgglomerativeOptions& options) {
  const std::int64_t k = options.clusters;
  if (k < 1) throw Error(fmt::format("agglomerative clustering needs at least 1 cluster; clusters = {}", k));
  if (d < 1) throw Error("agglomerative clustering needs features with at least 1 column");
  if (n < k) throw Error(fmt::format("agglomerative clustering cannot make {} clusters of {} rows: lower clusters or take more data", k, n));
  if (options.max_samples != 0 && options.max_samples < k)
    throw Error(fmt::format("agglomerative clustering cannot make {} clusters of a sample of {} rows: raise max_samples", k, options.max_samples));
  const auto clustered = static_cast<double>(options.max_samples > 0 ? std::min(n, options.max_samples) : n), bytes = 2 * clustered * clustered;
  if (options.linkage != Linkage::ward && bytes > options.max_bytes)
    throw Error(
        fmt::format("the distances between {:.0f} rows take {:.1f} GB, more than {:.1f} GB: take linkage = \"ward\", which needs none, or lower "
                    "max_samples",
                    clustered, bytes / 1e9, options.max_bytes / 1e9));
}

}  // namespace

AgglomerativeResult agglomerative_clustering(const float* x, std::int64_t n, std::int64_t d, const AgglomerativeOptions& options,
                                             const Progress& progress) {
  check(n, d, options);
  const kmeans_detail::Points points = kmeans_detail::describe_points(x, n, d, "agglomerative clustering needs");
  AgglomerativeResult result;
  const bool sample = options.max_samples > 0 && options.max_samples < n;
  std::vector<float> sampled;
  if (sample) {
    Random random(options.seed, 0, 0, 0, kSample);
    result.rows = random.permutation(n);
    result.rows.resize(size(options.max_samples));
    std::sort(result.rows.begin(), result.rows.end());
    for (const std::int64_t i : result.rows) sampled.insert(sampled.end(), points.row(i), points.row(i) + d);
  } else {
    result.rows.resize(size(n));
    std::iota(result.rows.begin(), result.rows.end(), 0);
  }
  const auto m = static_cast<std::int64_t>(result.rows.size());
  const float* data = sample ? sampled.data() : x;
  result.merges = options.linkage == Linkage::ward ? chain(WardDistances(data, m, d), m, progress)
                                                   : chain(AllDistances(data, m, d, options.linkage), m, progress);
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
    for (std::int64_t j = 0; j < d; ++j) means[size(c * d + j)] = static_cast<float>(sums[size(c * d + j)] / counts[size(c)]);
  kmeans_detail::Centres centres;
  centres.pack(kmeans_detail::kernels(), means.data(), k, d, points.mean.data(), {});
  result.labels.resize(size(n));
  kmeans_detail::nearest(kmeans_detail::kernels(), centres, x, nullptr, n, result.labels.data(), nullptr);
  for (std::int64_t i = 0; i < m; ++i) result.labels[size(result.rows[size(i)])] = labels[size(i)];
  return result;
}

}  // namespace cdc
