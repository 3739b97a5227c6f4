#pragma once

#include <cstdint>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

/// Principal components (Pearson 1901): the directions in which rows vary most.
struct PrincipalComponents {
  std::int64_t columns = 0, components = 0;
  std::vector<double> mean;       ///< [columns]
  std::vector<double> variance;   ///< [components] along each, largest first
  double total_variance = 0;      ///< of all columns together
  std::vector<float> directions;  ///< [components, columns] of length 1; the value farthest from 0 of each is positive
};

/// The first `wanted` (1 .. d) of x [n, d] (row-major float32, finite), from at most `most_rows` rows drawn at random by `seed`. Variances are
/// divided by the number of rows. Products are float32, in float64 sums of a thousand: variances are exact to about 1e-6 of the first. Where rows do
/// not vary: the first columns, variance 0. The same bits with any number of threads on one kind of processor.
CDC_API PrincipalComponents principal_components(const float* x, std::int64_t n, std::int64_t d, std::int64_t wanted, std::int64_t most_rows,
                                                 std::uint64_t seed);

/// [n, components] (x - mean) along each direction.
CDC_API std::vector<float> project(const PrincipalComponents& components, const float* x, std::int64_t n);

}  // namespace cdc
