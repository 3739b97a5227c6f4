#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor features() { return (at::arange(2 * 16 * 12, at::kDouble) * 12.9898).sin().view({2, 16, 12}).to(at::kFloat); }

at::Tensor tensor(NodeHarness& node, const std::string& name) {
  for (const auto& t : node.state())
    if (t.name == name) return t.tensor.detach();
  throw cdc::Error("no tensor " + name);
}

/// Linear without bias, batch normalisation over all views together, ReLU: layer `place` of a head in training.
at::Tensor hidden(NodeHarness& node, const at::Tensor& x, int place) {
  const std::string linear = "hidden." + std::to_string(place), norm = "hidden." + std::to_string(place + 1);
  return at::batch_norm(at::linear(x, tensor(node, linear + ".weight")), tensor(node, norm + ".weight"), tensor(node, norm + ".bias"), {}, {}, true,
                        0.1, 1e-5, false)
      .relu();
}

TEST(HeadCdc, SharesItsHiddenLayersAndScalesTheInstancePart) {
  NodeHarness node("head.cdc", R"({"clusters": 5, "instance_dim": 7, "hidden": 20, "layers": 2})", {{"F", 12}});
  node.input("features", features());
  node.forward();
  at::Tensor g = features().flatten(0, 1);
  g = hidden(node, hidden(node, g, 0), 3);
  const at::Tensor cluster = at::linear(g, tensor(node, "cluster.weight"), tensor(node, "cluster.bias")).view({2, 16, 5});
  const at::Tensor instance = at::linear(g, tensor(node, "instance.weight"), tensor(node, "instance.bias")).view({2, 16, 7});
  EXPECT_TRUE(at::allclose(node.output("cluster"), cluster, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(node.output("instance"), instance / instance.norm(2, {-1}, true), 1e-4, 1e-5));
}

TEST(HeadCdc, InstancePartIsFloat32OfLengthOneForBfloat16FeaturesToo) {
  NodeHarness node("head.cdc", R"({"clusters": 5, "hidden": 20})", {{"F", 12}});
  for (auto& t : node.state()) t.tensor.set_data(t.tensor.is_floating_point() ? t.tensor.to(at::kBFloat16) : t.tensor);
  node.input("features", features().to(at::kBFloat16));
  node.forward();
  EXPECT_EQ(node.output("instance").scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(node.output("instance").norm(2, {-1}), at::ones({2, 16}), 0, 1e-6));
}

TEST(HeadCdc, ClustersIsRequired) {
  for (const auto& p : NodeHarness::plugins().find("head.cdc")->parameters) EXPECT_EQ(p.required, p.name == "clusters") << p.name;
}

TEST(HeadProjection, HasTheLayersAskedFor) {
  struct Case {
    const char* parameters;
    std::size_t tensors;
  };
  // A linear map has weight and bias; with batch normalisation it has a weight alone, and the norm five tensors.
  for (const Case c : {Case{R"({"layers": 0, "dim": 6})", 2},
                       {R"({"layers": 1, "dim": 6, "hidden": 9})", 4},
                       {R"({"layers": 2, "dim": 6, "hidden": 9})", 6},
                       {R"({"layers": 2, "dim": 6, "hidden": 9, "batch_norm": true})", 14}}) {
    NodeHarness node("head.projection", c.parameters, {{"F", 12}});
    EXPECT_EQ(node.state().size(), c.tensors) << c.parameters;
    node.input("features", features());
    node.forward();
    EXPECT_EQ(node.output("embedding").sizes(), (std::vector<std::int64_t>{2, 16, 6}));
    EXPECT_TRUE(at::allclose(node.output("embedding").norm(2, {-1}), at::ones({2, 16}), 0, 1e-5));
  }
}

TEST(HeadProjection, IsLinearReluLinear) {
  NodeHarness node("head.projection", R"({"dim": 6, "hidden": 9, "normalise": false})", {{"F", 12}});
  node.input("features", features());
  node.forward();
  const at::Tensor g = at::linear(features(), tensor(node, "hidden.0.weight"), tensor(node, "hidden.0.bias")).relu();
  EXPECT_TRUE(at::allclose(node.output("embedding"), at::linear(g, tensor(node, "output.weight"), tensor(node, "output.bias")), 1e-4, 1e-5));
}

TEST(HeadMlp, GivesLogitsThroughHiddenLayers) {
  NodeHarness node("head.mlp", R"({"clusters": 5, "hidden": 20, "layers": 2, "batch_norm": true})", {{"F", 12}});
  node.input("features", features());
  node.forward();
  const at::Tensor g = hidden(node, hidden(node, features().flatten(0, 1), 0), 3);
  EXPECT_TRUE(
      at::allclose(node.output("logits"), at::linear(g, tensor(node, "output.weight"), tensor(node, "output.bias")).view({2, 16, 5}), 1e-4, 1e-5));
}

}  // namespace
