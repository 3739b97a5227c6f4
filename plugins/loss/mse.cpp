#include <ATen/ops/mse_loss.h>

#include "terms.hpp"

namespace {

/// The squared error of a reconstruction, the mean over pixels, channels, samples and views: what an autoencoder is trained on (DEC, arXiv
/// 1511.06335; IDEC, Guo et al. 2017). One target for several views is a denoising autoencoder's.
class Mse final : public cdc::Loss {
 public:
  static constexpr cdc::In<cdc::Images> kReconstruction{"reconstruction", "The decoder's images"};
  static constexpr cdc::In<cdc::Images> kTarget{"target", "What they are to be, a constant: of the same views, or of one for all", "T,B,C,H,W"};

  static void describe(cdc::Schema<Mse>& s) {
    s.summary("Mean squared error of reconstructed images.");
    s.input(kReconstruction).input(kTarget);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor& reconstruction = in[kReconstruction];
    return at::mse_loss(reconstruction, cdc_loss::constant_target("loss.mse", in, kTarget, kReconstruction).expand(reconstruction.sizes()));
  }
};

}  // namespace
CDC_PLUGIN(Mse, "loss.mse")
