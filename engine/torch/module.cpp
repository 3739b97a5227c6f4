#include "cdc/module.hpp"

#include <torch/nn/module.h>

namespace cdc {

ModuleNode::~ModuleNode() = default;

void ModuleNode::build(const BuildContext& context) { module_ = make(context); }

std::vector<NamedTensor> ModuleNode::module_state() {
  std::vector<NamedTensor> all;
  // One-dimensional parameters are biases and normalisation scales: weight decay may leave them out.
  for (const auto& p : module_->named_parameters()) all.push_back({p.key(), p.value(), p.value().requires_grad(), p.value().dim() > 1});
  for (const auto& b : module_->named_buffers()) all.push_back({b.key(), b.value(), false, false});
  return all;
}

void ModuleNode::move_to(c10::Device device) { module_->to(device); }

void ModuleNode::train(bool on) { module_->train(on); }

at::Tensor merge_views(const at::Tensor& x) { return x.flatten(0, 1); }

at::Tensor split_views(const at::Tensor& x, std::int64_t views) { return x.unflatten(0, std::vector<std::int64_t>{views, x.size(0) / views}); }

}  // namespace cdc
