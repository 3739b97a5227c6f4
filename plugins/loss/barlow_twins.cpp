#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

#include "cdc/loss.hpp"

namespace {

/// Barlow Twins (Zbontar et al., arXiv 2103.03230, equations 1 and 2): with the embeddings of both views standardised over the batch, feature by
/// feature, and C = z1^T z2 / B their cross-correlation, sum_i (1 - C_ii)^2 + lambda sum_i,j!=i C_ij^2. Standardised as the authors' code does: with
/// the biased variance and 1e-5 added to it, so that a constant feature becomes 0.
class BarlowTwins final : public cdc::Loss {
 public:
  double lambda = 0.0051;
  static constexpr cdc::In<cdc::Embeddings> kEmbedding{"embedding", "Projections of two views, not scaled to length 1", "2,B,D"};

  static void describe(cdc::Schema<BarlowTwins>& s) {
    s.summary("Barlow Twins: the cross-correlation of two views' features is to be the identity.");
    s.param(&BarlowTwins::lambda, "lambda", "Weight of the correlations between different features").range(0, 1e3);
    s.input(kEmbedding);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor& embedding = in[kEmbedding];
    const at::Tensor centred = embedding - embedding.mean(1, /*keepdim=*/true);
    const at::Tensor z = centred * (centred.square().mean(1, /*keepdim=*/true) + 1e-5).rsqrt();
    const at::Tensor c = at::mm(z[0].t(), z[1]) / static_cast<double>(z.size(1)), own = c.diagonal();
    return (1 - own).square().sum() + lambda * (c.square().sum() - own.square().sum());
  }
};

}  // namespace
CDC_PLUGIN(BarlowTwins, "loss.barlow_twins")
