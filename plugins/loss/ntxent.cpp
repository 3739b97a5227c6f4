#include "terms.hpp"

namespace {

/// NT-Xent, the loss of SimCLR (Chen et al., arXiv 2002.05709, equation 1): for each embedding, the other views of its image against all other
/// embeddings of the batch. With more than two views the mean of -log p over an embedding's positives.
class NtXent final : public cdc::Loss {
 public:
  double tau = 0.5;
  bool normalise = true;
  static constexpr cdc::In<cdc::Embeddings> kEmbedding{"embedding", "Projections of all views"};

  static void describe(cdc::Schema<NtXent>& s) {
    s.summary("SimCLR's normalised temperature-scaled cross-entropy between views.");
    s.param(&NtXent::tau, "tau", "Temperature").range(1e-3, 100);
    s.param(&NtXent::normalise, "normalise", "Scale embeddings to length 1 first");
    s.input(kEmbedding);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor& embedding = in[kEmbedding];
    cdc_loss::needs_two_views("loss.ntxent", embedding.size(0));
    return cdc_loss::nt_xent(normalise ? cdc_loss::unit_length(embedding) : embedding, tau);
  }
};

}  // namespace
CDC_PLUGIN(NtXent, "loss.ntxent")
