#include <ATen/ops/full_like.h>

#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

TEST(LossMse, IsTheMeanOverEverythingAndTheTargetIsAConstant) {
  const at::Tensor x = numbers({2, 3, 1, 4, 5}).requires_grad_(), target = (x.detach() - 3).requires_grad_();
  const at::Tensor loss = run_loss("loss.mse", "{}", {{"reconstruction", x}, {"target", target}}).output("loss");
  EXPECT_NEAR(loss.item<double>(), 9, 1e-5);
  loss.backward();
  EXPECT_LT((x.grad() - 2 * 3.0 / 120).abs().max().item<double>(), 1e-6);
  EXPECT_FALSE(target.grad().defined());
}

TEST(LossMse, OneTargetIsForAllViews) {
  const at::Tensor x = numbers({3, 2, 1, 4, 5}), target = x.narrow(0, 0, 1);
  const double expected = (x - target).square().mean().item<double>();
  EXPECT_NEAR(loss_of("loss.mse", "{}", {{"reconstruction", x}, {"target", target}}), expected, 1e-6);
  EXPECT_EQ(loss_error("loss.mse", "{}", {{"reconstruction", x}, {"target", x.narrow(0, 0, 2)}}),
            "loss.mse has 2 views of 'target' for 3 of 'reconstruction': give one for all, or as many");
}

TEST(LossMse, FiniteForPixelsFarOff) {
  const at::Tensor x = numbers({1, 2, 1, 4, 5});
  expect_finite("loss.mse", "{}", {{"reconstruction", 1e6 * x}, {"target", at::full_like(x, -1000)}});
}

}  // namespace
