#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <cstdint>

/// What memories share.
namespace cdc_memory {

/// x / max(|x|, 1e-12) over the last dimension.
inline at::Tensor unit_length(const at::Tensor& x) { return x / at::linalg_vector_norm(x, 2, {-1}, /*keepdim=*/true).clamp_min(1e-12); }

/// [n, width] float32 on the CPU: directions drawn evenly.
inline at::Tensor random_directions(std::int64_t n, std::int64_t width, std::uint64_t seed) {
  return unit_length(at::empty({n, width}).normal_(0, 1, at::make_generator<at::CPUGeneratorImpl>(seed)));
}

}  // namespace cdc_memory
