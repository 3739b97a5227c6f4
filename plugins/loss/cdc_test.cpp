#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "support/loss_harness.hpp"

namespace {

using cdc::test::loss_of;
using cdc::test::NodeHarness;
using cdc::test::numbers;
using cdc::test::run_loss;

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

TEST(LossCdc, KeysOfAMomentumEncoderAreConstants) {
  const Batch b(2, 8, 4, 6);
  const at::Tensor keys = unit(numbers({2, 8, 6}, 7)).requires_grad_();
  const at::Tensor loss = run_loss("loss.cdc", R"({"normalise": "none", "tau_c": 0.3, "tau_n": 0.7})",
                                   {{"cluster", b.cluster}, {"instance", b.instance}, {"codes", b.codes}, {"key_instance", keys}})
                              .output("loss");
  double expected = 0;
  for (std::int64_t v = 0; v < 2; ++v) {
    const at::Tensor s = at::mm(b.cluster.detach()[v], b.codes[1 - v].t()) / 0.3 + at::mm(b.instance.detach()[v], keys.detach()[1 - v].t()) / 0.7;
    expected -= at::log_softmax(s, 1).diagonal().mean().item<double>() / 2;
  }
  EXPECT_NEAR(loss.item<double>(), expected, 1e-5);
  loss.backward();
  EXPECT_TRUE(b.instance.grad().defined());
  EXPECT_FALSE(keys.grad().defined());
}

TEST(LossCdc, SmallCropsThatAreTheViewsAgainAddPairsWithTheOwnViewAlone) {
  // Crops equal to the views meet each view: the pairs of different views a second time, and each view with itself.
  const Batch b(2, 8, 4, 6);
  const std::string parameters = R"({"normalise": "softmax", "swap_weight": 0.5})";
  const double pairs = b.loss(parameters).item<double>();
  const auto crops_of = [&](const at::Tensor& crop_cluster, const at::Tensor& crop_instance) {
    return loss_of(
        "loss.cdc", parameters,
        {{"cluster", b.cluster}, {"instance", b.instance}, {"codes", b.codes}, {"crop_cluster", crop_cluster}, {"crop_instance", crop_instance}});
  };
  double own = 0;
  for (std::int64_t v = 0; v < 2; ++v) {
    const at::Tensor q = at::softmax(b.cluster.detach()[v], -1), n = b.instance.detach()[v];
    const at::Tensor s = at::mm(q, b.codes[v].t()) / 0.2 + at::mm(n, n.t()) / 0.2;
    own -= at::log_softmax(s, 1).diagonal().mean().item<double>() / 2 + 0.5 * (b.codes[v] * q.log()).sum(-1).mean().item<double>() / 2;
  }
  // Two ordered pairs of views, then two crops with two views each: six pairs, of which two are a view with itself.
  EXPECT_NEAR(crops_of(b.cluster, b.instance), (4 * pairs + 2 * own) / 6, 1e-5);
  const double first = crops_of(b.cluster.narrow(0, 0, 1), b.instance.narrow(0, 0, 1)),
               second = crops_of(b.cluster.narrow(0, 1, 1), b.instance.narrow(0, 1, 1));
  EXPECT_NEAR((first + second) / 2, (3 * pairs + own) / 4, 1e-5);
}

TEST(LossCdc, HalfOfAPairOfInputsIsAnError) {
  const Batch b(2, 8, 4, 6);
  const cdc::test::LossInputList views = {{"cluster", b.cluster}, {"instance", b.instance}, {"codes", b.codes}};
  const auto with = [&](const char* port, const at::Tensor& x) {
    cdc::test::LossInputList inputs = views;
    inputs.emplace_back(port, x);
    return cdc::test::error_of([&] { run_loss("loss.cdc", "{}", inputs); });
  };
  EXPECT_EQ(with("queue_codes", b.codes.narrow(0, 0, 1)),
            "loss.cdc has queue_codes but no queue_instance: connect both, or set use_instance = false");
  EXPECT_EQ(with("crop_cluster", b.cluster), "loss.cdc has crop_cluster but no crop_instance: connect both, or set use_instance = false");
  EXPECT_EQ(with("crop_instance", b.instance), "loss.cdc has crop_instance but no crop_cluster: connect both or neither");
  cdc::test::LossInputList inputs = views;
  inputs.emplace_back("crop_cluster", b.cluster);
  EXPECT_NO_THROW(run_loss("loss.cdc", R"({"use_instance": false})", inputs));
}

TEST(LossCdc, FiniteForDegenerateInputsOfAllPorts) {
  const at::Tensor codes = at::softmax(numbers({2, 1, 4}, 2), -1);
  for (const at::Tensor& z : {at::zeros({2, 1, 4}), numbers({2, 1, 4}), 1e4 * numbers({2, 1, 4})})
    cdc::test::expect_finite("loss.cdc", R"({"swap_weight": 1.0, "normalise": "softmax"})",
                             {{"cluster", z},
                              {"instance", z},
                              {"codes", codes},
                              {"key_instance", z},
                              {"queue_codes", at::zeros({1, 0, 4})},
                              {"queue_instance", at::zeros({1, 0, 4})},
                              {"crop_cluster", z},
                              {"crop_instance", z}});
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
