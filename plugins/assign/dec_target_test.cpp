#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor logits(std::int64_t views, std::int64_t rows, std::int64_t clusters, double phase = 0) {
  return 3 * (at::arange(views * rows * clusters, at::kDouble) * 12.9898 + phase).sin().view({views, rows, clusters}).to(at::kFloat);
}

/// The definition, by loops, of [N, K] assignments.
at::Tensor plain(const at::Tensor& c) {
  at::Tensor t = at::full(c.sizes(), 0.0, at::kDouble);
  for (std::int64_t i = 0; i < c.size(0); ++i) {
    double sum = 0;
    for (std::int64_t k = 0; k < c.size(1); ++k) {
      double f = 0;
      for (std::int64_t j = 0; j < c.size(0); ++j) f += c[j][k].item<double>();
      const double w = std::pow(c[i][k].item<double>(), 2) / f;
      t[i][k] = w;
      sum += w;
    }
    t[i] /= sum;
  }
  return t.to(at::kFloat);
}

TEST(AssignDecTarget, SquaresAssignmentsAndDividesByClusterSizes) {
  NodeHarness node("assign.dec_target", "{}", {{"K", 4}});
  const at::Tensor x = logits(2, 12, 4);
  node.input("logits", x);
  node.forward();
  for (std::int64_t v = 0; v < 2; ++v) EXPECT_TRUE(at::allclose(node.output("codes")[v], plain(at::softmax(x[v], 1)), 0, 1e-6)) << v;
}

TEST(AssignDecTarget, OverTheSetTargetsStayForEpochs) {
  NodeHarness node("assign.dec_target", R"({"over": "set", "every": 2})", {{"K", 4}});
  const at::Tensor all = logits(1, 30, 4)[0], later = logits(1, 30, 4, 5)[0];
  node.whole_set("logits", all);
  node.begin_epoch();
  const at::Tensor which = at::tensor({7, 0, 29}, at::kLong);
  node.set_indices(which);
  const auto codes = [&] {
    node.input("logits", logits(2, 3, 4, 9));  // what the batch says now has no part in it
    node.forward();
    return node.output("codes");
  };
  const at::Tensor expected = plain(at::softmax(all, 1)).index_select(0, which);
  for (std::int64_t v = 0; v < 2; ++v) EXPECT_TRUE(at::allclose(codes()[v], expected, 0, 1e-6));
  node.whole_set("logits", later);
  node.set_epoch(1);
  node.begin_epoch();
  EXPECT_TRUE(at::allclose(codes()[0], expected, 0, 1e-6)) << "every = 2";
  node.set_epoch(2);
  node.begin_epoch();
  EXPECT_TRUE(at::allclose(codes()[0], plain(at::softmax(later, 1)).index_select(0, which), 0, 1e-6));
}

TEST(AssignDecTarget, AClusterWithoutWeightIsFinite) {
  NodeHarness node("assign.dec_target", "{}", {{"K", 3}});
  at::Tensor x = at::full({1, 5, 3}, 0.0);
  x.select(2, 1).fill_(-200);
  node.input("logits", x);
  node.forward();
  EXPECT_TRUE(at::allclose(node.output("codes")[0][0], at::tensor({0.5, 0.0, 0.5}, at::kFloat)));
}

}  // namespace
