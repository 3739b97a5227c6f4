#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <set>

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
at::Tensor unit(const at::Tensor& x) { return x / x.norm(2, {-1}, true); }

/// A bank of 40 samples in training, embeddings 5 wide.
NodeHarness bank(const std::string& parameters = "{}") {
  NodeHarness node("memory.bank", parameters, {{"D", 5}});
  node.whole_set("embedding", at::zeros({40, 5}));
  node.begin_training();
  return node;
}

TEST(MemoryBank, RowsAreDirectionsOfTheSeedAtFirst) {
  NodeHarness node = bank();
  const at::Tensor rows = node.state()[0].tensor;
  ASSERT_EQ(rows.sizes(), (std::vector<std::int64_t>{40, 5}));
  EXPECT_TRUE(at::allclose(rows.norm(2, {-1}), at::ones({40}), 0, 1e-6));
  EXPECT_LT(rows.mean(0).abs().max().item<double>(), 0.3);
  EXPECT_TRUE(at::equal(rows, bank().state()[0].tensor));
}

TEST(MemoryBank, GivesTheBatchItsRowsAsTheyWereAndMovesThemAfterwards) {
  NodeHarness node = bank(R"({"momentum": 0.3, "negatives": 7})");
  const at::Tensor before = node.state()[0].tensor.clone(), which = at::tensor({31, 0, 7}, at::kLong), views = unit(numbers({2, 3, 5}));
  node.set_indices(which);
  node.input("embedding", views);
  node.forward();
  const at::Tensor own = node.output("own");
  node.after_step();
  EXPECT_TRUE(at::equal(own, before.index_select(0, which).unsqueeze(0))) << "given out before, and no part of the bank";
  at::Tensor expected = before.clone();
  expected.index_copy_(0, which, unit(0.3 * before.index_select(0, which) + 0.7 * views.mean(0)));
  EXPECT_TRUE(at::allclose(node.state()[0].tensor, expected, 0, 1e-6));
  EXPECT_TRUE(at::equal(node.state()[0].tensor.index_select(0, at::arange(8, 31)), before.narrow(0, 8, 23))) << "who was not seen stays";
}

TEST(MemoryBank, OthersAreRowsOfTheWholeSetDrawnAnewAtEachStep) {
  NodeHarness node = bank(R"({"negatives": 400})");
  node.set_indices(at::tensor({1, 2}, at::kLong));
  node.input("embedding", numbers({1, 2, 5}));
  node.forward();
  const at::Tensor others = node.output("others");
  ASSERT_EQ(others.sizes(), (std::vector<std::int64_t>{1, 400, 5}));
  const auto [distance, which] = at::cdist(others[0], node.state()[0].tensor).min(1);
  EXPECT_LT(distance.max().item<double>(), 1e-3);
  std::set<std::int64_t> distinct(which.data_ptr<std::int64_t>(), which.data_ptr<std::int64_t>() + 400);
  EXPECT_EQ(distinct.size(), 40U);  // all but once in a thousand draws
  node.forward();
  EXPECT_TRUE(at::equal(others, node.output("others"))) << "a function of seed, node and step";
  node.after_step();
  node.forward();
  EXPECT_FALSE(at::equal(others, node.output("others")));
}

TEST(MemoryBank, EvaluationLeavesItAsItIs) {
  NodeHarness node = bank();
  const at::Tensor before = node.state()[0].tensor.clone();
  node.set_training(false);
  node.set_indices(at::tensor({4}, at::kLong));
  node.input("embedding", numbers({1, 1, 5}));
  node.forward();
  EXPECT_TRUE(at::equal(node.output("own")[0][0], before[4]));
  EXPECT_EQ(node.output("others").size(1), 4096);
  node.after_step();
  EXPECT_TRUE(at::equal(node.state()[0].tensor, before));
}

TEST(MemoryBank, AnEmbeddingThatCancelsItsRowIsFinite) {
  NodeHarness node = bank();
  node.set_indices(at::tensor({4}, at::kLong));
  node.input("embedding", -node.state()[0].tensor[4].clone().view({1, 1, 5}));
  node.forward();
  node.after_step();
  EXPECT_TRUE(node.state()[0].tensor.isfinite().all().item<bool>());
}

TEST(MemoryBank, ASampleThatItDoesNotKnowIsAnError) {
  NodeHarness node = bank();
  node.set_training(false);
  node.set_indices(at::tensor({3, 40}, at::kLong));
  node.input("embedding", numbers({1, 2, 5}));
  const std::string said = error_of([&] { node.forward(); });
  EXPECT_NE(said.find("it remembers 40 samples, those of the set that it was trained on, and has no row for sample 40: leave the nodes"),
            std::string::npos)
      << said;
}

}  // namespace
