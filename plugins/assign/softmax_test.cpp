#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/exp.h>
#include <gtest/gtest.h>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor scores() { return (at::arange(2 * 9 * 4, at::kFloat) * 12.9898).sin().view({2, 9, 4}); }

TEST(AssignSoftmax, CodesAreTheSoftmaxOfEachRow) {
  for (const std::string normalise : {"none", "l2", "softmax"}) {
    NodeHarness node("assign.softmax", R"({"temperature": 0.3, "normalise": ")" + normalise + "\"}", {{"V", 2}, {"K", 4}});
    const at::Tensor x = scores().requires_grad_();
    node.input("logits", x);
    node.forward();
    const auto rows = [](const at::Tensor& e) { return e / e.sum(-1, /*keepdim=*/true); };
    const at::Tensor y = normalise == "l2" ? x / x.square().sum(-1, /*keepdim=*/true).sqrt() : normalise == "softmax" ? rows(x.exp()) : x;
    EXPECT_TRUE(at::allclose(node.output("codes"), rows((y / 0.3).exp()), 0, 1e-6)) << normalise;
    EXPECT_FALSE(node.output("codes").requires_grad());
  }
}

TEST(AssignSoftmax, HardCodesAreOneHotAtTheLargestScore) {
  NodeHarness node("assign.softmax", R"({"hard": true})", {{"V", 2}, {"K", 4}});
  node.input("logits", scores());
  node.forward();
  const at::Tensor codes = node.output("codes");
  EXPECT_EQ((codes == 1).sum().item<std::int64_t>(), 18);
  EXPECT_EQ(codes.sum().item<float>(), 18);
  EXPECT_TRUE(at::equal(codes.argmax(-1), scores().argmax(-1)));
}

}  // namespace
