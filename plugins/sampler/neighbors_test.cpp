#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "cdc/sampler.hpp"
#include "support/errors.hpp"
#include "support/node_harness.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::NodeHarness;

at::Tensor features(std::int64_t n = 50) { return (at::arange(n * 4, at::kDouble) * 12.9898).sin().view({n, 4}).to(at::kFloat); }

NodeHarness sampler(const at::Tensor& x, int k) {
  NodeHarness node("sampler.neighbors", R"({"neighbors": )" + std::to_string(k) + "}", {{"D", 4}});
  node.whole_set("features", x);
  node.begin_training();
  return node;
}
std::int64_t pick(NodeHarness& node, std::int64_t epoch, std::int64_t sample, std::uint64_t seed = 5) {
  return dynamic_cast<const cdc::Sampler&>(node.node()).pick(seed, epoch, sample);
}

/// The k samples of largest cosine, by loops.
std::set<std::int64_t> nearest(const at::Tensor& x, std::int64_t i, int k) {
  std::vector<std::pair<double, std::int64_t>> all;
  const auto cosine = [&](std::int64_t j) {
    double dot = 0, a = 0, b = 0;
    for (std::int64_t d = 0; d < x.size(1); ++d) {
      const double p = x[i][d].item<double>(), q = x[j][d].item<double>();
      dot += p * q;
      a += p * p;
      b += q * q;
    }
    return dot / std::sqrt(a * b);
  };
  for (std::int64_t j = 0; j < x.size(0); ++j)
    if (j != i) all.emplace_back(-cosine(j), j);
  std::sort(all.begin(), all.end());
  std::set<std::int64_t> out;
  for (int j = 0; j < k; ++j) out.insert(all[static_cast<std::size_t>(j)].second);
  return out;
}

TEST(SamplerNeighbors, AreTheNearestByCosineWithoutTheSampleItself) {
  const at::Tensor x = features();
  NodeHarness node = sampler(x, 4);
  const at::Tensor table = node.state()[0].tensor;
  ASSERT_EQ(table.sizes(), (std::vector<std::int64_t>{50, 4}));
  for (std::int64_t i = 0; i < 50; ++i) {
    std::set<std::int64_t> found;
    for (std::int64_t j = 0; j < 4; ++j) found.insert(table[i][j].item<std::int64_t>());
    EXPECT_EQ(found, nearest(x, i, 4)) << i;
  }
}

TEST(SamplerNeighbors, LengthSaysNothingAndCopiesAreNeighboursOfOneAnother) {
  at::Tensor x = features();
  x[7].copy_(x[21] * 3);
  NodeHarness node = sampler(x, 4);
  EXPECT_EQ(node.state()[0].tensor[7][0].item<std::int64_t>(), 21);
  EXPECT_EQ(node.state()[0].tensor[21][0].item<std::int64_t>(), 7);
}

TEST(SamplerNeighbors, EachIsPickedAsOftenAndTheSameForWhoeverAsks) {
  NodeHarness node = sampler(features(), 4);
  const std::set<std::int64_t> expected = nearest(features(), 13, 4);
  std::map<std::int64_t, int> times;
  for (std::int64_t epoch = 0; epoch < 2000; ++epoch) {
    const std::int64_t picked = pick(node, epoch, 13);
    EXPECT_EQ(pick(node, epoch, 13), picked);
    ++times[picked];
  }
  ASSERT_EQ(times.size(), 4U);
  for (const auto& [neighbor, count] : times) {
    EXPECT_EQ(expected.count(neighbor), 1U);
    EXPECT_NEAR(count, 500, 80);  // four standard deviations
  }
  int same = 0;
  for (std::int64_t epoch = 0; epoch < 400; ++epoch) same += pick(node, epoch, 13) == pick(node, epoch, 13, 6) ? 1 : 0;
  EXPECT_NEAR(same, 100, 40) << "another seed picks by itself";
}

TEST(SamplerNeighbors, GoOnFromTheirState) {
  NodeHarness node = sampler(features(), 3), resumed("sampler.neighbors", R"({"neighbors": 3})", {{"D", 4}});
  resumed.state()[0].tensor.resize_({50, 3}).copy_(node.state()[0].tensor);
  resumed.node().train(true);
  for (std::int64_t i = 0; i < 50; ++i) EXPECT_EQ(pick(node, 2, i), pick(resumed, 2, i));
}

TEST(SamplerNeighbors, FeaturesThatAreAllTheSameHaveNeighboursToo) {
  for (const double value : {0.0, 1.0}) {
    NodeHarness node = sampler(at::zeros({6, 4}) + value, 5);
    const at::Tensor table = std::get<0>(node.state()[0].tensor.sort());
    for (std::int64_t i = 0; i < 6; ++i)
      for (std::int64_t j = 0; j < 5; ++j) EXPECT_EQ(table[i][j].item<std::int64_t>(), j < i ? j : j + 1) << value;
  }
}

TEST(SamplerNeighbors, WhatCannotBeFoundIsAnError) {
  EXPECT_EQ(error_of([] { sampler(features(5), 5); }), "5 samples have no 5 neighbours each: set neighbors to 4 or less");
  EXPECT_NO_THROW(sampler(features(5), 4));
  at::Tensor x = features();
  x[3][1] = NAN;
  EXPECT_EQ(error_of([&] { sampler(x, 4); }), "the features are not all finite numbers: look at the weights that give them");
  NodeHarness node = sampler(features(), 4);
  EXPECT_EQ(error_of([&] { pick(node, 0, 50); }),
            "it knows neighbours of 50 samples, and none of sample 50: they are found before training, on the data trained on");
}

}  // namespace
