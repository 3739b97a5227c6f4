#pragma once

#include <cstdint>

namespace cdc::rows {

/// |x - c|^2 and x . c of rows, added up in float64. Rows that meet many others are best widened first: the same bits, sooner.
double square_distance(const float* x, const float* c, std::int64_t d);
double square_distance(const double* x, const double* c, std::int64_t d);
double dot(const float* x, const float* c, std::int64_t d);

/// float32 as float64.
void widen(const float* row, double* out, std::int64_t d);

/// sum += row.
void add(const float* row, double* sum, std::int64_t d);

}  // namespace cdc::rows
