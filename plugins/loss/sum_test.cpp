#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "support/errors.hpp"
#include "support/node_harness.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::NodeHarness;

TEST(LossSum, WeighsAndReportsItsTerms) {
  NodeHarness loss("loss.sum", R"({"weights": [1.0, 0.5, 0.0]})");
  const at::Tensor a = at::full({}, 2.0f).requires_grad_(), b = at::full({}, 3.0f).requires_grad_(), c = at::full({}, 7.0f).requires_grad_();
  loss.inputs("losses", {a, b, c});
  loss.forward();
  EXPECT_EQ(loss.output("loss").item<float>(), 3.5f);
  loss.output("loss").backward();
  EXPECT_EQ(a.grad().item<float>(), 1.0f);
  EXPECT_EQ(b.grad().item<float>(), 0.5f);
  EXPECT_EQ(c.grad().item<float>(), 0.0f);
  EXPECT_EQ(loss.reports().at("term2").item<float>(), 3.0f);  // as it is, before its weight
  NodeHarness plain("loss.sum");
  plain.inputs("losses", {a, b});
  plain.forward();
  EXPECT_EQ(plain.output("loss").item<float>(), 5.0f);
}

TEST(LossSum, AnotherNumberOfWeightsIsAnError) {
  NodeHarness loss("loss.sum", R"({"weights": [1.0]})");
  loss.inputs("losses", {at::full({}, 1.0f), at::full({}, 1.0f)});
  const std::string said = error_of([&] { loss.forward(); });
  EXPECT_EQ(said, "loss.sum has 2 losses and 1 weights: give as many, or no weights");
}

}  // namespace
