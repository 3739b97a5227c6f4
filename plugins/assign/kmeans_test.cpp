#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pca.hpp"
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

/// Sample i of 60 lies near one of three corners, that of group i % 3 (or i / 20).
at::Tensor three_groups(bool in_turn, double spread = 0.01) {
  at::Tensor x = numbers({60, 5}) * spread;
  for (std::int64_t i = 0; i < 60; ++i) x[i][in_turn ? i % 3 : i / 20] += 1;
  return x;
}
at::Tensor labels(NodeHarness& node) { return node.state()[0].tensor; }

NodeHarness kmeans(const std::string& parameters = R"({"clusters": 3, "restarts": 3, "pca_dim": 2})") {
  return NodeHarness("assign.kmeans", parameters, {{"D", 5}});
}
void look(NodeHarness& node, const at::Tensor& x, std::int64_t epoch = 0) {
  node.whole_set("features", x);
  node.set_epoch(epoch);
  node.begin_epoch();
}
at::Tensor codes(NodeHarness& node, at::Tensor which) {
  node.set_indices(std::move(which));
  node.forward();
  return node.output("codes");
}

TEST(AssignKMeans, CodesAreTheClustersOfTheBatchesSamples) {
  for (const char* parameters :
       {R"({"clusters": 3, "restarts": 3, "pca_dim": 2})", R"({"clusters": 3, "restarts": 3, "pca_dim": 0, "normalise": false})",
        R"({"clusters": 3, "restarts": 3, "init": "random", "pca_dim": 0})"}) {
    NodeHarness node = kmeans(parameters);
    look(node, three_groups(true));
    const at::Tensor all = labels(node);
    ASSERT_EQ(all.size(0), 60);
    for (std::int64_t i = 3; i < 60; ++i) EXPECT_EQ(all[i].item<int>(), all[i % 3].item<int>()) << parameters << i;
    EXPECT_EQ(all.narrow(0, 0, 3).sum().item<int>(), 3) << "three different ones";
    const at::Tensor which = at::tensor({58, 0, 7, 2}, at::kLong), c = codes(node, which);
    ASSERT_EQ(c.sizes(), (std::vector<std::int64_t>{1, 4, 3}));
    EXPECT_TRUE(at::equal(c.sum(-1), at::ones({1, 4})));
    EXPECT_TRUE(at::equal(c[0].argmax(1).to(at::kInt), all.index_select(0, which)));
  }
}

TEST(AssignKMeans, LooksAgainEveryFewEpochsAndSaysHowMuchChanged) {
  NodeHarness node = kmeans(R"({"clusters": 3, "restarts": 3, "every": 2, "pca_dim": 2})");
  look(node, three_groups(true));
  codes(node, at::arange(4));
  EXPECT_EQ(node.reports().count("nmi_to_previous"), 0U) << "there is no previous one";
  const at::Tensor first = labels(node).clone();
  look(node, three_groups(false), 1);
  EXPECT_TRUE(at::equal(labels(node), first));
  look(node, three_groups(true), 2);
  codes(node, at::arange(4));
  EXPECT_NEAR(node.reports().at("nmi_to_previous").item<double>(), 1, 1e-12);
  look(node, three_groups(false), 4);
  codes(node, at::arange(4));
  EXPECT_LT(node.reports().at("nmi_to_previous").item<double>(), 0.05) << "groups by i % 3 say nothing of those by i / 20";
  EXPECT_EQ(labels(node)[0].item<int>(), labels(node)[19].item<int>());
}

TEST(AssignKMeans, IsAFunctionOfTheSeed) {
  NodeHarness a = kmeans(R"({"clusters": 7})"), b = kmeans(R"({"clusters": 7})");
  for (NodeHarness* node : {&a, &b}) look(*node, numbers({60, 5}));
  EXPECT_TRUE(at::equal(labels(a), labels(b)));
}

TEST(AssignKMeans, WhitenedComponentsAreUncorrelatedAndOfVarianceOne) {
  // Three directions of very different scale, far from the origin, turned by a shear; the fourth column adds nothing new, and the fifth is constant.
  at::Tensor x = at::randn({400, 5}, at::make_generator<at::CPUGeneratorImpl>(1)) * at::tensor({100.0, 1.0, 0.01, 0.0, 0.0}, at::kFloat);
  x.select(1, 1).add_(x.select(1, 0) * 0.5);
  x.select(1, 3).copy_(x.select(1, 0) + x.select(1, 1));
  x += 3;
  const at::Tensor y = cdc_assign::whitened(x, 3).to(at::kDouble);
  ASSERT_EQ(y.sizes(), (std::vector<std::int64_t>{400, 3}));
  EXPECT_TRUE(at::allclose(y.mean(0), at::zeros({3}, at::kDouble), 0, 1e-4));
  EXPECT_TRUE(at::allclose(at::mm(y.t(), y) / 400, at::eye(3, at::kDouble), 0, 1e-3));
  const at::Tensor all = cdc_assign::whitened(x, 256);
  ASSERT_EQ(all.size(1), 5);
  EXPECT_TRUE(all.isfinite().all().item<bool>());
  EXPECT_TRUE(at::equal(all.narrow(1, 3, 2), at::zeros({400, 2}))) << "directions without variance are left out";
  // The first component follows the longest axis.
  const at::Tensor axis = x.select(1, 0).to(at::kDouble) - x.select(1, 0).mean().item<double>();
  EXPECT_GT(std::abs((y.select(1, 0) * axis).mean().item<double>()) / axis.square().mean().sqrt().item<double>(), 0.999);
}

TEST(AssignKMeans, WhatCannotBeClusteredIsAnError) {
  NodeHarness node = kmeans();
  EXPECT_EQ(error_of([&] {
              look(node, at::ones({60, 5}));
            }),
            "the features of all samples are the same, and no labels can be made of them: the network has collapsed; lower the learning rate");
  at::Tensor x = three_groups(true);
  x[4][2] = INFINITY;
  EXPECT_EQ(error_of([&] { look(node, x); }), "what its input 'features' gives for the whole set is not finite everywhere: lower the learning rate");
  EXPECT_NE(error_of([&] { look(node, x.narrow(0, 0, 2)); }).find("cluster"), std::string::npos) << "more clusters than samples";
  look(node, three_groups(true));
  EXPECT_EQ(error_of([&] {
              codes(node, at::tensor({1, 60}, at::kLong));
            }),
            "it has no code for sample 60: codes are made at the start of an epoch, for the 60 samples trained on");
}

TEST(AssignKMeans, AsManyDistinctFeaturesAsClustersOrFewerIsNoError) {
  NodeHarness node = kmeans(R"({"clusters": 6})");
  look(node, three_groups(true, 0));  // three distinct rows
  const at::Tensor c = codes(node, at::arange(6));
  EXPECT_TRUE(at::equal(c.sum(-1), at::ones({1, 6})));
  EXPECT_TRUE(at::equal(c[0][0], c[0][3]));
}

}  // namespace
