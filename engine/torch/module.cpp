#include "cdc/module.hpp"

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>

#include <cmath>
#include <type_traits>

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

namespace {

/// From here to the call of what it returns, `layer`'s forward() averages over the batches that it sees. Empty where its statistics stay.
template <class Layer>
std::function<void()> averaging(torch::nn::Module& module, std::int64_t steps, double share) {
  auto* layer = module.as<Layer>();
  if (layer == nullptr || !layer->options.track_running_stats()) return {};
  const auto momentum = layer->options.momentum();
  // Without a momentum the statistics are a mean over all steps: nothing of what they began as is left after the first.
  // A layer counts its updates itself, those before its weights were loaded too: statistics that came with them are not stale after a few steps.
  const auto counted = layer->num_batches_tracked.template item<std::int64_t>();
  const auto updates = static_cast<double>(counted > 0 ? counted : steps);
  if (share >= 0 && !(momentum && std::pow(1 - *momentum, updates) > share)) return {};
  const at::Tensor count = layer->num_batches_tracked.clone();
  layer->reset_running_stats();
  layer->options.momentum(std::decay_t<decltype(momentum)>());
  layer->train(true);
  return [layer, momentum, count] {
    layer->options.momentum(momentum);
    layer->num_batches_tracked.copy_(count);
    layer->train(false);
  };
}

}  // namespace

int ModuleNode::begin_statistics(std::int64_t steps, double share) {
  const at::NoGradGuard no_gradient;
  for (const auto& module : module_->modules()) {
    std::function<void()> put_back = averaging<torch::nn::BatchNorm1dImpl>(*module, steps, share);
    if (!put_back) put_back = averaging<torch::nn::BatchNorm2dImpl>(*module, steps, share);
    if (!put_back) put_back = averaging<torch::nn::BatchNorm3dImpl>(*module, steps, share);
    if (put_back) put_back_.push_back(std::move(put_back));
  }
  return static_cast<int>(put_back_.size());
}

void ModuleNode::end_statistics() {
  const at::NoGradGuard no_gradient;
  for (const auto& put_back : put_back_) put_back();
  put_back_.clear();
}

at::Tensor merge_views(const at::Tensor& x) { return x.flatten(0, 1); }

at::Tensor split_views(const at::Tensor& x, std::int64_t views) { return x.unflatten(0, std::vector<std::int64_t>{views, x.size(0) / views}); }

}  // namespace cdc
