#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor embedding() { return (at::arange(2 * 6 * 8, at::kDouble) * 12.9898).sin().view({2, 6, 8}).to(at::kFloat); }

/// As the session has it: a leaf with gradients.
at::Tensor prototypes(NodeHarness& node) { return node.state().at(0).tensor.requires_grad_(); }

TEST(HeadPrototypes, LogitsAreDotProductsWithDirections) {
  NodeHarness node("head.prototypes", R"({"clusters": 5})", {{"D", 8}});
  const at::Tensor p = prototypes(node);
  EXPECT_TRUE(at::allclose(p.detach().norm(2, {-1}), at::ones({5}), 0, 1e-6));
  node.input("embedding", embedding());
  node.forward();
  EXPECT_TRUE(at::allclose(node.output("logits"), at::matmul(embedding(), p.t()), 1e-5, 1e-6));
}

TEST(HeadPrototypes, AreOfLengthOneAgainAfterEachStep) {
  NodeHarness node("head.prototypes", R"({"clusters": 5})", {{"D", 8}});
  const at::Tensor p = prototypes(node), direction = p.detach().clone();
  p.detach().mul_(at::arange(1, 6, at::kFloat).unsqueeze(1));
  node.input("embedding", embedding());
  node.forward();
  node.after_step();
  EXPECT_TRUE(at::allclose(p.detach(), direction, 0, 1e-6));
  EXPECT_TRUE(node.state().at(0).trainable);
}

TEST(HeadPrototypes, HaveNoGradientInTheFirstSteps) {
  NodeHarness node("head.prototypes", R"({"clusters": 5, "frozen_steps": 2})", {{"D", 8}});
  const at::Tensor p = prototypes(node);
  for (int step = 0; step < 3; ++step) {
    const at::Tensor z = embedding().requires_grad_();
    node.input("embedding", z);
    node.forward();
    node.output("logits").square().sum().backward();
    EXPECT_EQ(p.grad().defined(), step == 2) << step;
    EXPECT_TRUE(z.grad().defined());
    node.after_step();
  }
}

TEST(HeadPrototypes, APrototypeOfZerosStaysFinite) {
  NodeHarness node("head.prototypes", R"({"clusters": 5})", {{"D", 8}});
  prototypes(node).detach()[2].zero_();
  node.input("embedding", embedding() * 0);
  node.forward();
  node.output("logits").sum().backward();
  node.after_step();
  EXPECT_TRUE(node.state().at(0).tensor.isfinite().all().item<bool>());
  EXPECT_TRUE(prototypes(node).grad().isfinite().all().item<bool>());
}

}  // namespace
