#include "step_check.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/count_nonzero.h>
#include <ATen/ops/equal.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cdc/error.hpp"

namespace cdc_stage {

void StepCheck::loss(const at::Tensor& loss, const std::pair<std::string, std::string>& port) {
  if (loss.requires_grad()) return;
  throw cdc::Error(fmt::format(
      "the loss, '{}.{}', depends on no weight that is trained: connect it to nodes that have some, and look for a node on the way that states "
      "no_gradient() or detaches what it gives",
      port.first, port.second));
}

double StepCheck::factor(double factor, const When& when) {
  if (std::isfinite(factor) && factor >= 0) return factor;
  throw cdc::Error(fmt::format(
      "the schedule gives {} as the factor of the learning rate at {}: it is 0 or more; mend its plugin, or set another 'schedule'", factor, when()));
}

void StepCheck::before_step(const std::vector<at::Tensor>& parameters, double learning_rate) {
  if (done_ || learning_rate <= 0) return;
  const at::NoGradGuard no_gradient;
  before_.clear();
  bool any = false;
  for (const at::Tensor& p : parameters) {
    const bool moved = p.grad().defined() && p.grad().count_nonzero().item<std::int64_t>() > 0;
    before_.push_back(moved ? p.detach().clone() : at::Tensor());
    any = any || moved;
  }
  if (!any) before_.clear();
}

void StepCheck::after_step(const std::vector<at::Tensor>& parameters, const When& when) {
  if (done_ || before_.empty()) return;
  const at::NoGradGuard no_gradient;
  done_ = true;
  for (std::size_t i = 0; i < before_.size(); ++i)
    if (before_[i].defined() && !at::equal(before_[i], parameters[i])) {
      before_.clear();
      return;
    }
  throw cdc::Error(fmt::format(
      "the optimizer changed no parameter at {} although there are gradients: it writes into the tensors that setup() gave it, not into others "
      "in their place; if it does, raise the learning rate",
      when()));
}

}  // namespace cdc_stage
