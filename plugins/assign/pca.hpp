#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace cdc_assign {

/// The first `dim` principal components of x [N, D] float32, each divided by its standard deviation; at most D. Directions in which x does not vary
/// (less than 1e-5 of the first's standard deviation) are 0. The covariance and its eigenvectors are in float64, found in blocks of rows.
inline at::Tensor whitened(const at::Tensor& x, std::int64_t dim) {
  const std::int64_t n = x.size(0), width = x.size(1), components = std::min(dim, width), block = 16384;
  const at::Tensor mean = x.mean(0, /*keepdim=*/false, at::kDouble);
  const auto centred = [&](std::int64_t first) { return x.narrow(0, first, std::min(block, n - first)).to(at::kDouble) - mean; };
  at::Tensor covariance = at::zeros({width, width}, at::kDouble);
  for (std::int64_t first = 0; first < n; first += block) {
    const at::Tensor rows = centred(first);
    covariance += at::mm(rows.t(), rows);
  }
  covariance /= static_cast<double>(n);
  const auto [variances, vectors] = at::linalg_eigh(covariance);  // ascending
  const at::Tensor variance = variances.narrow(0, width - components, components).flip(0);
  const at::Tensor used = (variance > 1e-10 * variance[0]).logical_and(variance > 0);
  const at::Tensor scale = at::where(used, variance.clamp_min(1e-300).rsqrt(), at::zeros({}, at::kDouble));
  const at::Tensor directions = vectors.narrow(1, width - components, components).flip(1) * scale;
  at::Tensor out = at::empty({n, components}, at::kFloat);
  for (std::int64_t first = 0; first < n; first += block) {
    const at::Tensor rows = at::mm(centred(first), directions);
    out.narrow(0, first, rows.size(0)).copy_(rows);
  }
  return out;
}

}  // namespace cdc_assign
