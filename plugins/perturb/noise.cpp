#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include "cdc/node.hpp"
#include "unit.hpp"

namespace {

/// The first step of virtual adversarial training (Miyato et al., arXiv 1704.03976, section 3.3; IMSAT, Hu et al., arXiv 1702.08720): x + xi d, d a
/// random direction for each image. perturb.adversarial asks autograd how what the network says of it moves with d.
class Noise final : public cdc::Node {
 public:
  double xi = 10;

  static constexpr cdc::In<cdc::Images> kImages{"images", "Views as the network sees them"};
  static constexpr cdc::Out<cdc::Images> kNoised{"noised", "The views with noise; in evaluation the views themselves"};

  static void describe(cdc::Schema<Noise>& s) {
    s.summary("Images moved by a fixed length in random directions: where virtual adversarial training looks from.");
    s.param(&Noise::xi, "xi", "Length of the step, in the images' normalised pixels (IMSAT: 10)").range(1e-6, 1e6);
    s.input(kImages).output(kNoised).full_precision();
  }

  void forward(cdc::Step& step) override {
    const at::Tensor& images = step.in(kImages);
    if (!step.training() || !at::GradMode::is_enabled()) {
      step.out(kNoised, images);
      return;
    }
    const at::Tensor drawn = at::empty(images.sizes(), at::kFloat).normal_(0, 1, step.generator());
    const at::Tensor d = cdc_perturb::unit_images(drawn.to(images.device())).requires_grad_();
    step.out(kNoised, images + xi * d);
  }
};

}  // namespace
CDC_PLUGIN(Noise, "perturb.noise")
