#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <limits>

/// What perturbations share.
namespace cdc_perturb {

/// Each image of [V, B, C, H, W] at length 1; one of zeros stays. The largest number is taken out first: squares of small gradients would be 0 in
/// float32.
inline at::Tensor unit_images(const at::Tensor& x) {
  const at::Tensor y = x / x.abs().amax({2, 3, 4}, /*keepdim=*/true).clamp_min(std::numeric_limits<float>::min());
  return y / at::linalg_vector_norm(y, 2, {2, 3, 4}, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace cdc_perturb
