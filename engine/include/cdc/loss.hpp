#pragma once

#include "cdc/node.hpp"

namespace cdc {

/// The inputs of a loss, float32, and the step they belong to.
class LossInputs {
 public:
  explicit LossInputs(Step& step) : step_(step) {}
  template <class T>
  const at::Tensor& operator[](const In<T>& port) const {
    return step_.in(port);
  }
  template <class T>
  std::vector<at::Tensor> list(const In<T>& port) const {
    return step_.list(port);
  }
  template <class T>
  bool has(const In<T>& port) const {
    return step_.has(port);
  }
  Step& step() const { return step_; }

 private:
  Step& step_;
};

/// A loss: inputs to one scalar, output port "loss".
class CDC_API Loss : public Node {
 public:
  static constexpr Out<Scalar> kLoss{"loss", "The loss, a mean over the batch"};
  ~Loss() override;
  template <class S>
  static void describe_base(S& s) {
    s.output(kLoss).full_precision();
  }
  /// A scalar tensor with its autograd graph. Must be finite for finite inputs.
  virtual at::Tensor compute(const LossInputs& in) const = 0;
  void forward(Step& step) final;
};

}  // namespace cdc
