#include "cdc/sinkhorn.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"

namespace cdc {
namespace {

/// Below this exp is taken as 0: ln of 1.6e-38, a little over the smallest normal float32.
constexpr float kLowest = -87.0f;
constexpr double kLost = 1.7e-38;

struct Kernels {
  int width;
  bool (*row_maxima)(const float* scores, std::int64_t rows, std::int64_t columns, float* maxima);
  void (*exponentials)(const float* scores, std::int64_t rows, std::int64_t columns, float scale, const float* maxima, float reference,
                       std::int64_t stride, float* matrix, float* sums);
  void (*scale_rows)(const float* matrix, std::int64_t rows, std::int64_t stride, const float* v, float* sums, float* low_high);
  void (*write_codes)(const float* matrix, std::int64_t rows, std::int64_t stride, std::int64_t columns, const float* v, float* codes,
                      float* low_high);
  void (*merge_parts)(const float* parts, const double* weights, std::int64_t count, std::int64_t columns, std::int64_t begin, std::int64_t end,
                      double* sums);
  double (*row_potential)(const float* s, std::int64_t columns, double scale, const double* f);
  void (*column_potentials)(const float* scores, std::int64_t rows, std::int64_t columns, double scale, const double* g, double* maxima, float* sums);
  void (*row_codes)(const float* s, std::int64_t columns, double scale, const double* f, double g, float* codes);
};

// A loop over a few vectors that are to stay in registers.
#define CDC_UNROLL _Pragma("GCC unroll 4")

namespace baseline {
constexpr int kWidth = 4;
#include "numeric/sinkhorn_kernels.inl"
}  // namespace baseline

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define CDC_SINKHORN_WIDE 1
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
constexpr int kWidth = 8;
#include "numeric/sinkhorn_kernels.inl"
}  // namespace avx2
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
namespace avx512 {
constexpr int kWidth = 16;
#include "numeric/sinkhorn_kernels.inl"
}  // namespace avx512
#pragma GCC pop_options
#endif

/// The widest that the processor has, not wider than `limit`.
const Kernels& kernels(int limit) {
#ifdef CDC_SINKHORN_WIDE
  static const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                                 __builtin_cpu_supports("avx512vl");
  static const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx512 && (limit == 0 || limit >= 16)) return avx512::kKernels;
  if (has_avx2 && (limit == 0 || limit >= 8)) return avx2::kKernels;
#else
  static_cast<void>(limit);
#endif
  return baseline::kKernels;
}

[[noreturn]] void not_finite(const float* scores, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      if (!std::isfinite(scores[i * columns + j]))
        throw Error(
            fmt::format("Sinkhorn needs finite scores, but row {} (sample) of {} has {} in column {} (cluster); the network that gave it has "
                        "diverged: lower the learning rate, or train in float32",
                        i, rows, scores[i * columns + j], j));
  throw Error("Sinkhorn needs finite scores");
}

/// One run: the scores cut into chunks of whole rows, about half a megabyte each, so that a chunk's passes find it in the second cache.
struct Problem {
  const float* scores;
  std::int64_t rows, columns, rows_out;
  const SinkhornOptions& options;
  float* codes;
  const Kernels& k = kernels(options.vector_width);
  std::int64_t chunk = std::max<std::int64_t>(4, (std::int64_t{1} << 17) / columns / 4 * 4);
  std::int64_t chunks = (rows + chunk - 1) / chunk;

  double column_total(std::int64_t j) const {
    return static_cast<double>(rows) * (options.marginal ? static_cast<double>(options.marginal[j]) : 1.0 / static_cast<double>(columns));
  }
  template <class F>
  void over_chunks(F body) const {
    parallel_chunks(rows, chunk, [&](std::int64_t begin, std::int64_t end) { body(begin / chunk, begin, end - begin); });
  }

  bool quick() const;
  void log_domain() const;
};

