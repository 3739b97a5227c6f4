#pragma once

#include <cstdint>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

/// How often cluster and class meet: what every score against labels is computed of. K = clusters, C = classes.
struct Contingency {
  std::int64_t samples = 0, clusters = 0, classes = 0;
  std::vector<std::int32_t> counts;         ///< [K, C], row-major
  std::vector<std::int64_t> cluster_sizes;  ///< [K]
  std::vector<std::int64_t> class_sizes;    ///< [C]

  const std::int32_t* row(std::int64_t cluster) const { return counts.data() + cluster * classes; }
};

/// One pass over `n` predicted clusters (0 .. clusters-1) and labels (0 .. classes-1), on the run's threads; counts are whole numbers, so the result
/// is the same with any number of them. cdc::Error where n is 0 or beyond 2^31-1, the table beyond 2^28 cells, or a value out of range (naming the
/// sample).
CDC_API Contingency contingency(const std::int32_t* predictions, const std::int32_t* labels, std::int64_t n, std::int64_t clusters,
                                std::int64_t classes);

/// [clusters] the number of samples of each cluster. cdc::Error as above.
CDC_API std::vector<std::int64_t> cluster_sizes(const std::int32_t* predictions, std::int64_t n, std::int64_t clusters);

}  // namespace cdc
