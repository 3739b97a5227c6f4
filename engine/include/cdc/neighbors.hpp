#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

enum class Distance {
  euclidean,
  cosine,  ///< 1 - the cosine of the angle
};

/// The nearest rows of each query, nearest first.
struct Neighbors {
  std::int64_t queries = 0, k = 0;
  std::vector<std::int32_t> index;  ///< [queries, k] rows of the data
  std::vector<float> distance;      ///< [queries, k]
};

/// The k nearest rows of x [n, d] (row-major float32) for each row of `queries` [q, d]: brute force, every distance computed. Of equal distances the
/// lower row comes first. Candidates are k + 8 by float32 products, put in order by float64 distances: another set than the exact one is possible
/// only where more than 8 rows differ in squared distance by less than about 1e-6 |x| |query|. The same bits with any number of threads on one kind
/// of processor. `progress` (may be empty) is told how many queries are done, now and then; false: stops, by throwing Stopped. cdc::Error where k is
/// not 1 .. n, d < 1, n beyond 2^31-1, a value is not finite (naming row and column), or a row lies more than 1e18 from the mean; with cosine: a row
/// of zeros.
CDC_API Neighbors nearest_neighbors(const float* queries, std::int64_t q, const float* x, std::int64_t n, std::int64_t d, std::int64_t k,
                                    Distance distance, const std::function<bool(std::int64_t done)>& progress = {});

/// The same for each row of x itself among the others: k is at most n - 1. A row equal to it is a neighbour.
CDC_API Neighbors nearest_neighbors(const float* x, std::int64_t n, std::int64_t d, std::int64_t k, Distance distance,
                                    const std::function<bool(std::int64_t done)>& progress = {});

}  // namespace cdc
