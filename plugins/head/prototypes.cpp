#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>

#include "cdc/node.hpp"
#include "mlp.hpp"

namespace {

/// SwAV's prototypes (Caron et al., arXiv 2006.09882, section 3.1): logits z . c_k, with prototypes c_k of length 1. As in its code, they are brought
/// back to length 1 after each step, and stand still for the first steps.
class Prototypes final : public cdc::Node {
 public:
  std::int64_t clusters = 0, frozen_steps = 0;
  at::Tensor prototypes;

  static constexpr cdc::In<cdc::Embeddings> kEmbedding{"embedding", "Embeddings of length 1"};
  static constexpr cdc::Out<cdc::Logits> kLogits{"logits", "Cosines with the prototypes; temperatures are the losses'"};

  static void describe(cdc::Schema<Prototypes>& s) {
    s.summary("Trained prototypes of length 1: logits are dot products with them (SwAV).");
    s.param(&Prototypes::clusters, "clusters", "Number of prototypes K").range(1, 1e6).required();
    s.param(&Prototypes::frozen_steps, "frozen_steps", "First steps, in which prototypes do not move (SwAV on ImageNet with batches of 4096: 313)")
        .range(0, 1e9);
    s.input(kEmbedding).output(kLogits).full_precision();
    s.size("K", &Prototypes::clusters);
    s.parameter_state(&Prototypes::prototypes, "prototypes");
  }

  void build(const cdc::BuildContext& context) override { prototypes = cdc::unit_length(at::empty({clusters, context.size("D")}).normal_()); }

  void forward(cdc::Step& step) override {
    // Without a gradient optimisers leave them alone: no weight decay, no momentum.
    const bool frozen = step.training() && step.step() < frozen_steps;
    step.out(kLogits, at::matmul(step.in(kEmbedding), (frozen ? prototypes.detach() : prototypes).t()));
  }

  void after_step(cdc::Step&) override {
    const at::Tensor p = prototypes.detach();
    p.copy_(cdc::unit_length(p));
  }
};

}  // namespace
CDC_PLUGIN(Prototypes, "head.prototypes")
