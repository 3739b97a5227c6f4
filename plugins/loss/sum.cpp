#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/loss.hpp"

namespace {

/// What most methods train on: several losses, each with a weight.
class Sum final : public cdc::Loss {
 public:
  std::vector<double> weights;
  static constexpr cdc::In<cdc::Scalar> kLosses{"losses", "The terms"};

  static void describe(cdc::Schema<Sum>& s) {
    s.summary("A weighted sum of losses.");
    s.param(&Sum::weights, "weights", "A weight for each of 'losses', in their order; empty: all 1").at_least(0);
    s.input(kLosses.as_list());
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const std::vector<at::Tensor> losses = in.list(kLosses);
    if (!weights.empty() && weights.size() != losses.size())
      throw cdc::Error(fmt::format("loss.sum has {} losses and {} weights: give as many, or no weights", losses.size(), weights.size()));
    at::Tensor total;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      in.step().report(fmt::format("term{}", i + 1).c_str(), losses[i]);
      const at::Tensor term = weights.empty() ? losses[i] : losses[i] * weights[i];
      total = total.defined() ? total + term : term;
    }
    return total;
  }
};

}  // namespace
CDC_PLUGIN(Sum, "loss.sum")
