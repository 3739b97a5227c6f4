#include "numeric/rows.hpp"

#include "numeric/clones.hpp"

namespace cdc::rows {

namespace {

template <class Number>
[[gnu::always_inline]] inline double square_distance_of(const Number* x, const Number* c, std::int64_t d) {
  double lanes[16] = {};
  std::int64_t j = 0;
  for (; j + 16 <= d; j += 16)
    for (int l = 0; l < 16; ++l) {
      const double e = static_cast<double>(x[j + l]) - static_cast<double>(c[j + l]);
      lanes[l] += e * e;
    }
  for (int l = 0; j < d; ++j, ++l) {
    const double e = static_cast<double>(x[j]) - static_cast<double>(c[j]);
    lanes[l] += e * e;
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

CDC_CLONES double square_distance(const float* x, const float* c, std::int64_t d) { return square_distance_of(x, c, d); }
CDC_CLONES double square_distance(const double* x, const double* c, std::int64_t d) { return square_distance_of(x, c, d); }

CDC_CLONES double dot(const float* x, const float* c, std::int64_t d) {
  double lanes[16] = {};
  std::int64_t j = 0;
  for (; j + 16 <= d; j += 16)
    for (int l = 0; l < 16; ++l) lanes[l] += static_cast<double>(x[j + l]) * static_cast<double>(c[j + l]);
  for (int l = 0; j < d; ++j, ++l) lanes[l] += static_cast<double>(x[j]) * static_cast<double>(c[j]);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

CDC_CLONES void widen(const float* row, double* out, std::int64_t d) {
  for (std::int64_t j = 0; j < d; ++j) out[j] = static_cast<double>(row[j]);
}

CDC_CLONES void add(const float* row, double* sum, std::int64_t d) {
  for (std::int64_t j = 0; j < d; ++j) sum[j] += static_cast<double>(row[j]);
}

}  // namespace cdc::rows
