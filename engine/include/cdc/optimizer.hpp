#pragma once

#include <vector>

#include "cdc/node.hpp"

namespace cdc {

/// Changes parameters by their gradients. Its own parameters (lr, momentum, ...) are declared as any component's.
class CDC_API Optimizer : public Component {
 public:
  static constexpr Kind kKind = Kind::optimizer;
  ~Optimizer() override;
  /// Takes the tensors (trainable, on their device) and makes its state for them, zeroed. Once.
  virtual void setup(std::vector<NamedTensor> parameters) = 0;
  /// One step with the gradients that the parameters hold (one without a gradient is left as it is); `lr_factor` comes from the schedule.
  virtual void step(double lr_factor) = 0;
  /// All that the next step depends on, besides parameters: checkpointed in place.
  virtual std::vector<NamedTensor> state() = 0;
  /// The learning rate before the schedule, for the log.
  virtual double learning_rate() const = 0;
};

/// The learning rate over time: a pure function of the step.
class CDC_API Schedule : public Component {
 public:
  static constexpr Kind kKind = Kind::schedule;
  ~Schedule() override;
  /// The factor on the learning rate at `step` (from 0) of `epochs * steps_per_epoch`.
  virtual double factor(std::int64_t step, std::int64_t steps_per_epoch, std::int64_t epochs) const = 0;
};

}  // namespace cdc
