#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/errors.hpp"
#include "support/node_harness.hpp"
#include "support/session_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor numbers(at::IntArrayRef shape, double phase = 0) {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  return (at::arange(n, at::kDouble) * 12.9898 + phase).sin().view(shape).to(at::kFloat);
}
at::Tensor lengths(const at::Tensor& x) { return x.flatten(2).norm(2, {-1}); }
at::Tensor unit(const at::Tensor& x) { return x / lengths(x).view({x.size(0), x.size(1), 1, 1, 1}); }

const std::vector<std::int64_t> kShape = {2, 3, 1, 4, 5};

at::Tensor noised(NodeHarness& node, const at::Tensor& images) {
  node.input("images", images);
  node.forward();
  return node.output("noised");
}
at::Tensor adversarial(NodeHarness& node, const at::Tensor& images, const at::Tensor& with_noise, const at::Tensor& divergence) {
  node.input("images", images);
  node.input("noised", with_noise);
  node.input("divergence", divergence);
  node.forward();
  return node.output("adversarial");
}

TEST(PerturbNoise, MovesEachImageByItsLengthInADirectionOfTheStep) {
  NodeHarness node("perturb.noise", R"({"xi": 3})");
  const at::Tensor x = numbers(kShape), y = noised(node, x);
  EXPECT_TRUE(at::allclose(lengths(y - x), at::full({2, 3}, 3.0), 0, 1e-5));
  EXPECT_TRUE(y.requires_grad());
  EXPECT_TRUE(at::equal(noised(node, x), y)) << "a function of seed, node and step";
  node.after_step();
  const at::Tensor next = noised(node, x);
  EXPECT_LT((unit(next - x) * unit(y - x)).sum(c10::IntArrayRef({2, 3, 4})).abs().max().item<double>(), 0.95);
}

TEST(PerturbNoise, EvaluationSeesTheImagesThemselves) {
  NodeHarness node("perturb.noise");
  node.set_training(false);
  EXPECT_TRUE(at::equal(noised(node, numbers(kShape)), numbers(kShape)));
}

TEST(PerturbAdversarial, FollowsTheGradientOfAQuadraticDivergence) {
  // D = 1/2 (noise . weights noise), as near x every divergence is: its gradient is weights noise.
  NodeHarness noise("perturb.noise", R"({"xi": 0.5})"), node("perturb.adversarial", R"({"epsilon": 2})");
  const at::Tensor x = numbers(kShape), weights = numbers(kShape, 1).square() + 0.1, y = noised(noise, x);
  const at::Tensor divergence = (weights * (y - x).square()).sum() / 2;
  const at::Tensor moved = adversarial(node, x, y, divergence);
  EXPECT_TRUE(at::allclose(moved - x, 2 * unit(weights * (y - x).detach()), 1e-4, 1e-5));
  EXPECT_FALSE(moved.requires_grad()) << "a constant for what comes after";
  // What the network says of the noised images can still be trained on.
  EXPECT_NO_THROW(divergence.backward());
}

TEST(PerturbAdversarial, FindsTheDirectionOfStrongestCurvature) {
  // One pixel counts a thousand times as much as the others: one power iteration turns a random direction there.
  NodeHarness noise("perturb.noise"), node("perturb.adversarial");
  const at::Tensor x = numbers(kShape), y = noised(noise, x);
  at::Tensor weights = at::ones(kShape);
  weights.select(4, 2).select(3, 1).fill_(1000);
  const at::Tensor moved = adversarial(node, x, y, (weights * (y - x).square()).sum()) - x;
  EXPECT_GT(moved.select(4, 2).select(3, 1).abs().min().item<double>(), 0.95);
}

TEST(PerturbAdversarial, SmallGradientsHaveADirectionAndNoneLeavesTheImage) {
  for (const double scale : {1e-30, 1e-10, 1e30}) {
    NodeHarness noise("perturb.noise"), node("perturb.adversarial");
    const at::Tensor x = numbers(kShape), y = noised(noise, x);
    at::Tensor weights = numbers(kShape, 1);
    weights[1][2].zero_();
    const at::Tensor moved = adversarial(node, x, y, (weights * scale * y).sum());
    EXPECT_TRUE(at::equal(moved[1][2], x[1][2])) << scale;
    EXPECT_TRUE(at::allclose((moved - x)[0], unit(weights)[0], 1e-4, 1e-5)) << scale;
  }
}

