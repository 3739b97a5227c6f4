#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

/// [views, batch, clusters] numbers that look random and are the same everywhere.
at::Tensor scores(std::int64_t views, std::int64_t batch, std::int64_t clusters, double shift = 0) {
  return (at::arange(views * batch * clusters, at::kDouble) * 12.9898 + shift).sin().view({views, batch, clusters}).to(at::kFloat);
}

/// The definition in float64.
at::Tensor plain(const at::Tensor& s, double epsilon = 0.05, int iterations = 3) {
  at::Tensor q = s.to(at::kDouble) / epsilon;
  for (int i = 0; i < iterations; ++i) {
    q = q - at::logsumexp(q, 0, true) - std::log(static_cast<double>(s.size(1)));
    q = q - at::logsumexp(q, 1, true) - std::log(static_cast<double>(s.size(0)));
  }
  return (q + std::log(static_cast<double>(s.size(0)))).exp().to(at::kFloat);
}

std::string message(NodeHarness& node) {
  try {
    node.forward();
  } catch (const cdc::Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(AssignSinkhorn, EachViewHasItsOwnCodesAndNormalisationComesFirst) {
  const at::Tensor x = scores(3, 64, 10) * 4;
  for (const std::string normalise : {"none", "softmax", "log_softmax", "l2"}) {
    NodeHarness node("assign.sinkhorn", R"({"normalise": ")" + normalise + "\"}", {{"V", 3}, {"K", 10}});
    node.input("logits", x);
    node.forward();
    const at::Tensor y = normalise == "softmax"       ? at::softmax(x, -1)
                         : normalise == "log_softmax" ? at::softmax(x, -1).log()
                         : normalise == "l2"          ? x / x.norm(2, {-1}, true)
                                                      : x;
    for (std::int64_t v = 0; v < 3; ++v) EXPECT_TRUE(at::allclose(node.output("codes")[v], plain(y[v]), 0, 1e-5)) << normalise << v;
    EXPECT_FALSE(node.output("codes").requires_grad());
  }
}

TEST(AssignSinkhorn, HardCodesAreOneHotOfTheSoftOnes) {
  NodeHarness node("assign.sinkhorn", R"({"hard": true})", {{"V", 2}, {"K", 5}});
  node.input("logits", scores(2, 30, 5));
  node.forward();
  const at::Tensor codes = node.output("codes");
  EXPECT_TRUE(at::equal(codes.sum(-1), at::ones({2, 30})));
  EXPECT_EQ((codes == 1).sum().item<std::int64_t>(), 60);
  EXPECT_TRUE(at::equal(codes[1].argmax(1), plain(scores(2, 30, 5)[1]).argmax(1)));
}

TEST(AssignSinkhorn, PriorGivesClustersTheirShares) {
  NodeHarness node("assign.sinkhorn", R"({"prior": [2.0, 1.0, 1.0], "iterations": 100, "epsilon": 0.5})", {{"V", 1}, {"K", 3}});
  node.input("logits", scores(1, 80, 3));
  node.forward();
  const at::Tensor share = node.output("codes")[0].mean(0);
  EXPECT_NEAR(share[0].item<double>(), 0.5, 1e-4);
  EXPECT_NEAR(share[1].item<double>(), 0.25, 1e-4);
}

TEST(AssignSinkhorn, PriorThatDoesNotFitIsRefused) {
  EXPECT_THROW(NodeHarness("assign.sinkhorn", R"({"prior": [0.5, 0.0, 0.5]})", {{"V", 1}, {"K", 3}}), cdc::Error);
  try {
    NodeHarness("assign.sinkhorn", R"({"prior": [0.5, 0.5]})", {{"V", 1}, {"K", 3}});
    FAIL();
  } catch (const cdc::Error& e) {
    EXPECT_NE(std::string(e.what()).find("'prior' has 2 shares, but there are 3 clusters"), std::string::npos) << e.what();
  }
}

TEST(AssignSinkhorn, MoreClustersThanSamplesIsAnErrorInTraining) {
  NodeHarness node("assign.sinkhorn", "{}", {{"V", 1}, {"K", 12}});
  node.input("logits", scores(1, 8, 12));
  EXPECT_NE(message(node).find("a batch of 8 samples cannot fill 12 clusters evenly: raise batch_size to 12 or more, or set queue_size"),
            std::string::npos)
      << message(node);
  node.set_training(false);
  EXPECT_EQ(message(node), "no error");
  NodeHarness small("assign.sinkhorn", R"({"queue_size": 3})", {{"V", 1}, {"K", 12}});
  small.input("logits", scores(1, 8, 12));
  EXPECT_NE(message(small).find("even with a queue of 3"), std::string::npos) << message(small);
}

TEST(AssignSinkhorn, ScoresThatAreNotFiniteAreNamed) {
  NodeHarness node("assign.sinkhorn", "{}", {{"V", 1}, {"K", 4}});
  at::Tensor x = scores(1, 8, 4);
  x[0][5][2] = NAN;
  node.input("logits", x);
  EXPECT_NE(message(node).find("row 5 (sample) of 8 has nan in column 2 (cluster)"), std::string::npos) << message(node);
}

TEST(AssignSinkhorn, AConstantColumnGivesFiniteCodes) {
  NodeHarness node("assign.sinkhorn", "{}", {{"V", 1}, {"K", 4}});
  at::Tensor x = scores(1, 40, 4);
  x.select(2, 1).fill_(0.5);
  node.input("logits", x);
  node.forward();
  EXPECT_TRUE(at::allclose(node.output("codes")[0], plain(x[0]), 0, 1e-5));
}

TEST(AssignSinkhorn, QueueIsBalancedWithTheBatchOnceFull) {
  // Batches of 8 into a queue of 20, from epoch 1 on: full after the third batch, whose first 4 rows then are overwritten first.
  NodeHarness node("assign.sinkhorn", R"({"queue_size": 20, "start_epoch": 1})", {{"V", 2}, {"K", 6}});
  std::vector<at::Tensor> batches;
  const auto step = [&](std::int64_t epoch) {
    batches.push_back(scores(2, 8, 6, static_cast<double>(batches.size())));
    node.set_epoch(epoch);
    node.input("logits", batches.back());
    node.forward();
    node.after_step();
    return node.output("codes");
  };
  step(0);
  for (int i = 0; i < 3; ++i) {
    const at::Tensor codes = step(1);
    EXPECT_TRUE(at::allclose(codes[1], plain(batches.back()[1]), 0, 1e-5)) << "not yet full";
  }
  for (int i = 0; i < 3; ++i) {
    const at::Tensor codes = step(1);
    const std::size_t now = batches.size() - 1;
    for (std::int64_t v = 0; v < 2; ++v) {
      const at::Tensor all = at::cat({batches[now - 3][v].narrow(0, 4, 4), batches[now - 2][v], batches[now - 1][v], batches[now][v]});
      EXPECT_TRUE(at::allclose(codes[v], plain(all).narrow(0, 20, 8), 0, 1e-5)) << i << v;
    }
  }
}

TEST(AssignSinkhorn, QueueGoesOnFromItsState) {
  const std::string parameters = R"({"queue_size": 13})";
  NodeHarness straight("assign.sinkhorn", parameters, {{"V", 1}, {"K", 5}}), resumed("assign.sinkhorn", parameters, {{"V", 1}, {"K", 5}});
  for (int i = 0; i < 6; ++i) {
    straight.input("logits", scores(1, 6, 5, i));
    straight.forward();
    straight.after_step();
    if (i == 3) {
      const auto from = straight.state(), to = resumed.state();
      ASSERT_EQ(from.size(), 3u);
      for (std::size_t t = 0; t < from.size(); ++t) to[t].tensor.copy_(from[t].tensor);
    }
    if (i > 3) {
      resumed.input("logits", scores(1, 6, 5, i));
      resumed.forward();
      resumed.after_step();
      EXPECT_TRUE(at::equal(straight.output("codes"), resumed.output("codes")));
    }
  }
}

TEST(AssignSinkhorn, ABatchLargerThanTheQueueLeavesItsLastSamples) {
  NodeHarness node("assign.sinkhorn", R"({"queue_size": 4})", {{"V", 1}, {"K", 3}});
  const at::Tensor x = scores(1, 9, 3);
  node.input("logits", x);
  node.forward();
  node.after_step();
  EXPECT_TRUE(at::equal(node.state()[0].tensor, x.narrow(1, 5, 4)));
}

TEST(AssignSinkhorn, JointlyTheViewsAreOneSet) {
  NodeHarness node("assign.sinkhorn", R"({"jointly": true, "queue_size": 10})", {{"V", 2}, {"K", 6}});
  const at::Tensor first = scores(2, 8, 6), second = scores(2, 8, 6, 3);
  const auto step = [&](const at::Tensor& x) {
    node.input("logits", x);
    node.forward();
    node.after_step();
    return node.output("codes").flatten(0, 1);
  };
  EXPECT_TRUE(at::allclose(step(first), plain(first.flatten(0, 1)), 0, 1e-5));
  // The queue has the last 10 of both views' 16 rows.
  const at::Tensor all = at::cat({first.flatten(0, 1).narrow(0, 6, 10), second.flatten(0, 1)});
  EXPECT_TRUE(at::allclose(step(second), plain(all).narrow(0, 10, 16), 0, 1e-5));
}

TEST(AssignSinkhorn, JointlyTwoViewsFillTwiceAsManyClusters) {
  NodeHarness node("assign.sinkhorn", R"({"jointly": true})", {{"V", 2}, {"K", 16}});
  node.input("logits", scores(2, 8, 16));
  EXPECT_EQ(message(node), "no error");
  NodeHarness small("assign.sinkhorn", R"({"jointly": true})", {{"V", 2}, {"K", 17}});
  small.input("logits", scores(2, 8, 17));
  EXPECT_NE(message(small).find("a batch of 8 samples cannot fill 17 clusters evenly: raise batch_size to 9 or more"), std::string::npos)
      << message(small);
}

TEST(AssignSinkhorn, JointlyAndOverTheSetExcludeEachOther) {
  try {
    NodeHarness("assign.sinkhorn", R"({"jointly": true, "over": "set"})", {{"V", 2}, {"K", 3}});
    FAIL();
  } catch (const cdc::Error& e) {
    EXPECT_NE(std::string(e.what()).find("'jointly' joins the views of a batch, but with over = \"set\" a sample has one code for all views"),
              std::string::npos)
        << e.what();
  }
}

TEST(AssignSinkhorn, OverTheSetCodesAreThoseOfAllSamplesAndStayForEpochs) {
  NodeHarness node("assign.sinkhorn", R"({"over": "set", "every": 2, "normalise": "log_softmax", "epsilon": 0.04})", {{"V", 2}, {"K", 6}});
  const at::Tensor all = scores(1, 50, 6)[0], later = scores(1, 50, 6, 5)[0], which = at::tensor({49, 3, 8}, at::kLong);
  node.set_indices(which);
  const auto look = [&](std::int64_t epoch, const at::Tensor& x) {
    node.whole_set("logits", x);
    node.set_epoch(epoch);
    node.begin_epoch();
    node.input("logits", scores(2, 3, 6, 9));  // what the batch says now has no part in it
    node.forward();
    return node.output("codes");
  };
  const auto expected = [&](const at::Tensor& x) { return plain(at::log_softmax(x, 1), 0.04).index_select(0, which); };
  const at::Tensor codes = look(0, all);
  ASSERT_EQ(codes.sizes(), (std::vector<std::int64_t>{2, 3, 6}));
  for (std::int64_t v = 0; v < 2; ++v) EXPECT_TRUE(at::allclose(codes[v], expected(all), 0, 1e-5)) << v;
  EXPECT_TRUE(at::allclose(look(1, later)[0], expected(all), 0, 1e-5)) << "every = 2";
  EXPECT_TRUE(at::allclose(look(2, later)[0], expected(later), 0, 1e-5));
}

TEST(AssignSinkhorn, OverTheSetHardCodesAreBalancedLabels) {
  NodeHarness node("assign.sinkhorn", R"({"over": "set", "hard": true, "iterations": 500, "epsilon": 0.01})", {{"V", 1}, {"K", 4}});
  at::Tensor x = scores(1, 400, 4)[0];
  x.select(1, 2).add_(3);  // all would go to the third
  node.whole_set("logits", x);
  node.begin_epoch();
  const at::Tensor kept = node.state()[2].tensor;
  EXPECT_TRUE(at::equal(kept.sum(1), at::ones({400})));
  EXPECT_EQ((kept == 1).sum().item<std::int64_t>(), 400);
  for (std::int64_t k = 0; k < 4; ++k) EXPECT_NEAR(kept.select(1, k).sum().item<double>(), 100, 8) << k;
}

TEST(AssignSinkhorn, OverTheSetEvaluationBalancesTheBatch) {
  NodeHarness node("assign.sinkhorn", R"({"over": "set"})", {{"V", 1}, {"K", 4}});
  node.set_training(false);
  node.input("logits", scores(1, 40, 4));
  node.forward();
  EXPECT_TRUE(at::allclose(node.output("codes")[0], plain(scores(1, 40, 4)[0]), 0, 1e-5));
}

TEST(AssignSinkhorn, OverTheSetWhatCannotBeBalancedIsRefused) {
  try {
    NodeHarness("assign.sinkhorn", R"({"over": "set", "queue_size": 100})", {{"V", 1}, {"K", 4}});
    FAIL();
  } catch (const cdc::Error& e) {
    EXPECT_NE(std::string(e.what()).find("with over = \"set\" no batch is balanced by itself: set queue_size = 0"), std::string::npos) << e.what();
  }
  NodeHarness node("assign.sinkhorn", R"({"over": "set"})", {{"V", 1}, {"K", 12}});
  node.whole_set("logits", scores(1, 8, 12)[0]);
  try {
    node.begin_epoch();
    FAIL();
  } catch (const cdc::Error& e) {
    EXPECT_EQ(std::string(e.what()), "a set of 8 samples cannot fill 12 clusters evenly: lower the number of clusters");
  }
}

TEST(AssignSinkhorn, EvaluationNeitherReadsNorFillsTheQueue) {
  NodeHarness node("assign.sinkhorn", R"({"queue_size": 4})", {{"V", 1}, {"K", 3}});
  node.set_training(false);
  node.input("logits", scores(1, 9, 3));
  node.forward();
  node.after_step();
  EXPECT_EQ(node.state()[1].tensor[1].item<std::int64_t>(), 0);
}

}  // namespace
