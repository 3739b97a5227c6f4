#include <ATen/TensorOperators.h>
#include <ATen/ops/max.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>

#include <algorithm>

#include "cdc/node.hpp"
#include "scores.hpp"

namespace {

/// Pseudo-labels where the network is sure: SCAN's self-labelling (Van Gansbeke et al., arXiv 2005.12320, section 2.3; 0.99), FixMatch (Sohn et al.,
/// arXiv 2001.07685, section 2.2; 0.95). One-hot of the largest probability where that is above the threshold; else a row of zeros, which
/// loss.cross_entropy leaves out.
class Confident final : public cdc::Node {
 public:
  double threshold = 0.99;

  static constexpr cdc::In<cdc::Logits> kLogits{"logits", "Cluster logits of the plain, or weakly augmented, view"};
  static constexpr cdc::Out<cdc::Codes> kCodes{"codes", "One-hot codes; rows of zeros where no cluster is probable enough"};

  static void describe(cdc::Schema<Confident>& s) {
    s.summary("One-hot codes of the samples that the network is sure of; nothing of the others.");
    s.param(&Confident::threshold, "threshold", "Probability above which a sample has a code").range(0, 1);
    s.input(kLogits).output(kCodes).full_precision().no_gradient();
  }

  void forward(cdc::Step& step) override {
    const at::Tensor p = at::softmax(step.in(kLogits).detach(), -1), largest = std::get<0>(p.max(-1, /*keepdim=*/true));
    const at::Tensor sure = (largest > threshold).to(at::kFloat);
    step.report("confident", sure.mean());
    if (step.training()) say_where_none_is(step, largest);
    step.out(kCodes, cdc_assign::one_hot(p) * sure + 0 * largest);  // the last term keeps a NaN in sight
  }

 private:
  void say_where_none_is(cdc::Step& step, const at::Tensor& largest) {
    if (step.epoch() != epoch_) {
      epoch_ = step.epoch();
      greatest_ = 0;
    }
    const auto greatest = largest.max().item<double>();
    greatest_ = std::max(greatest_, greatest);
    if (greatest <= threshold)
      step.nothing_counts(
          fmt::format("no probability is above threshold = {}; the greatest of the epoch is {:.4g}: lower threshold to less than that, or "
                      "start from weights that are surer",
                      threshold, greatest_));
  }
  std::int64_t epoch_ = -1;
  double greatest_ = 0;  ///< of the epoch, since the run began or went on: for the message alone
};

}  // namespace
CDC_PLUGIN(Confident, "assign.confident")
