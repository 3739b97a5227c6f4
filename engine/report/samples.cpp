#include "report/samples.hpp"

#include <algorithm>
#include <cmath>

#include "cdc/neighbors.hpp"
#include "cdc/parallel.hpp"

namespace cdc {
namespace {

/// Means of the clusters that have samples, row after row, and where each cluster's row is (-1: it has none).
struct Means {
  std::vector<float> rows;
  std::vector<std::int32_t> row_of;
  std::int64_t count = 0;
};

Means cluster_means(const float* x, std::int64_t n, std::int64_t d, const std::vector<std::int32_t>& cluster, std::int64_t clusters) {
  Means means;
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(clusters));
  for (const std::int32_t c : cluster) ++sizes[static_cast<std::size_t>(c)];
  for (const std::int64_t size : sizes) means.row_of.push_back(size > 0 ? static_cast<std::int32_t>(means.count++) : -1);
  means.rows.resize(static_cast<std::size_t>(means.count * d));
  constexpr std::int64_t kColumns = 16;  // columns are independent of each other: no partial sums to bring together
  parallel_chunks(d, kColumns, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(clusters * (end - begin)));
    for (std::int64_t i = 0; i < n; ++i) {
      double* sum = sums.data() + cluster[static_cast<std::size_t>(i)] * (end - begin);
      for (std::int64_t c = begin; c < end; ++c) sum[c - begin] += static_cast<double>(x[i * d + c]);
    }
    for (std::int64_t k = 0; k < clusters; ++k)
      for (std::int64_t c = begin; c < end && sizes[static_cast<std::size_t>(k)] > 0; ++c)
        means.rows[static_cast<std::size_t>(means.row_of[static_cast<std::size_t>(k)] * d + c)] = static_cast<float>(
            sums[static_cast<std::size_t>(k * (end - begin) + c - begin)] / static_cast<double>(sizes[static_cast<std::size_t>(k)]));
  });
  return means;
}

}  // namespace

std::vector<float> simplified_silhouette(const float* x, std::int64_t n, std::int64_t d, const std::vector<std::int32_t>& cluster,
                                         std::int64_t clusters) {
  std::vector<float> out(static_cast<std::size_t>(n));
  if (n == 0) return out;
  const Means means = cluster_means(x, n, d, cluster, clusters);
  if (means.count < 2) return out;
  const Neighbors nearest = nearest_neighbors(x, n, means.rows.data(), means.count, d, 2, Distance::euclidean);
  parallel_chunks(n, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int32_t own = means.row_of[static_cast<std::size_t>(cluster[at])];
      double a = 0;
      for (std::int64_t c = 0; c < d; ++c) {
        const double difference = static_cast<double>(x[i * d + c]) - static_cast<double>(means.rows[static_cast<std::size_t>(own * d + c)]);
        a += difference * difference;
      }
      a = std::sqrt(a);
      const double b = static_cast<double>(nearest.distance[2 * at + (nearest.index[2 * at] == own ? 1 : 0)]);
      out[at] = a == 0 && b == 0 ? 0.0F : static_cast<float>((b - a) / std::max(a, b));
    }
  });
  return out;
}

std::vector<float> foreign_neighbors(const std::vector<std::int32_t>& neighbors, std::int64_t k, const std::vector<std::int32_t>& cluster) {
  std::vector<float> out(cluster.size());
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    std::int64_t foreign = 0;
    for (std::int64_t j = 0; j < k; ++j)
      foreign += cluster[static_cast<std::size_t>(neighbors[i * static_cast<std::size_t>(k) + static_cast<std::size_t>(j)])] != cluster[i];
    out[i] = static_cast<float>(foreign) / static_cast<float>(std::max<std::int64_t>(k, 1));
  }
  return out;
}

std::vector<ClusterGallery> make_galleries(const std::vector<std::int32_t>& cluster, std::int64_t clusters, const std::vector<float>& certainty,
                                           const std::vector<float>& foreign, std::size_t each) {
  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(clusters));
  for (std::size_t i = 0; i < cluster.size(); ++i) members[static_cast<std::size_t>(cluster[i])].push_back(static_cast<std::int64_t>(i));
  const auto first = [&](std::vector<std::int64_t> all, const auto& before) {
    const std::size_t count = std::min(each, all.size());
    std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(), before);
    all.resize(count);
    return all;
  };
  const auto value = [](const std::vector<float>& of, std::int64_t i) { return of[static_cast<std::size_t>(i)]; };
  std::vector<ClusterGallery> out;
  for (std::int64_t k = 0; k < clusters; ++k) {
    const std::vector<std::int64_t>& all = members[static_cast<std::size_t>(k)];
    if (all.empty()) continue;
    ClusterGallery gallery;
    gallery.cluster = k;
    if (!certainty.empty()) {
      gallery.certain = first(all, [&](std::int64_t a, std::int64_t b) {
        return value(certainty, a) != value(certainty, b) ? value(certainty, a) > value(certainty, b) : a < b;
      });
      gallery.uncertain = first(all, [&](std::int64_t a, std::int64_t b) {
        return value(certainty, a) != value(certainty, b) ? value(certainty, a) < value(certainty, b) : a < b;
      });
    }
    if (!foreign.empty()) {
      std::vector<std::int64_t> suspects;
      for (const std::int64_t i : all)
        if (value(foreign, i) > 0.5F) suspects.push_back(i);
      gallery.doubtful = first(std::move(suspects), [&](std::int64_t a, std::int64_t b) {
        if (value(foreign, a) != value(foreign, b)) return value(foreign, a) > value(foreign, b);
        if (!certainty.empty() && value(certainty, a) != value(certainty, b)) return value(certainty, a) > value(certainty, b);
        return a < b;
      });
    }
    out.push_back(std::move(gallery));
  }
  return out;
}

std::vector<std::int64_t> evenly_spaced(std::int64_t total, std::int64_t most) {
  const std::int64_t count = std::min(total, most);
  std::vector<std::int64_t> out(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) out[static_cast<std::size_t>(i)] = i * total / count;  // total < 2^31, as everywhere: no overflow
  return out;
}

}  // namespace cdc
