#include <ATen/ops/xlogy.h>

#include "terms.hpp"

namespace {

/// KL(t || p) = sum_k t_k log(t_k / p_k), p = softmax(prediction): the batch's mean, summed over the prediction's views. With DEC's target this is
/// DEC's clustering loss; with the plain image's assignment as target, the anchor loss of arXiv 2109.12714.
class Kl final : public cdc::Loss {
 public:
  static constexpr cdc::In<cdc::Logits> kPrediction{"prediction", "Logits; their softmax is p"};
  static constexpr cdc::In<cdc::Codes> kTarget{"target", "The distribution t, a constant: of the same views, or of one for all", "T,B,K"};

  static void describe(cdc::Schema<Kl>& s) {
    s.summary("Kullback-Leibler divergence of predictions from a target distribution.");
    s.input(kPrediction).input(kTarget);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor& prediction = in[kPrediction];
    const at::Tensor t = cdc_loss::constant_target("loss.kl", in, kTarget, kPrediction);
    return (at::xlogy(t, t) - t * at::log_softmax(prediction, -1)).sum() / static_cast<double>(prediction.size(1));
  }
};

}  // namespace
CDC_PLUGIN(Kl, "loss.kl")
