#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

struct AgglomerativeOptions {
  enum class Linkage {
    ward,      ///< least growth of the sum of squared distances to the means
    average,   ///< mean distance of the pairs
    complete,  ///< greatest distance of a pair
    single,    ///< least distance of a pair
  };
  std::int64_t clusters = 8;  ///< K
  Linkage linkage = Linkage::ward;
  std::int64_t max_samples = 0;  ///< of more rows than this a random sample is clustered, and each other row goes to the nearest mean; 0: all rows
  double max_bytes = 4e9;        ///< that distances may take: 2 N^2, Ward's 4 N^2
  std::uint64_t seed = 0;        ///< of the sample
};

/// One merge of a dendrogram, as SciPy's: clusters 0 .. N-1 are the rows, cluster N + i is what merge i made.
struct Merge {
  std::int64_t a = 0, b = 0;  ///< a < b
  double height = 0;          ///< the distance of the two; Ward's as SciPy has it, sqrt(2 |A| |B| / (|A| + |B|)) times the distance of the means
  std::int64_t size = 0;      ///< rows of the merged cluster
};

struct AgglomerativeResult {
  std::vector<std::int32_t> labels;  ///< [n] clusters in order of their first clustered row
  std::vector<std::int64_t> rows;    ///< the rows that were clustered, ascending: all, or the sample
  std::vector<Merge> merges;         ///< [rows - 1] of those, by height
};

/// Agglomerative clustering of x [n, d] (row-major float32) by Euclidean distance, exact, by chains of nearest neighbours (Murtagh, "A survey of
/// recent advances in hierarchical clustering algorithms", 1983): O(N^2 D) time. All distances are kept, in float32, Ward's in float64. Of up to
/// 128 columns, and where distances would take more than max_bytes, Ward's linkage keeps means instead: O(N D) memory, and with few columns no more
/// time. The same bits with any number of threads.
/// `progress` (may be empty) is told merges done and in all; false: stops, by throwing Stopped. cdc::Error where no K clusters can be made of the
/// rows, another linkage's distances would take more than max_bytes, max_samples < K, or a value is not finite.
CDC_API AgglomerativeResult agglomerative_clustering(const float* x, std::int64_t n, std::int64_t d, const AgglomerativeOptions& options,
                                                     const std::function<bool(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace cdc
