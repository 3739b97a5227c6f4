#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>

#include "whole_set.hpp"

namespace {

/// DEC's target distribution (Xie et al., arXiv 1511.06335, equation 3): t_ik proportional to c_ik^2 / f_k with f_k = sum_i c_ik, rows summing to 1.
/// It sharpens c, and divides by the clusters' sizes so that large ones do not swallow the rest.
class DecTarget final : public cdc::Node {
 public:
  std::string over = "batch";
  std::int64_t every = 1;
  at::Tensor target;

  static constexpr cdc::In<cdc::Logits> kLogits{"logits", "Logits whose softmax is the soft assignment c"};
  static constexpr cdc::Out<cdc::Codes> kCodes{"codes", "The target, without gradient"};

  static void describe(cdc::Schema<DecTarget>& s) {
    s.summary("DEC's target: assignments squared and divided by the clusters' sizes.");
    cdc_assign::over_parameters(s);
    s.input(kLogits).output(kCodes).full_precision().no_gradient();
    s.state(&DecTarget::target, "target");
  }

  void build(const cdc::BuildContext& context) override { target = at::empty({0, context.size("K")}); }

  void begin_epoch(cdc::WholeSet& all) override {
    if (over != "set" || !cdc_assign::due(all, every)) return;
    target = of(all.features(kLogits)).to(target.device());
  }

  void forward(cdc::Step& step) override {
    const at::Tensor& logits = step.in(kLogits);
    if (over == "batch" || !step.training()) {
      step.out(kCodes, of(logits));
      return;
    }
    step.out(kCodes, cdc_assign::of_batch(target, step).expand(logits.sizes()));
  }

 private:
  /// Of logits [..., B, K], each view by itself.
  static at::Tensor of(const at::Tensor& logits) {
    const at::Tensor c = at::softmax(logits.detach(), -1);
    const at::Tensor weight = c.square() / c.sum(-2, /*keepdim=*/true).clamp_min(1e-30);
    const at::Tensor t = weight / weight.sum(-1, /*keepdim=*/true);
    return t;
  }
};

}  // namespace
CDC_PLUGIN(DecTarget, "assign.dec_target")
