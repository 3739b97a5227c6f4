#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cdc/node.hpp"
#include "cdc/value.hpp"

namespace cdc_stage {

/// Which parameters the loss does not reach: those that never got a gradient, and those whose gradient was always exactly 0.
class GradientCheck {
 public:
  /// Trainable tensors, by "node.tensor".
  void start(const std::vector<cdc::NamedTensor>& parameters);
  /// After a backward pass, before gradients are cleared. Costs nothing once each parameter has had a gradient.
  void look();
  std::vector<std::string> without_gradient() const;
  std::vector<std::string> with_zero_gradient() const;
  std::size_t parameters() const { return all_.size(); }
  /// Whether `node` has parameters, and none of them ever got a gradient.
  bool untrained(const std::string& node) const;

  cdc::Value state() const;
  /// cdc::Error where it is not one's of these parameters.
  void restore(const cdc::Value& state);

 private:
  enum Reached { never, zero, yes };
  std::vector<cdc::NamedTensor> all_;
  std::vector<Reached> reached_;
};

/// "a, b, c and 4 more", at most `most` of them.
std::string first_of(const std::vector<std::string>& names, std::size_t most = 6);

}  // namespace cdc_stage
