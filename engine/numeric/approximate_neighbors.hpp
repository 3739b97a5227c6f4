#pragma once

#include <cstdint>
#include <functional>

#include "cdc/export.hpp"
#include "cdc/neighbors.hpp"

namespace cdc {

struct ApproximateNeighborsOptions {
  std::int64_t k = 15;
  /// Rows that each row is compared with, those of its nearest cells. More: more of the true neighbours are found, in proportionally more time.
  std::int64_t compared = 1500;
  std::int64_t exact_below = 5000;  ///< fewer rows than this are given to nearest_neighbors()
  std::uint64_t seed = 0;
};

/// About the k nearest rows of each row of x [n, d] (row-major float32) among the others, by Euclidean distance, nearest first: an inverted file
/// (Jegou, Douze and Schmid, "Product quantization for nearest neighbor search", PAMI 2011) without compression. k-means on a sample cuts the rows
/// into cells of about 128; each row is compared with those of its nearest cells until `compared` rows were met. Where a few directions hold nearly
/// all variance, cells and candidates are found in the projection to those. Distances are exact (float64, rounded). The same bits with any number of
/// threads on one kind of processor. `progress` (may be empty) is told how many rows are done, now and then; false: stops, by throwing Stopped.
/// cdc::Error as nearest_neighbors(), and where `compared` < 1.
CDC_API Neighbors approximate_neighbors(const float* x, std::int64_t n, std::int64_t d, const ApproximateNeighborsOptions& options,
                                        const std::function<bool(std::int64_t done)>& progress = {});

}  // namespace cdc
