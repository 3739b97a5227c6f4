#include "numeric/pca.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cdc/parallel.hpp"
#include "cdc/random.hpp"
#include "numeric/eigen.hpp"
#include "numeric/kmeans_kernels.hpp"

namespace cdc {
namespace {

using kmeans_detail::AlignedFloats;
using kmeans_detail::Centres;
using kmeans_detail::Kernels;

constexpr std::int64_t kSlice = 1024;        ///< rows whose products are added up in float32
constexpr std::int64_t kSmall = 96;          ///< columns up to which all eigenvectors are computed
constexpr double kTolerance = 1e-6;          ///< of the eigenvectors' residuals
constexpr int kRestarts = 100;               ///< of Lanczos' method; what has not converged by then is near a multiple eigenvalue: any basis does
constexpr std::uint32_t kDraw = 0x70636173;  ///< keeps these random numbers apart from others of the same seed
constexpr int kMostRows = 12, kMostLanes = 16;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

std::vector<std::int64_t> draw_rows(std::int64_t n, std::int64_t most, std::uint64_t seed) {
  std::vector<std::int64_t> rows;
  if (n <= most) {
    rows.resize(size(n));
    std::iota(rows.begin(), rows.end(), 0);
    return rows;
  }
  rows = Random(seed, 0, 0, 0, kDraw).permutation(n);
  rows.resize(size(most));
  std::sort(rows.begin(), rows.end());
  return rows;
}

/// out[r][c] = points[r] . rows c of `packed`, for all of both.
template <class Write>
void products(const Kernels& kernels, const Centres& packed, const float* points, std::int64_t n, std::int64_t d, const Write& write) {
  const std::int64_t tile = kernels.rows;
  parallel_chunks(n, tile * 8, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float dots[kMostRows * 2 * kMostLanes];
    const float* rows[kMostRows];
    for (std::int64_t t = begin; t < end; t += tile) {
      const std::int64_t here = std::min(tile, end - t);
      for (std::int64_t r = 0; r < tile; ++r) rows[r] = points + (t + std::min(r, here - 1)) * d;
      for (const Centres::Panel& panel : packed.panels()) {
        kernels.dots[panel.vectors - 1](rows, d, panel.data, dots);
        for (std::int64_t r = 0; r < here; ++r)
          for (std::int64_t l = 0; l < panel.count; ++l) write(t + r, panel.first + l, dots[r * panel.vectors * kernels.lanes + l]);
      }
    }
  });
}

/// [d, d] sums of products of columns, of (x - mean) / scale.
std::vector<double> covariance(const float* x, const std::vector<std::int64_t>& rows, std::int64_t d, const std::vector<double>& mean, double scale) {
  const Kernels& kernels = kmeans_detail::kernels();
  const auto count = static_cast<std::int64_t>(rows.size());
  std::vector<double> out(size(d * d), 0.0);
  std::vector<float> columns(size(d * std::min(count, kSlice)));
  Centres packed;
  for (std::int64_t first = 0; first < count; first += kSlice) {
    const std::int64_t here = std::min(kSlice, count - first);
    parallel_chunks(d, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = 0; i < here; ++i)
        for (std::int64_t j = begin; j < end; ++j)
          columns[size(j * here + i)] = static_cast<float>((static_cast<double>(x[rows[size(first + i)] * d + j]) - mean[size(j)]) / scale);
    });
    packed.pack(kernels, columns.data(), d, here, std::vector<double>(size(here), 0.0).data(), {});
    products(kernels, packed, columns.data(), d, here,
             [&](std::int64_t row, std::int64_t column, float value) { out[size(row * d + column)] += static_cast<double>(value); });
  }
  for (double& v : out) v /= static_cast<double>(count);
  return out;
}

