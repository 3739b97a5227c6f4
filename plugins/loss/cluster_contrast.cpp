#include <ATen/ops/softmax.h>

#include "terms.hpp"

namespace {

/// The cluster-level loss of Contrastive Clustering (Li et al., arXiv 2009.09687): a cluster is its column of a view's assignments, the B
/// probabilities softmax(logits)_k. NT-Xent with cosines between the columns of all views, the same cluster's being the positives, plus
/// entropy_weight * sum_v sum_k p_vk log p_vk with p_vk the mean of cluster k's column in view v, which keeps clusters from emptying. (The authors'
/// code adds log K a view, a constant, and is NaN where a column is all 0.)
class ClusterContrast final : public cdc::Loss {
 public:
  double tau = 1.0, entropy_weight = 1.0;
  static constexpr cdc::In<cdc::Logits> kLogits{"logits", "Cluster logits of all views"};

  static void describe(cdc::Schema<ClusterContrast>& s) {
    s.summary("Contrastive Clustering's contrast of clusters, as columns of the batch's assignments, and entropy of their sizes.");
    s.param(&ClusterContrast::tau, "tau", "Temperature").range(1e-3, 100);
    s.param(&ClusterContrast::entropy_weight, "entropy_weight", "Weight of the entropy of the clusters' sizes").range(0, 1e3);
    s.input(kLogits);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor& logits = in[kLogits];
    cdc_loss::needs_two_views("loss.cluster_contrast", logits.size(0));
    const at::Tensor p = at::softmax(logits, -1);
    return cdc_loss::nt_xent(cdc_loss::unit_length(p.transpose(1, 2)), tau) - entropy_weight * cdc_loss::entropy(p.mean(1)).sum();
  }
};

}  // namespace
CDC_PLUGIN(ClusterContrast, "loss.cluster_contrast")
