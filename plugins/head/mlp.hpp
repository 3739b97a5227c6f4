#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include <string>
#include <vector>

namespace cdc {

/// x / max(|x|, 1e-12) over the last dimension, in float32: in bfloat16 the lengths would be off by up to 0.4 %.
inline at::Tensor unit_length(const at::Tensor& x) {
  const at::Tensor y = x.to(at::kFloat);
  return y / at::linalg_vector_norm(y, 2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
}

/// Hidden layers, each Linear, BatchNorm1d (or none), ReLU: submodules "0", "1", "2", ... as in the torch::nn::Sequential of these layers.
struct HiddenImpl final : torch::nn::Module {
  HiddenImpl(std::int64_t in, std::int64_t width, std::int64_t layers, bool batch_norm) {
    std::size_t place = 0;
    for (std::int64_t i = 0; i < layers; ++i) {
      linears.push_back(
          register_module(std::to_string(place), torch::nn::Linear(torch::nn::LinearOptions(i == 0 ? in : width, width).bias(!batch_norm))));
      if (batch_norm) norms.push_back(register_module(std::to_string(place + 1), torch::nn::BatchNorm1d(width)));
      place += batch_norm ? 3 : 2;
    }
  }
  at::Tensor forward(at::Tensor x) {
    for (std::size_t i = 0; i < linears.size(); ++i) {
      x = linears[i](x);
      if (!norms.empty()) x = norms[i](x);
      x = x.relu_();
    }
    return x;
  }
  std::vector<torch::nn::Linear> linears;
  std::vector<torch::nn::BatchNorm1d> norms;
};

/// Hidden layers, then a linear map.
struct MlpImpl final : torch::nn::Module {
  MlpImpl(std::int64_t features, std::int64_t width, std::int64_t layers, bool batch_norm, std::int64_t dim)
      : hidden(register_module("hidden", std::make_shared<HiddenImpl>(features, width, layers, batch_norm))),
        output(register_module("output", torch::nn::Linear(layers > 0 ? width : features, dim))) {}
  std::shared_ptr<HiddenImpl> hidden;
  torch::nn::Linear output;
};

}  // namespace cdc
