// VICReg (Bardes et al., arXiv 2105.04906, equations 1 to 6): views agree, each feature varies over the batch, and no two features say the same.
#include "cdc/loss.hpp"

namespace {

class VicReg final : public cdc::Loss {
 public:
  double invariance = 25.0, variance = 25.0, covariance = 1.0;
  static constexpr cdc::In<cdc::Embeddings> kEmbedding{"embedding", "Embeddings of two views, not normalised", "2,B,D"};
  static void describe(cdc::Schema<VicReg>& s) {
    s.summary("Invariance, variance and covariance of two views' embeddings.");
    s.param(&VicReg::invariance, "invariance", "Weight of the distance between views").range(0, 1e4);
    s.param(&VicReg::variance, "variance", "Weight of the features' deviations below 1").range(0, 1e4);
    s.param(&VicReg::covariance, "covariance", "Weight of the covariances between features").range(0, 1e4);
    s.input(kEmbedding);
  }
  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor& z = in[kEmbedding];
    const at::Tensor distance = z[0].sub(z[1]).square().mean();
    const at::Tensor centred = z.sub(z.mean(1, /*keepdim=*/true)), freedom = z.new_full({}, static_cast<double>(z.size(1) - 1));
    const at::Tensor spread = centred.square().sum(1).div(freedom).add(1e-4).sqrt().neg().add(1).relu().mean(1).sum();
    const at::Tensor products = centred.transpose(1, 2).matmul(centred).div(freedom).square();
    const at::Tensor shared = products.sum().sub(products.diagonal(0, 1, 2).sum()).div(z.size(2));
    in.step().report("distance", distance);
    return distance.mul(invariance).add(spread, variance / 2).add(shared, covariance);
  }
};

}  // namespace

CDC_PLUGIN(VicReg, "loss.vicreg")
