#include "terms.hpp"

namespace {

/// Minus the mutual information of images and their clusters, its terms weighted: mean H(p) - mu H(mean p) with p = softmax(logits), H the entropy
/// and the means over the batch and all views. RIM (Gomes et al. 2010); with mu = 4 the clustering term of IMSAT (Hu et al., arXiv 1702.08720), which
/// adds a tenth of it to the divergence of predictions under perturbation.
class MutualInformation final : public cdc::Loss {
 public:
  double marginal_weight = 4.0;
  static constexpr cdc::In<cdc::Logits> kLogits{"logits", "Cluster logits"};

  static void describe(cdc::Schema<MutualInformation>& s) {
    s.summary("IMSAT's and RIM's mutual information: confident assignments, clusters of equal size.");
    s.param(&MutualInformation::marginal_weight, "marginal_weight", "mu: weight of the entropy of the clusters' sizes").range(0, 1e3);
    s.input(kLogits);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor log_p = at::log_softmax(in[kLogits], -1), p = log_p.exp();
    const at::Tensor conditional = -(p * log_p).sum(-1).mean(), marginal = cdc_loss::entropy(p.flatten(0, 1).mean(0));
    in.step().report("conditional_entropy", conditional);
    in.step().report("marginal_entropy", marginal);
    return conditional - marginal_weight * marginal;
  }
};

}  // namespace
CDC_PLUGIN(MutualInformation, "loss.mutual_information")
