#include <ATen/ops/logsumexp.h>

#include "terms.hpp"

namespace {

/// SCAN (Van Gansbeke et al., arXiv 2005.12320, equation 2): an image and a neighbour of it shall share a cluster, and clusters the images:
///   -mean log(p . p') - entropy_weight * H(mean p)
/// with p, p' = softmax of the anchor's and the neighbour's logits, H the entropy and the means over the batch and its views. Both sides have
/// gradients. Computed from log p, so that it goes on where the authors' code cuts -log at 100.
class Scan final : public cdc::Loss {
 public:
  double entropy_weight = 5.0;
  static constexpr cdc::In<cdc::Logits> kAnchor{"anchor", "Cluster logits of images"};
  static constexpr cdc::In<cdc::Logits> kNeighbor{"neighbor", "Cluster logits of a neighbour of each"};

  static void describe(cdc::Schema<Scan>& s) {
    s.summary("SCAN's agreement of neighbours and entropy of the clusters' sizes.");
    s.param(&Scan::entropy_weight, "entropy_weight", "Weight of the entropy of the clusters' sizes").range(0, 1e3);
    s.input(kAnchor).input(kNeighbor);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor anchor = at::log_softmax(in[kAnchor], -1), neighbor = at::log_softmax(in[kNeighbor], -1);
    const at::Tensor consistency = -at::logsumexp(anchor + neighbor, {-1}).mean(), entropy = cdc_loss::entropy(anchor.exp().flatten(0, 1).mean(0));
    in.step().report("consistency", consistency);
    in.step().report("entropy", entropy);
    return consistency - entropy_weight * entropy;
  }
};

}  // namespace
CDC_PLUGIN(Scan, "loss.scan")
