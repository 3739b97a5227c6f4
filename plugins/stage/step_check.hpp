#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace cdc_stage {

/// Holds schedule and optimizer of a training to their word. cdc::Error; `when()` is "epoch 3, batch 17".
class StepCheck {
 public:
  using When = std::function<std::string()>;
  /// The loss has a backward pass. `port` is what the pipeline names.
  static void loss(const at::Tensor& loss, const std::pair<std::string, std::string>& port);
  /// The learning rate's factor, which is finite and not below 0.
  static double factor(double factor, const When& when);

  /// Around the optimizer's step: the first one with gradients changes the parameters themselves.
  /// @param learning_rate with the factor; 0: none is to change
  void before_step(const std::vector<at::Tensor>& parameters, double learning_rate);
  void after_step(const std::vector<at::Tensor>& parameters, const When& when);

 private:
  bool done_ = false;
  std::vector<at::Tensor> before_;  ///< copies of the parameters that have a gradient; not defined for the others
};

}  // namespace cdc_stage
