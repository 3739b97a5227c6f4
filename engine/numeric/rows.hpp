#pragma once

#include <cstdint>

namespace cdc::rows {

/// |x - c|^2 and x . c of float32 rows, added up in float64.
double square_distance(const float* x, const float* c, std::int64_t d);
double dot(const float* x, const float* c, std::int64_t d);

/// sum += row.
void add(const float* row, double* sum, std::int64_t d);

}  // namespace cdc::rows
