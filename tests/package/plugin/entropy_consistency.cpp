// The semantic clustering loss of SCAN (Van Gansbeke et al., ECCV 2020, eq. 2): an image and its neighbour belong together, and all clusters are
// used.
#include "cdc/loss.hpp"

namespace {

class EntropyConsistency final : public cdc::Loss {
 public:
  double temperature = 1.0;
  double entropy_weight = 5.0;
  static constexpr cdc::In<cdc::Logits> kAnchor{"anchor", "Cluster logits of the images"};
  static constexpr cdc::In<cdc::Logits> kNeighbor{"neighbor", "Cluster logits of a neighbour of each"};
  static void describe(cdc::Schema<EntropyConsistency>& s) {
    s.summary("Neighbour consistency minus the entropy of the mean assignment.");
    s.param(&EntropyConsistency::temperature, "temperature", "Softmax temperature").range(1e-3, 10.0);
    s.param(&EntropyConsistency::entropy_weight, "entropy_weight", "Weight of the entropy term").range(0, 100);
    s.input(kAnchor).input(kNeighbor);
  }
  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor anchor = in[kAnchor].div(temperature).softmax(-1);
    const at::Tensor neighbor = in[kNeighbor].div(temperature).softmax(-1);
    const at::Tensor consistency = anchor.mul(neighbor).sum(-1).clamp_min(1e-8).log().mean().neg();
    const at::Tensor share = anchor.flatten(0, 1).mean(0);
    const at::Tensor entropy = share.mul(share.clamp_min(1e-8).log()).sum().neg();
    in.step().report("entropy", entropy);
    return consistency.sub(entropy, entropy_weight);
  }
};

}  // namespace

CDC_PLUGIN(EntropyConsistency, "loss.entropy_consistency")
