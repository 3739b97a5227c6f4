#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>

#include "support/loss_harness.hpp"

namespace {

using cdc::test::NodeHarness;
using cdc::test::numbers;

at::Tensor unit(const at::Tensor& x) { return x / x.norm(2, {-1}, true); }

struct Batch {
  at::Tensor cluster, instance, codes;
  Batch(std::int64_t views, std::int64_t batch, std::int64_t clusters, std::int64_t dim)
      : cluster((2 * numbers({views, batch, clusters}, 0)).requires_grad_()),
        instance(unit(numbers({views, batch, dim}, 1)).requires_grad_()),
        codes(at::softmax(3 * numbers({views, batch, clusters}, 2), -1)) {}
  at::Tensor loss(const std::string& parameters) const {
    NodeHarness node("loss.cdc", parameters);
    node.input("cluster", cluster);
    node.input("instance", instance);
    node.input("codes", codes);
    node.forward();
    return node.output("loss");
  }
};

TEST(LossCdc, IsTheCategoricalContrastWithNegativesWeightedByTheInstancePart) {
  // exp(s_ij) = w_ij exp(q_c,i . k_c,j / tau_c) with w_ij = exp(q_n,i . q_n,j / tau_n), in float64 from the definition.
  const double tau_c = 0.3, tau_n = 0.7;
  const Batch b(2, 24, 5, 8);
  double expected = 0;
  for (std::int64_t v = 0; v < 2; ++v) {
    const at::Tensor q = b.cluster.detach()[v].to(at::kDouble), k = b.codes[1 - v].to(at::kDouble);
    const at::Tensor n = b.instance.detach()[v].to(at::kDouble), m = b.instance.detach()[1 - v].to(at::kDouble);
    const at::Tensor w = (at::mm(n, m.t()) / tau_n).exp(), categorical = (at::mm(q, k.t()) / tau_c).exp();
    expected += -((w * categorical).diagonal() / (w * categorical).sum(1)).log().mean().item<double>() / 2;
  }
  // The symmetrised loss is the sum of both directions' means over 2, as is a mean over all samples of both views.
  EXPECT_NEAR(b.loss(R"({"normalise": "none", "tau_c": 0.3, "tau_n": 0.7})").item<double>(), expected, 1e-5);
}

TEST(LossCdc, GradientIsTheExpectedCodeMinusTheOwn) {
  // dL_i/dq_c,i = (sum_j p_ij k_c,j - k_c,i) / tau_c with p_ij = softmax_j(s_ij); for q_n the same, and its part as a key.
  const double tau_c = 0.3, tau_n = 0.7;
  const std::int64_t batch = 24;
  const Batch b(2, batch, 5, 8);
  b.loss(R"({"normalise": "none", "tau_c": 0.3, "tau_n": 0.7})").backward();
  at::Tensor p[2], n[2], k[2];
  for (std::int64_t v = 0; v < 2; ++v) {
    n[v] = b.instance.detach()[v];
    k[v] = b.codes[v];
  }
  for (std::int64_t v = 0; v < 2; ++v)
    p[v] = at::softmax(at::mm(b.cluster.detach()[v], k[1 - v].t()) / tau_c + at::mm(n[v], n[1 - v].t()) / tau_n, 1);
  for (std::int64_t v = 0; v < 2; ++v) {
    const std::int64_t o = 1 - v;
    const at::Tensor by_cluster = (at::mm(p[v], k[o]) - k[o]) / (tau_c * 2 * batch);
    EXPECT_TRUE(at::allclose(b.cluster.grad()[v], by_cluster, 1e-4, 1e-7));
    const at::Tensor as_query = at::mm(p[v], n[o]) - n[o], as_key = at::mm(p[o].t(), n[o]) - n[o];
    EXPECT_TRUE(at::allclose(b.instance.grad()[v], (as_query + as_key) / (tau_n * 2 * batch), 1e-4, 1e-7));
  }
}

TEST(LossCdc, ThreeViewsAreTheMeanOverAllPairs) {
  const Batch b(3, 16, 4, 6);
  const std::string parameters = R"({"normalise": "softmax", "swap_weight": 0.5})";
  double expected = 0;
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t j = i + 1; j < 3; ++j) {
      NodeHarness node("loss.cdc", parameters);
      for (const auto& [port, x] : {std::pair<std::string, at::Tensor>{"cluster", b.cluster}, {"instance", b.instance}, {"codes", b.codes}})
        node.input(port, at::cat({x.narrow(0, i, 1), x.narrow(0, j, 1)}));
      node.forward();
      expected += node.output("loss").item<double>() / 3;
    }
  EXPECT_NEAR(b.loss(parameters).item<double>(), expected, 1e-5);
}

