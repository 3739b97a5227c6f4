#pragma once

#include <cstdint>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

/// How clearly each sample belongs to its cluster: the simplified silhouette (b - a) / max(a, b), where a is the distance to its own cluster's mean
/// and b that to the nearest other one's (Hruschka, Campello and de Castro, "Evolving clusters in gene-expression data", Information Sciences 176,
/// 2006). 1 = at its mean, 0 = between two, below 0 = nearer to another cluster's. 0 for all where there is one cluster.
/// @param x [n, d] row-major, finite
/// @param cluster [n] 0 .. clusters-1
CDC_API std::vector<float> simplified_silhouette(const float* x, std::int64_t n, std::int64_t d, const std::vector<std::int32_t>& cluster,
                                                 std::int64_t clusters);

/// The share of each sample's neighbours that lie in another cluster, [n].
/// @param neighbors [n, k] rows
CDC_API std::vector<float> foreign_neighbors(const std::vector<std::int32_t>& neighbors, std::int64_t k, const std::vector<std::int32_t>& cluster);

/// Samples of one cluster that are worth a look.
struct ClusterGallery {
  std::int64_t cluster = 0;
  std::vector<std::int64_t> certain;    ///< of the highest silhouette, the highest first
  std::vector<std::int64_t> uncertain;  ///< of the lowest, the lowest first
  std::vector<std::int64_t>
      doubtful;  ///< most of whose neighbours (more than half) lie in another cluster, the highest share first, of equals the most certain
};

/// `each` samples in each row, of each cluster that has any, in order of number.
CDC_API std::vector<ClusterGallery> make_galleries(const std::vector<std::int32_t>& cluster, std::int64_t clusters,
                                                   const std::vector<float>& certainty, const std::vector<float>& foreign, std::size_t each);

/// `most` of 0 .. total-1, evenly spaced; all where there are no more. In order.
CDC_API std::vector<std::int64_t> evenly_spaced(std::int64_t total, std::int64_t most);

}  // namespace cdc
