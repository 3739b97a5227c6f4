#include <ATen/ops/softmax.h>

#include "terms.hpp"

namespace {

/// Invariant Information Clustering (Ji et al., arXiv 1807.06653, equations 2 and 3): minus the mutual information of the cluster assignments of two
/// views, from their joint distribution P_cd, the batch's mean of p_c p'_d with p = softmax(logits), made symmetric:
///   -sum_cd P_cd (log P_cd - lambda log P_c - lambda log P_d) = H(P) - 2 lambda H(P_c).
/// lambda is the authors' code's, more than 1 favours clusters of equal size. With more than two views P is the mean over all pairs of them.
class Iic final : public cdc::Loss {
 public:
  double lambda = 1.0;
  static constexpr cdc::In<cdc::Logits> kLogits{"logits", "Cluster logits of all views"};

  static void describe(cdc::Schema<Iic>& s) {
    s.summary("IIC: the mutual information between the cluster assignments of views.");
    s.param(&Iic::lambda, "lambda", "Weight of the entropy of the clusters' sizes").range(0, 1e3);
    s.input(kLogits);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor p = at::softmax(in[kLogits], -1), rows = p.flatten(0, 1);
    cdc_loss::needs_two_views("loss.iic", p.size(0));
    // Over both orders of each pair, so that it is symmetric.
    const at::Tensor joint = cdc_loss::mean_over_pairs(
        p, [&](const at::Tensor& others) { return at::mm(rows.t(), others.flatten(0, 1)) / static_cast<double>(rows.size(0)); });
    return cdc_loss::entropy(joint.flatten()) - 2 * lambda * cdc_loss::entropy(joint.sum(0));
  }
};

}  // namespace
CDC_PLUGIN(Iic, "loss.iic")
