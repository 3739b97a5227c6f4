#include "terms.hpp"

namespace {

/// 2 - 2 cos(p, z) of a prediction p and the target z, a constant, of another view: the squared distance of both scaled to length 1. BYOL (Grill et
/// al., arXiv 2006.07733, equation 2), whose total is the sum over both orders of two views where this is the mean. SimSiam (Chen and He, arXiv
/// 2011.10566, equations 1 and 2) minimises the mean of -cos, which is this loss divided by 2, minus 1.
class Cosine final : public cdc::Loss {
 public:
  static constexpr cdc::In<cdc::Embeddings> kPrediction{"prediction", "Predictions of all views"};
  static constexpr cdc::In<cdc::Embeddings> kTarget{
      "target", "Targets of as many views, constants; of several views each prediction meets the other views' targets"};

  static void describe(cdc::Schema<Cosine>& s) {
    s.summary("BYOL's and SimSiam's distance of predictions from other views' embeddings, without negatives.");
    s.input(kPrediction).input(kTarget);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor p = cdc_loss::unit_length(in[kPrediction]), z = cdc_loss::unit_length(in[kTarget].detach());
    return cdc_loss::mean_over_pairs(z, [&](const at::Tensor& other) { return 2 - 2 * (p * other).sum(-1).mean(); });
  }
};

}  // namespace
CDC_PLUGIN(Cosine, "loss.cosine")