/// The work on exponentials; false where float32's range does not do.
bool Problem::quick() const {
  // Rows of few columns are padded to whole vectors.
  const std::int64_t stride = columns < 128 ? (columns + k.width - 1) / k.width * k.width : columns;
  const auto size = static_cast<std::size_t>(stride);
  std::unique_ptr<float[]> own;
  float* matrix = codes;
  if (rows_out != rows || stride != columns) {  // otherwise `codes` has room for the matrix
    own.reset(new float[static_cast<std::size_t>(rows) * size]);
    matrix = own.get();
  }
  std::vector<float> maxima(static_cast<std::size_t>(rows)), parts(static_cast<std::size_t>(chunks) * size), v(size);
  std::vector<double> weights(static_cast<std::size_t>(chunks), 1.0), sums(size);
  std::vector<float> references(static_cast<std::size_t>(chunks)), range(2 * static_cast<std::size_t>(chunks));
  const double inverse = 1.0 / options.epsilon;
  const auto scale = static_cast<float>(inverse);
  std::atomic<bool> finite{true};
  over_chunks([&](std::int64_t c, std::int64_t first, std::int64_t n) {
    const float* s = scores + first * columns;
    float* m = maxima.data() + first;
    if (!k.row_maxima(s, n, columns, m)) {
      finite = false;
      return;
    }
    references[static_cast<std::size_t>(c)] = *std::max_element(m, m + n);
    k.exponentials(s, n, columns, scale, m, references[static_cast<std::size_t>(c)], stride, matrix + first * stride, parts.data() + c * stride);
  });
  if (!finite) not_finite(scores, rows, columns);
  const double top = *std::max_element(references.begin(), references.end());
  for (std::size_t c = 0; c < weights.size(); ++c) weights[c] = std::exp((references[c] - top) * inverse);

  // What is lost where a product falls below float32's range is at most kLost * (largest factor) * (number of terms): every sum has to be at
  // least 10^7 times that.
  double largest_u = 1.0;
  for (int iteration = 1;; ++iteration) {
    parallel_chunks(stride, 512, [&](std::int64_t begin, std::int64_t end) {
      k.merge_parts(parts.data(), weights.data(), chunks, stride, begin, end, sums.data());
    });
    double largest_v = 1.0;
    const double least_sum = 1e7 * kLost * largest_u * static_cast<double>(rows);
    for (std::size_t j = 0; j < static_cast<std::size_t>(columns); ++j) {
      if (!(sums[j] >= least_sum)) return false;
      const double x = column_total(static_cast<std::int64_t>(j)) / sums[j];
      if (!(x > 1e-30 && x < 1e30)) return false;
      v[j] = static_cast<float>(x);
      largest_v = std::max(largest_v, x);
    }
    const bool last = iteration == options.iterations;
    if (!last) std::fill(parts.begin(), parts.end(), 0.0f);
    over_chunks([&](std::int64_t c, std::int64_t first, std::int64_t n) {
      float* low_high = range.data() + 2 * c;
      low_high[0] = std::numeric_limits<float>::max();
      low_high[1] = 0;
      if (!last) {
        k.scale_rows(matrix + first * stride, n, stride, v.data(), parts.data() + c * stride, low_high);
        return;
      }
      const std::int64_t skipped = std::clamp<std::int64_t>(rows - rows_out - first, 0, n);
      const std::int64_t row = first + skipped;
      if (skipped < n)
        k.write_codes(matrix + row * stride, n - skipped, stride, columns, v.data(), codes + (row - (rows - rows_out)) * columns, low_high);
    });
    float low = std::numeric_limits<float>::max(), high = 0;
    for (std::size_t c = 0; c < static_cast<std::size_t>(chunks); ++c) {
      low = std::min(low, range[2 * c]);
      high = std::max(high, range[2 * c + 1]);
    }
    if (!(low >= 1e7 * kLost * largest_v * static_cast<double>(columns) && high < 1e30f)) return false;
    if (last) return true;
    std::fill(weights.begin(), weights.end(), 1.0);
    largest_u = std::max(1.0, 1.0 / static_cast<double>(low));
  }
}

/// The work on logarithms: log P = scores / epsilon + f_j + g_i.
void Problem::log_domain() const {
  const auto size = static_cast<std::size_t>(columns);
  const double scale = 1.0 / options.epsilon;
  std::vector<double> f(size), g(static_cast<std::size_t>(rows)), maxima(static_cast<std::size_t>(chunks) * size);
  std::vector<float> parts(maxima.size());
  for (int iteration = 0; iteration <= options.iterations; ++iteration) {
    const bool last = iteration == options.iterations;
    if (!last) std::fill(parts.begin(), parts.end(), 0.0f);
    over_chunks([&](std::int64_t c, std::int64_t first, std::int64_t n) {
      const float* s = scores + first * columns;
      if (iteration > 0)
        for (std::int64_t i = 0; i < n; ++i) g[static_cast<std::size_t>(first + i)] = k.row_potential(s + i * columns, columns, scale, f.data());
      if (!last) {
        k.column_potentials(s, n, columns, scale, g.data() + first, maxima.data() + c * columns, parts.data() + c * columns);
        return;
      }
      for (std::int64_t i = std::max<std::int64_t>(0, rows - rows_out - first); i < n; ++i)
        k.row_codes(s + i * columns, columns, scale, f.data(), g[static_cast<std::size_t>(first + i)],
                    codes + (first + i - (rows - rows_out)) * columns);
    });
    if (last) return;
    for (std::size_t j = 0; j < size; ++j) {
      double m = maxima[j], sum = 0;
      for (std::size_t c = 1; c < static_cast<std::size_t>(chunks); ++c) m = std::max(m, maxima[c * size + j]);
      for (std::size_t c = 0; c < static_cast<std::size_t>(chunks); ++c)
        sum += static_cast<double>(parts[c * size + j]) * std::exp(maxima[c * size + j] - m);
      f[j] = std::log(column_total(static_cast<std::int64_t>(j))) - m - std::log(sum);
    }
  }
}

}  // namespace

SinkhornReport sinkhorn(const float* scores, std::int64_t rows, std::int64_t columns, std::int64_t rows_out, const SinkhornOptions& options,
                        float* codes) {
  if (rows < 1 || columns < 1 || rows_out < 1 || rows_out > rows)
    throw Error(fmt::format("Sinkhorn needs a matrix with rows and columns, not {} x {} with {} rows of codes", rows, columns, rows_out));
  if (!(options.epsilon > 0) || options.iterations < 1)
    throw Error(fmt::format("Sinkhorn needs epsilon > 0 and at least one iteration, not {} and {}", options.epsilon, options.iterations));
  const Problem problem{scores, rows, columns, rows_out, options, codes};
  SinkhornReport report;
  if (options.force_log_domain) {
    std::vector<float> maxima(static_cast<std::size_t>(rows));
    if (!problem.k.row_maxima(scores, rows, columns, maxima.data())) not_finite(scores, rows, columns);
  }
  report.log_domain = options.force_log_domain || !problem.quick();
  if (report.log_domain) problem.log_domain();
  return report;
}

}  // namespace cdc