Eigenpairs eigenpairs(const std::vector<double>& matrix, std::int64_t d, std::int64_t wanted) {
  if (d <= kSmall) return symmetric_eigenpairs(matrix, d);
  const auto multiply = [&](const double* from, double* to) {
    parallel_chunks(d, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        double sum[kEigenBlock] = {};
        for (std::int64_t j = 0; j < d; ++j)
          for (std::int64_t c = 0; c < kEigenBlock; ++c) sum[c] += matrix[size(i * d + j)] * from[j * kEigenBlock + c];
        std::copy_n(sum, kEigenBlock, to + i * kEigenBlock);
      }
    });
  };
  return largest_eigenpairs(d, wanted, multiply, kTolerance, kRestarts);
}

}  // namespace

PrincipalComponents principal_components(const float* x, std::int64_t n, std::int64_t d, std::int64_t wanted, std::int64_t most_rows,
                                         std::uint64_t seed) {
  PrincipalComponents out;
  out.columns = d;
  out.components = wanted;
  out.mean.assign(size(d), 0.0);
  out.variance.assign(size(wanted), 0.0);
  out.directions.assign(size(wanted * d), 0.0f);
  for (std::int64_t c = 0; c < wanted; ++c) out.directions[size(c * d + c)] = 1;
  const std::vector<std::int64_t> rows = draw_rows(n, most_rows, seed);
  const auto count = static_cast<double>(rows.size());
  for (const std::int64_t i : rows)
    for (std::int64_t j = 0; j < d; ++j) out.mean[size(j)] += static_cast<double>(x[i * d + j]) / count;
  double scale = 0;
  for (const std::int64_t i : rows)
    for (std::int64_t j = 0; j < d; ++j) scale = std::max(scale, std::abs(static_cast<double>(x[i * d + j]) - out.mean[size(j)]));
  // The mean of equal values may miss them by rounding.
  for (const std::int64_t i : rows)
    if (!std::equal(x + i * d, x + (i + 1) * d, x + rows.front() * d)) {
      const std::vector<double> matrix = covariance(x, rows, d, out.mean, scale);
      for (std::int64_t j = 0; j < d; ++j) out.total_variance += matrix[size(j * d + j)] * scale * scale;
      const Eigenpairs pairs = eigenpairs(matrix, d, wanted);
      const auto found = static_cast<std::int64_t>(pairs.values.size());
      for (std::int64_t c = 0; c < wanted; ++c) {
        out.variance[size(c)] = std::max(0.0, pairs.values[size(c)]) * scale * scale;
        double most = 0;
        for (std::int64_t j = 0; j < d; ++j) {
          const double v = pairs.vectors[size(j * found + c)];
          if (std::abs(v) > std::abs(most)) most = v;
        }
        for (std::int64_t j = 0; j < d; ++j)
          out.directions[size(c * d + j)] = static_cast<float>(most < 0 ? -pairs.vectors[size(j * found + c)] : pairs.vectors[size(j * found + c)]);
      }
      break;
    }
  return out;
}

std::vector<float> project(const PrincipalComponents& components, const float* x, std::int64_t n) {
  const Kernels& kernels = kmeans_detail::kernels();
  const std::int64_t d = components.columns, m = components.components;
  std::vector<float> out(size(n * m));
  Centres packed;
  packed.pack(kernels, components.directions.data(), m, d, std::vector<double>(size(d), 0.0).data(), {});
  constexpr std::int64_t kBlock = 4096;
  std::vector<float> centred(size(std::min(n, kBlock) * d));
  for (std::int64_t first = 0; first < n; first += kBlock) {
    const std::int64_t here = std::min(kBlock, n - first);
    parallel_chunks(here, 256, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t j = 0; j < d; ++j)
          centred[size(i * d + j)] = static_cast<float>(static_cast<double>(x[(first + i) * d + j]) - components.mean[size(j)]);
    });
    products(kernels, packed, centred.data(), here, d,
             [&](std::int64_t row, std::int64_t column, float value) { out[size((first + row) * m + column)] = value; });
  }
  return out;
}

}  // namespace cdc