TEST(PerturbAdversarial, EvaluationSeesTheImagesThemselves) {
  NodeHarness node("perturb.adversarial");
  node.set_training(false);
  EXPECT_TRUE(at::equal(adversarial(node, numbers(kShape), numbers(kShape), at::zeros({})), numbers(kShape)));
}

TEST(PerturbAdversarial, ADivergenceThatDoesNotDependOnTheNoiseIsRefused) {
  NodeHarness noise("perturb.noise"), node("perturb.adversarial");
  const at::Tensor x = numbers(kShape), y = noised(noise, x), other = numbers(kShape).requires_grad_();
  for (const at::Tensor& divergence : {other.sum(), at::zeros({})}) {
    const std::string said = cdc::test::error_of([&] { adversarial(node, x, y, divergence); });
    EXPECT_NE(said.find("the divergence does not depend on the noised views: connect 'noised' to a perturb.noise"), std::string::npos) << said;
  }
}

TEST(PerturbAdversarial, ANaNStaysOne) {
  NodeHarness noise("perturb.noise"), node("perturb.adversarial");
  const at::Tensor x = numbers(kShape), y = noised(noise, x);
  EXPECT_TRUE(adversarial(node, x, y, (y * std::numeric_limits<double>::quiet_NaN()).sum()).isnan().all().item<bool>());
}

constexpr const char* kImsat = R"(
[views]
plugin = "augment.plain"
[encoder]
plugin = "backbone.convnet"
in.images = "views"
channels = [8, 16]
kernels = [3, 3]
strides = [2, 2]
pool_size = 3
[head]
plugin = "head.linear"
in.features = "encoder"
clusters = 4
[plain]
plugin = "assign.softmax"
in.logits = "head"
temperature = 1.0
[noise]
plugin = "perturb.noise"
in.images = "views"
xi = 1.0
[noise_encoder]
shares = "encoder"
in.images = "noise"
[noise_head]
shares = "head"
in.features = "noise_encoder"
[divergence]
plugin = "loss.kl"
in.prediction = "noise_head"
in.target = "plain"
[adversarial]
plugin = "perturb.adversarial"
in.images = "views"
in.noised = "noise"
in.divergence = "divergence"
epsilon = 1.0
[adversarial_encoder]
shares = "encoder"
in.images = "adversarial"
[adversarial_head]
shares = "head"
in.features = "adversarial_encoder"
[loss]
plugin = "loss.kl"
in.prediction = "adversarial_head"
in.target = "plain"
)";

TEST(PerturbAdversarial, TrainsANetworkThatAnswersTheSameNearby) {
  cdc::test::SessionHarness session(kImsat, std::make_shared<cdc::test::Bars>(60, 1, 12, 12));
  double first = 0, last = 0;
  const at::Tensor untrained = session.tensor("encoder.0.0.weight").detach().clone();
  for (std::int64_t e = 0; e < 8; ++e) {
    session.epoch(e, 20, 0.1, [&](std::int64_t step) {
      const at::Tensor x = session->output("views", "views"), moved = session->output("adversarial", "adversarial");
      EXPECT_TRUE(at::allclose(lengths(moved - x), at::ones({1, 20}), 1e-3, 1e-3));
      EXPECT_FALSE(session.tensor("encoder.0.0.weight").grad().defined()) << "the gradient in the forward pass is that of the noise alone";
      last = session->output("loss", "loss").item<double>();
      if (e == 0 && step == 0) {
        first = last;
        // The adversary moves the network's answer further than noise of the same length does.
        EXPECT_GT(first, session->output("divergence", "loss").item<double>());
      }
    });
  }
  EXPECT_LT(last, 0.5 * first);
  EXPECT_FALSE(at::equal(session.tensor("encoder.0.0.weight").detach(), untrained));
  // Evaluation: both pass the images on.
  EXPECT_TRUE(at::equal(session->features("adversarial", "adversarial", 20), session->features("views", "views", 20)));
  EXPECT_TRUE(at::equal(session->features("adversarial_head", "logits", 20), session->features("head", "logits", 20)));
}

}  // namespace
