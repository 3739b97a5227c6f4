#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include "cdc/module.hpp"

namespace cdc {

/// Submodules under their names, nothing more.
struct Group final : torch::nn::Module {};

/// Lays out the weights of convolutions as [out, height, width, in]: oneDNN and cuDNN then need no reordering (7-10 % of a step on the CPU).
inline void to_channels_last(torch::nn::Module& module) {
  for (at::Tensor& p : module.parameters())
    // Not contiguous(): with one channel both layouts count as contiguous, it would keep the strides of [out, in, height, width], and oneDNN would
    // answer in that layout.
    if (p.dim() == 4) p.set_data(p.detach().clone(at::MemoryFormat::ChannelsLast));
}

/// [V, B, C, H, W] -> [V * B, C, H, W], channels last.
inline at::Tensor images_channels_last(const at::Tensor& images) { return merge_views(images).contiguous(at::MemoryFormat::ChannelsLast); }

}  // namespace cdc
