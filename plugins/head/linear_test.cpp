#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

NodeHarness head(int reset_every = 0) {
  NodeHarness node("head.linear", R"({"clusters": 5, "reset_every": )" + std::to_string(reset_every) + "}", {{"F", 100}});
  node.whole_set("features", at::zeros({3, 100}));
  return node;
}
at::Tensor weight(NodeHarness& node) { return node.state().at(0).tensor.detach().clone(); }
at::Tensor bias(NodeHarness& node) { return node.state().at(1).tensor.detach().clone(); }

TEST(HeadLinear, IsALinearMapWithABias) {
  NodeHarness node = head();
  const at::Tensor x = (at::arange(2 * 3 * 100, at::kDouble) * 12.9898).sin().view({2, 3, 100}).to(at::kFloat);
  node.input("features", x);
  node.forward();
  ASSERT_EQ(node.state().size(), 2U);
  ASSERT_EQ(node.output("logits").sizes(), (std::vector<std::int64_t>{2, 3, 5}));
  EXPECT_TRUE(at::allclose(node.output("logits"), at::linear(x, weight(node), bias(node)), 1e-5, 1e-5));
}

TEST(HeadLinear, IsMadeAnewAtTheEpochsAskedFor) {
  NodeHarness node = head(2);
  const auto zero = [&] {
    for (auto& t : node.state()) t.tensor.detach().zero_();
  };
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    zero();
    node.set_epoch(epoch);
    node.begin_epoch();
    const at::Tensor w = weight(node), b = bias(node);
    if (epoch % 2 == 1) {
      EXPECT_TRUE(at::equal(w, at::zeros({5, 100}))) << epoch;
      continue;
    }
    EXPECT_LE(w.abs().max().item<double>(), 0.1);
    EXPECT_GT(w.abs().max().item<double>(), 0.09);
    EXPECT_NEAR(w.mean().item<double>(), 0, 0.01);
    EXPECT_GT(b.abs().max().item<double>(), 0);
  }
  EXPECT_TRUE(node.state().at(0).trainable && node.state().at(1).trainable);
}

TEST(HeadLinear, WeightsAreOfTheSeed) {
  const auto of = [](std::uint64_t seed) {
    NodeHarness node("head.linear", R"({"clusters": 5})", {{"F", 100}}, seed);
    return weight(node);
  };
  EXPECT_TRUE(at::equal(of(2), of(2)));
  EXPECT_FALSE(at::equal(of(2), of(3)));
}

TEST(HeadLinear, IsLeftAsItIsUnlessAskedFor) {
  NodeHarness node = head();
  const at::Tensor before = weight(node);
  node.begin_epoch();
  EXPECT_TRUE(at::equal(weight(node), before));
}

}  // namespace
