#include "terms.hpp"

namespace {

/// SwAV's swapped prediction (Caron et al., arXiv 2006.09882, equation 2): the cross-entropy -sum_k q_k log softmax(logits / tau)_k of each view's
/// codes q with each other view's logits, multi-crop's small ones too; the mean over samples, over the other views and over the views with codes, as
/// in the authors' code.
class Swapped final : public cdc::Loss {
 public:
  double tau = 0.1;
  static constexpr cdc::In<cdc::Logits> kLogits{
      "logits", "Prototype scores: first those that the codes were made of, then those of further views (small crops)"};
  static constexpr cdc::In<cdc::Codes> kCodes{"codes", "Codes of the views of the first logits, constants", "C,B,K"};

  static void describe(cdc::Schema<Swapped>& s) {
    s.summary("SwAV's swapped prediction: each view's codes from the logits of every other view.");
    s.param(&Swapped::tau, "tau", "Temperature").range(1e-3, 100);
    s.input(kLogits.as_list()).input(kCodes);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const std::vector<at::Tensor> logits = in.list(kLogits);
    const at::Tensor codes = in[kCodes].detach(), of_all = codes.sum(0, /*keepdim=*/true);
    if (logits[0].size(0) != codes.size(0))
      throw cdc::Error(
          fmt::format("loss.swapped has codes of {} views, but the first of its 'logits' has {}: name first the logits that the codes are "
                      "made of",
                      codes.size(0), logits[0].size(0)));
    std::int64_t views = 0;
    at::Tensor total;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      // A view meets the sum of all other views' codes.
      const at::Tensor term = ((i == 0 ? of_all - codes : of_all) * at::log_softmax(logits[i] / tau, -1)).sum();
      total = i == 0 ? term : total + term;
      views += logits[i].size(0);
    }
    cdc_loss::needs_two_views("loss.swapped", views);
    return total / -static_cast<double>(codes.size(0) * (views - 1) * codes.size(1));
  }
};

}  // namespace
CDC_PLUGIN(Swapped, "loss.swapped")
