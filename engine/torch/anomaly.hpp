#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "torch/built_node.hpp"

namespace cdc {

/// Follows backward passes (cdc-run --detect-anomaly) through what the node's forward pass made: of its outputs, back to where another node's begins.
/// Of the first function that gives nan where it was given none, the backward pass throws a cdc::Error that names the node and the function.
/// LibTorch's own anomaly mode knows functions' names, but no nodes.
/// @param when "epoch 3, batch 17"
void watch_backward(const BuiltNode& node, const std::vector<at::Tensor>& outputs, const std::string& when);

/// Where the last backward pass of this process that was followed stopped: "the backward pass of LogBackward0, which the forward pass of node 'loss'
/// (loss.cdc) made"; empty where none was at work.
std::string last_backward();

}  // namespace cdc
