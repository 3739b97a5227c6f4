#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>

#include "support/errors.hpp"
#include "support/node_harness.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::NodeHarness;

at::Tensor numbers(at::IntArrayRef shape, double phase = 0) {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  return (at::arange(n, at::kDouble) * 12.9898 + phase).sin().view(shape).to(at::kFloat);
}

TEST(HeadStudentT, SoftmaxOfItsLogitsIsTheKernelNormalised) {
  for (const double alpha : {1.0, 3.5}) {
    NodeHarness node("head.student_t", R"({"clusters": 5, "alpha": )" + std::to_string(alpha) + "}", {{"F", 7}});
    const at::Tensor centres = node.state().at(0).tensor;
    centres.detach().copy_(numbers({5, 7}, 1) + 100);  // far from the origin, where a careless |h|^2 - 2 h mu + |mu|^2 cancels
    const at::Tensor h = numbers({2, 9, 7}) + 100;
    node.input("features", h);
    node.forward();
    const at::Tensor squared = at::cdist(h.to(at::kDouble), centres.detach().to(at::kDouble).expand({2, 5, 7})).square();
    const at::Tensor kernel = (1 + squared / alpha).pow(-(alpha + 1) / 2);
    EXPECT_TRUE(at::allclose(at::softmax(node.output("cluster").to(at::kDouble), -1), kernel / kernel.sum(-1, /*keepdim=*/true), 0, 1e-5)) << alpha;
  }
}

TEST(HeadStudentT, FirstCentresAreThoseOfKMeans) {
  NodeHarness node("head.student_t", R"({"clusters": 3})", {{"F", 4}});
  at::Tensor x = numbers({60, 4}) * 0.1;
  for (int k = 0; k < 3; ++k) x.narrow(0, 20 * k, 20).add_(10.0 * k);
  node.whole_set("features", x);
  node.begin_training();
  const at::Tensor centres = node.state().at(0).tensor.detach();
  const at::Tensor expected = at::cat({x.narrow(0, 0, 20).mean(0, true), x.narrow(0, 20, 20).mean(0, true), x.narrow(0, 40, 20).mean(0, true)});
  const at::Tensor order = std::get<1>(centres.select(1, 0).sort());
  EXPECT_TRUE(at::allclose(centres.index_select(0, order), expected, 0, 1e-5));
}

TEST(HeadStudentT, CentresAndFeaturesHaveGradients) {
  NodeHarness node("head.student_t", R"({"clusters": 3})", {{"F", 4}});
  const at::Tensor centres = node.state().at(0).tensor.requires_grad_();
  EXPECT_TRUE(node.state().at(0).trainable);
  const at::Tensor h = numbers({1, 6, 4}).requires_grad_();
  node.input("features", h);
  node.forward();
  node.output("cluster").square().sum().backward();
  ASSERT_TRUE(centres.grad().defined() && h.grad().defined());
  // Moving everything at once changes nothing: the gradients add up to 0.
  EXPECT_TRUE(at::allclose(centres.grad().sum(0), -h.grad().sum(c10::IntArrayRef({0, 1})), 1e-4, 1e-4));
}

TEST(HeadStudentT, ASampleOnACentreIsFinite) {
  NodeHarness node("head.student_t", R"({"clusters": 2})", {{"F", 3}});
  const at::Tensor centres = node.state().at(0).tensor;
  const at::Tensor h = centres.detach().clone().unsqueeze(0).requires_grad_();
  node.input("features", h);
  node.forward();
  node.output("cluster").sum().backward();
  EXPECT_TRUE(node.output("cluster").isfinite().all().item<bool>());
  EXPECT_TRUE(h.grad().isfinite().all().item<bool>());
}

TEST(HeadStudentT, FeaturesThatAreAllTheSameAreAnError) {
  NodeHarness node("head.student_t", R"({"clusters": 3})", {{"F", 4}});
  node.whole_set("features", at::ones({50, 4}));
  const std::string said = error_of([&] { node.begin_training(); });
  EXPECT_NE(said.find("k-means found fewer distinct features than clusters, so that centres would coincide: lower clusters"), std::string::npos)
      << said;
}

}  // namespace
