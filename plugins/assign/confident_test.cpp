#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor codes(NodeHarness& node, const at::Tensor& logits) {
  node.input("logits", logits);
  node.forward();
  return node.output("codes");
}

TEST(AssignConfident, OnlyWhatIsAboveTheThresholdHasACode) {
  NodeHarness node("assign.confident", R"({"threshold": 0.8})");
  // Probabilities .85, .79 (of the largest), and two equal ones.
  const at::Tensor p = at::tensor({.05, .85, .10, .79, .11, .10, .45, .45, .10, .01, .01, .98}, at::kFloat).view({2, 2, 3});
  const at::Tensor expected = at::tensor({0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, at::kFloat).view({2, 2, 3});
  EXPECT_TRUE(at::equal(codes(node, p.log() + 7), expected));
  EXPECT_EQ(node.reports().at("confident").item<double>(), 0.5);
}

TEST(AssignConfident, AThousandIsSureAndEqualLogitsAreNot) {
  NodeHarness node("assign.confident");
  EXPECT_TRUE(at::equal(codes(node, at::tensor({1000, -1000, 0, 0, 1000, 1000}, at::kFloat).view({1, 3, 2})),
                        at::tensor({1, 0, 0, 0, 0, 0}, at::kFloat).view({1, 3, 2})));
  EXPECT_TRUE(at::equal(codes(node, at::zeros({1, 2, 10})), at::zeros({1, 2, 10})));
  EXPECT_EQ(node.reports().at("confident").item<double>(), 0);
}

TEST(AssignConfident, WhereNoneIsSureItNamesTheThresholdAndTheGreatestOfTheEpoch) {
  NodeHarness node("assign.confident", R"({"threshold": 0.8})");
  const auto of = [](double p) { return at::tensor({p, 1 - p}, at::kFloat).log().view({1, 1, 2}); };
  const auto said = [&](double p) {
    codes(node, of(p));
    return node.reasons().empty() ? std::string() : node.reasons().front();
  };
  EXPECT_EQ(
      said(0.75),
      "no probability is above threshold = 0.8; the greatest of the epoch is 0.75: lower threshold to less than that, or start from weights that "
      "are surer");
  EXPECT_NE(said(0.625).find("the greatest of the epoch is 0.75:"), std::string::npos);
  EXPECT_EQ(said(0.875), "");
  node.set_epoch(1);
  EXPECT_NE(said(0.625).find("the greatest of the epoch is 0.625:"), std::string::npos);
  node.set_training(false);
  EXPECT_EQ(said(0.625), "") << "evaluation counts nothing";
}

TEST(AssignConfident, CodesAreConstants) {
  NodeHarness node("assign.confident");
  EXPECT_FALSE(codes(node, (100 * at::tensor({1, 0}, at::kFloat)).view({1, 1, 2}).requires_grad_()).requires_grad());
}

TEST(AssignConfident, ANaNStaysOne) {
  NodeHarness node("assign.confident");
  const at::Tensor c = codes(node, at::tensor({9.0, 0.0, std::nan(""), 0.0}, at::kFloat).view({1, 2, 2}));
  EXPECT_TRUE(c[0][0].isfinite().all().item<bool>());
  EXPECT_TRUE(c[0][1].isnan().any().item<bool>());
}

}  // namespace
