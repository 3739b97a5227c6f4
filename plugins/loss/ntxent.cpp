#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>

#include <limits>

#include "cdc/error.hpp"
#include "cdc/loss.hpp"

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
    const std::int64_t views = embedding.size(0), batch = embedding.size(1), all = views * batch;
    if (views < 2)
      throw cdc::Error("loss.ntxent compares views with one another and needs at least two: set views = 2 (or more) in the augment node");
    at::Tensor z = embedding.flatten(0, 1);
    if (normalise) z = z / at::linalg_vector_norm(z, 2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
    at::Tensor s = at::mm(z / tau, z.t());
    s.fill_diagonal_(-std::numeric_limits<double>::infinity());  // an embedding is not its own negative
    const at::Tensor index = at::arange(all, embedding.options().dtype(at::kLong));
    if (views == 2) return at::cross_entropy_loss(s, (index + batch).remainder(all));
    const at::Tensor log_p = at::log_softmax(s, 1);
    at::Tensor total;
    for (std::int64_t d = 1; d < views; ++d) {
      const at::Tensor positive = log_p.gather(1, (index + d * batch).remainder(all).unsqueeze(1)).mean();
      total = total.defined() ? total + positive : positive;
    }
    return -total / static_cast<double>(views - 1);
  }
};

}  // namespace
CDC_PLUGIN(NtXent, "loss.ntxent")
