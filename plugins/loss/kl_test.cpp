#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "support/errors.hpp"
#include "support/node_harness.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::NodeHarness;

at::Tensor logits(std::int64_t views, double phase = 0) {
  return 2 * (at::arange(views * 6 * 4, at::kDouble) * 12.9898 + phase).sin().view({views, 6, 4}).to(at::kFloat);
}

TEST(LossKl, IsTheBatchsMeanSummedOverViews) {
  for (const std::int64_t target_views : {1, 3}) {
    NodeHarness loss("loss.kl");
    const at::Tensor x = logits(3).requires_grad_(), t = at::softmax(logits(target_views, 1), -1);
    loss.input("prediction", x);
    loss.input("target", t);
    loss.forward();
    const at::Tensor p = at::softmax(x, -1);
    EXPECT_NEAR(loss.output("loss").item<double>(), (t * (t / p).log()).sum().item<double>() / 6, 1e-5);
    loss.output("loss").backward();
    EXPECT_TRUE(at::allclose(x.grad(), ((p - t) / 6).detach(), 0, 1e-6));  // of softmax and cross-entropy
  }
}

TEST(LossKl, ATargetOfItselfGivesZeroAndHardTargetsAreFinite) {
  NodeHarness loss("loss.kl");
  const at::Tensor x = logits(1);
  loss.input("prediction", x);
  loss.input("target", at::softmax(x, -1));
  loss.forward();
  EXPECT_NEAR(loss.output("loss").item<double>(), 0, 1e-6);
  at::Tensor hard = at::zeros({1, 6, 4});
  hard.select(2, 2).fill_(1);
  loss.input("target", hard);
  loss.forward();
  EXPECT_NEAR(loss.output("loss").item<double>(), -at::softmax(x, -1).select(2, 2).log().mean().item<double>(), 1e-5);
}

TEST(LossKl, ViewsThatDoNotFitAreSaid) {
  NodeHarness loss("loss.kl");
  loss.input("prediction", logits(3));
  loss.input("target", at::softmax(logits(2), -1));
  const std::string said = error_of([&] { loss.forward(); });
  EXPECT_EQ(said, "loss.kl has 2 views of 'target' for 3 of 'prediction': give one for all, or as many");
}

}  // namespace