TEST(LossCdc, SwapTermIsTheCrossEntropyWithTheOtherViewsCodes) {
  const Batch b(2, 16, 4, 6);
  for (const std::string normalise : {"softmax", "l2"}) {
    const double without = b.loss(R"({"normalise": ")" + normalise + R"("})").item<double>();
    const double with = b.loss(R"({"swap_weight": 2.0, "swap_temperature": 0.2, "normalise": ")" + normalise + R"("})").item<double>();
    const at::Tensor log_q = normalise == "softmax" ? at::log_softmax(b.cluster.detach(), -1) : at::log_softmax(unit(b.cluster.detach()) / 0.2, -1);
    EXPECT_NEAR(with - without, -2.0 * (b.codes.flip(0) * log_q).sum(-1).mean().item<double>(), 1e-4) << normalise;
  }
}

TEST(LossCdc, WithoutTheInstancePartItHasNoGradient) {
  const Batch b(2, 16, 4, 6);
  b.loss(R"({"use_instance": false})").backward();
  EXPECT_TRUE(b.cluster.grad().defined());
  EXPECT_FALSE(b.instance.grad().defined());
}

TEST(LossCdc, QueueAddsNegatives) {
  const Batch b(2, 8, 4, 6);
  NodeHarness node("loss.cdc", R"({"normalise": "none"})");
  node.input("cluster", b.cluster);
  node.input("instance", b.instance);
  node.input("codes", b.codes);
  node.input("queue_codes", at::softmax(numbers({1, 20, 4}, 5), -1));
  EXPECT_THROW(node.forward(), cdc::Error);  // queue_instance is missing
  const at::Tensor further = unit(numbers({1, 20, 6}, 6));
  node.input("queue_instance", further);
  node.forward();
  const at::Tensor queue_codes = at::softmax(numbers({1, 20, 4}, 5), -1)[0];
  double expected = 0;
  for (std::int64_t v = 0; v < 2; ++v) {
    const at::Tensor k = at::cat({b.codes[1 - v], queue_codes}), m = at::cat({b.instance.detach()[1 - v], further[0]});
    const at::Tensor s = at::mm(b.cluster.detach()[v], k.t()) / 0.2 + at::mm(b.instance.detach()[v], m.t()) / 0.2;
    expected -= at::log_softmax(s, 1).diagonal().mean().item<double>() / 2;
  }
  EXPECT_NEAR(node.output("loss").item<double>(), expected, 1e-5);
}

TEST(LossCdc, OneViewIsAnErrorThatSaysWhatToSet) {
  const Batch b(1, 8, 4, 6);
  try {
    b.loss("{}");
    FAIL();
  } catch (const cdc::Error& e) {
    EXPECT_NE(std::string(e.what()).find("set views = 2"), std::string::npos) << e.what();
  }
}

TEST(LossCdc, FiniteForExtremeLogits) {
  for (const std::string normalise : {"softmax", "l2"}) {
    Batch b(2, 8, 4, 6);
    b.cluster = (b.cluster.detach() * 1e4).requires_grad_();
    const at::Tensor loss = b.loss(R"({"swap_weight": 1.0, "normalise": ")" + normalise + R"("})");
    loss.backward();
    EXPECT_TRUE(std::isfinite(loss.item<double>())) << normalise;
    EXPECT_TRUE(std::isfinite(b.cluster.grad().abs().sum().item<double>())) << normalise;
  }
}

}  // namespace
