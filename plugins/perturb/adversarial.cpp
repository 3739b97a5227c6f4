#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "cdc/error.hpp"
#include "cdc/node.hpp"
#include "unit.hpp"

namespace {

/// Virtual adversarial images (Miyato et al., arXiv 1704.03976, equations 5 to 9, one power iteration; IMSAT, Hu et al., arXiv 1702.08720,
/// section 3.2): x + epsilon g / |g|, g the gradient of the divergence with respect to the noise, taken in the middle of the forward pass. IMSAT
/// scales epsilon by the distance to an image's 10th nearest neighbour; here it is one for all images. An image whose gradient is 0 stays as it is.
class Adversarial final : public cdc::Node {
 public:
  double epsilon = 1;

  static constexpr cdc::In<cdc::Images> kImages{"images", "The views"};
  static constexpr cdc::In<cdc::Images> kNoised{"noised", "What perturb.noise made of them"};
  static constexpr cdc::In<cdc::Scalar> kDivergence{"divergence",
                                                    "How far what the network says of the noised views is from what it says of the views"};
  static constexpr cdc::Out<cdc::Images> kAdversarial{"adversarial",
                                                      "The views moved to where the divergence grows fastest; in evaluation themselves"};

  static void describe(cdc::Schema<Adversarial>& s) {
    s.summary("Images moved in the direction in which the network's answer changes most (virtual adversarial training).");
    s.param(&Adversarial::epsilon, "epsilon", "Length of the step, in the images' normalised pixels").range(1e-6, 1e6);
    s.input(kImages).input(kNoised).input(kDivergence).output(kAdversarial).full_precision();
  }

  void forward(cdc::Step& step) override {
    const at::Tensor& images = step.in(kImages);
    if (!step.training() || !at::GradMode::is_enabled()) {
      step.out(kAdversarial, images);
      return;
    }
    const at::Tensor &noised = step.in(kNoised), &divergence = step.in(kDivergence);
    at::Tensor gradient;
    if (divergence.requires_grad() && noised.requires_grad())
      // The graph is kept: what was said of the noised views may be part of the loss as well.
      gradient = torch::autograd::grad({divergence}, {noised}, {}, /*retain_graph=*/true, /*create_graph=*/false, /*allow_unused=*/true)[0];
    if (!gradient.defined())
      throw cdc::Error(
          "the divergence does not depend on the noised views: connect 'noised' to a perturb.noise, and 'divergence' to a loss of what the "
          "network says of its output");
    step.out(kAdversarial, images + epsilon * cdc_perturb::unit_images(gradient));
  }
};

}  // namespace
CDC_PLUGIN(Adversarial, "perturb.adversarial")
