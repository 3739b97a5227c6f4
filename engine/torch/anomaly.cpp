#include "torch/anomaly.hpp"

#include <ATen/ops/isnan.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <mutex>
#include <utility>

namespace cdc {
namespace {

using torch::autograd::variable_list;

/// One of autograd's functions, and whose it is.
struct Owner {
  std::string function;  ///< "LogBackward0"
  std::string node;      ///< "p.toml:31:1: node 'loss' (loss.cdc)"
  std::string label;     ///< without the place
  std::string when;
};

std::mutex mutex;
std::string at_work;  ///< under `mutex`: see last_backward()

void set_at_work(std::string what) {
  const std::lock_guard<std::mutex> guard(mutex);
  at_work = std::move(what);
}

bool any_nan(const variable_list& all) {
  for (const at::Tensor& t : all)
    if (t.defined() && t.is_floating_point() && t.isnan().any().item<bool>()) return true;
  return false;
}

class Before final : public torch::autograd::FunctionPreHook {
 public:
  explicit Before(std::shared_ptr<const Owner> owner) : owner_(std::move(owner)) {}
  variable_list operator()(const variable_list& gradients) override {
    set_at_work(fmt::format("the backward pass of {}, which the forward pass of {} made", owner_->function, owner_->label));
    return gradients;
  }

 private:
  std::shared_ptr<const Owner> owner_;
};

class After final : public torch::autograd::FunctionPostHook {
 public:
  explicit After(std::shared_ptr<const Owner> owner) : owner_(std::move(owner)) {}
  variable_list operator()(const variable_list& outputs, const variable_list& inputs) override {
    set_at_work({});
    if (any_nan(outputs) && !any_nan(inputs))
      throw Error(fmt::format(
          "{}, {}: the backward pass of {}, which its forward pass made, is the first that gives nan: look for a square root, a logarithm "
          "or a quotient at 0 there",
          owner_->node, owner_->when, owner_->function));
    return outputs;
  }

 private:
  std::shared_ptr<const Owner> owner_;
};

/// Its hooks say that a function is watched already: by the node that made it, which comes before those that read it.
bool is_watched(const torch::autograd::Node& function) {
  for (const auto& hook : function.post_hooks())
    if (dynamic_cast<const After*>(hook.get()) != nullptr) return true;
  return false;
}

}  // namespace

void watch_backward(const BuiltNode& node, const std::vector<at::Tensor>& outputs, const std::string& when) {
  set_at_work({});
  using Function = decltype(torch::autograd::Edge::function);  // a shared_ptr, from LibTorch 2.13 on an intrusive_ptr
  std::vector<Function> open;
  for (const at::Tensor& output : outputs)
    if (output.defined() && output.requires_grad() && output.grad_fn()) open.push_back(output.grad_fn());
  const std::string place = node.plan->where.file.empty() ? "" : node.plan->where.text() + ": ";
  while (!open.empty()) {
    const Function function = std::move(open.back());
    open.pop_back();
    if (is_watched(*function)) continue;
    const auto owner = std::make_shared<const Owner>(Owner{function->name(), place + node.label(), node.label(), when});
    // Weights outlive the batch, and so does what adds up their gradients.
    if (owner->function.find("AccumulateGrad") == std::string::npos) {
      function->add_pre_hook(std::make_unique<Before>(owner));
      function->add_post_hook(std::make_unique<After>(owner));
    }
    for (const torch::autograd::Edge& edge : function->next_edges())
      if (edge.function) open.push_back(edge.function);
  }
}

std::string last_backward() {
  const std::lock_guard<std::mutex> guard(mutex);
  return at_work;
}

}  // namespace cdc
