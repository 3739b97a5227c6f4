#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <vector>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

/// [2, 3, 1]: rows 6 n .. 6 n + 5, those of the first view first.
at::Tensor batch(std::int64_t n) { return at::arange(6 * n, 6 * n + 6, at::kFloat).view({2, 3, 1}); }

at::Tensor queue_of(NodeHarness& node) {
  const at::Tensor rows = node.output("queue");
  EXPECT_EQ(rows.size(0), 1);
  return std::get<0>(rows.flatten().sort());
}

at::Tensor step(NodeHarness& node, const at::Tensor& rows) {
  node.input("rows", rows);
  node.forward();
  const at::Tensor queue = queue_of(node);
  node.after_step();
  return queue;
}

TEST(MemoryQueue, ABatchSeesTheRowsBeforeItUpToTheQueuesSize) {
  NodeHarness node("memory.queue", R"({"size": 8})", {{"D", 1}});
  for (std::int64_t n = 0; n < 6; ++n) {
    const at::Tensor expected = at::arange(std::max<std::int64_t>(0, 6 * n - 8), 6 * n, at::kFloat);
    EXPECT_TRUE(at::equal(step(node, batch(n)), expected)) << n;
  }
}

TEST(MemoryQueue, OfABatchLargerThanTheQueueTheLastRowsOfTheLastViewsStay) {
  NodeHarness node("memory.queue", R"({"size": 4})", {{"D", 1}});
  step(node, batch(0));
  EXPECT_TRUE(at::equal(step(node, batch(1)), at::arange(2, 6, at::kFloat)));
}

TEST(MemoryQueue, StartsWithItsEpoch) {
  for (const std::string begin : {"empty", "random"}) {
    NodeHarness node("memory.queue", R"({"size": 8, "start_epoch": 2, "begin": ")" + begin + "\"}", {{"D", 1}});
    for (const std::int64_t epoch : {0, 1}) {
      node.set_epoch(epoch);
      EXPECT_EQ(step(node, batch(epoch)).size(0), 0) << begin;
    }
    node.set_epoch(2);
    EXPECT_EQ(step(node, batch(2)).size(0), begin == "random" ? 8 : 0);
    EXPECT_EQ(step(node, batch(3)).size(0), begin == "random" ? 8 : 6);
  }
}

TEST(MemoryQueue, RandomRowsAreOfLengthOneAndOfTheSeed) {
  const auto first = [](std::uint64_t seed) {
    NodeHarness node("memory.queue", R"({"size": 50, "begin": "random"})", {{"D", 6}}, seed);
    node.input("rows", at::zeros({1, 4, 6}));
    node.forward();
    return node.output("queue");
  };
  const at::Tensor rows = first(3);
  ASSERT_EQ(rows.sizes(), (std::vector<std::int64_t>{1, 50, 6}));
  EXPECT_TRUE(at::allclose(rows.norm(2, {-1}), at::ones({1, 50}), 0, 1e-6));
  EXPECT_LT(rows.mean(1).abs().max().item<double>(), 0.3);
  EXPECT_TRUE(at::equal(rows, first(3)));
  EXPECT_FALSE(at::equal(rows, first(4)));
}

TEST(MemoryQueue, WhatWasGivenOutStaysAsItWas) {
  NodeHarness node("memory.queue", R"({"size": 6})", {{"D", 1}});
  step(node, batch(0));
  node.input("rows", batch(1));
  node.forward();
  const at::Tensor queue = node.output("queue"), query = at::ones({1, 1}).requires_grad_();
  const at::Tensor product = at::mm(query, queue[0].t()).sum();
  node.after_step();
  EXPECT_TRUE(at::equal(queue.flatten(), at::arange(6, at::kFloat)));
  product.backward();  // autograd would refuse a queue that was written to
  EXPECT_EQ(query.grad().item<float>(), 15);
}

TEST(MemoryQueue, EvaluationGivesTheRowsAndTakesNone) {
  NodeHarness node("memory.queue", R"({"size": 8})", {{"D", 1}});
  step(node, batch(0));
  node.set_training(false);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(at::equal(step(node, batch(1)), at::arange(6, at::kFloat)));
}

TEST(MemoryQueue, GoesOnFromItsState) {
  NodeHarness straight("memory.queue", R"({"size": 8})", {{"D", 1}}), resumed("memory.queue", R"({"size": 8})", {{"D", 1}});
  step(straight, batch(0));
  step(straight, batch(1));
  const auto from = straight.state(), to = resumed.state();
  ASSERT_EQ(from.size(), 2U);
  for (std::size_t i = 0; i < from.size(); ++i) to[i].tensor.copy_(from[i].tensor);
  for (std::int64_t n = 2; n < 5; ++n) {
    EXPECT_TRUE(at::equal(step(straight, batch(n)), step(resumed, batch(n)))) << n;
    EXPECT_TRUE(at::equal(straight.output("queue"), resumed.output("queue")));
  }
}

TEST(MemoryQueue, RowsAreConstants) {
  NodeHarness node("memory.queue", R"({"size": 8})", {{"D", 1}});
  for (int i = 0; i < 2; ++i) step(node, batch(i).requires_grad_());
  EXPECT_FALSE(node.output("queue").requires_grad());
  EXPECT_FALSE(node.state()[0].tensor.requires_grad());
}

}  // namespace
