#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/one_hot.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

TEST(MemoryCodeQueue, HoldsTheSamplesOfAQueueOfTheSameSizeInTheSameOrder) {
  // Sample n has the embedding (n) and the code n mod 5.
  NodeHarness codes("memory.code_queue", R"({"size": 8, "start_epoch": 1})", {{"K", 5}});
  NodeHarness embeddings("memory.queue", R"({"size": 8, "start_epoch": 1})", {{"D", 1}});
  std::int64_t seen = 0;
  for (std::int64_t n = 0; n < 6; ++n) {
    const at::Tensor sample = at::arange(6 * n, 6 * n + 6, at::kLong).view({2, 3});
    codes.input("rows", at::one_hot(sample.remainder(5), 5).to(at::kFloat));
    embeddings.input("rows", sample.to(at::kFloat).unsqueeze(-1));
    for (NodeHarness* node : {&codes, &embeddings}) {
      node->set_epoch(n == 0 ? 0 : 1);
      node->forward();
    }
    const at::Tensor queued = codes.output("queue"), of = embeddings.output("queue");
    ASSERT_EQ(queued.size(1), std::min<std::int64_t>(8, seen)) << n;
    EXPECT_FALSE(queued.requires_grad());
    if (seen > 0) {
      EXPECT_TRUE(at::equal(queued.argmax(-1), of.squeeze(-1).to(at::kLong).remainder(5))) << n;
    }
    codes.after_step();
    embeddings.after_step();
    if (n > 0) seen += 6;
  }
}

TEST(MemoryCodeQueue, GoesOnFromItsState) {
  NodeHarness node("memory.code_queue", R"({"size": 8})", {{"K", 5}});
  std::vector<std::string> names;
  for (const auto& t : node.state()) names.push_back(t.name);
  EXPECT_EQ(names, (std::vector<std::string>{"rows", "place"}));
}

}  // namespace
