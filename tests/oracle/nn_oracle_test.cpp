// Backbones, losses, Sinkhorn and optimisers beside PyTorch (tests/oracle/nn.py).
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cdc/optimizer.hpp"
#include "support/node_harness.hpp"
#include "support/oracle.hpp"

namespace {

using cdc::Value;
using cdc::test::NodeHarness;

const Value& oracle() {
  static const Value result = cdc::test::run_oracle("nn");
  return result;
}

at::Tensor numbers(at::IntArrayRef shape, double phase) {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  return (at::arange(n, at::kDouble) * 12.9898 + phase).sin().view(shape);
}
at::Tensor doubles(const Value& list, at::IntArrayRef shape) {
  std::vector<double> all;
  for (const Value& v : list.as_array()) all.push_back(v.as_real());
  return at::tensor(all, at::kDouble).view(shape);
}
at::Tensor floats(const Value& list, at::IntArrayRef shape) { return doubles(list, shape).to(at::kFloat); }
double worst(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(NnOracle, CdcLossAndItsGradientsAndCodes) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("cdc").as_array()) {
    const Value& parameters = c.at("case");
    const std::string text = parameters.to_json(), normalise = parameters.at("normalise").as_string();
    const at::Tensor cluster = (2 * numbers({2, 64, 10}, 0)).to(at::kFloat).requires_grad_();
    const at::Tensor raw = numbers({2, 64, 16}, 1), instance = (raw / raw.norm(2, {-1}, true)).to(at::kFloat).requires_grad_();
    NodeHarness sinkhorn("assign.sinkhorn", R"({"normalise": ")" + normalise + "\"}", {{"V", 2}, {"K", 10}});
    sinkhorn.input("logits", cluster);
    sinkhorn.forward();
    EXPECT_LT(worst(sinkhorn.output("codes"), floats(c.at("codes"), {2, 64, 10})), 1e-5) << text;
    NodeHarness loss("loss.cdc", text);
    loss.input("cluster", cluster);
    loss.input("instance", instance);
    loss.input("codes", sinkhorn.output("codes"));
    loss.forward();
    EXPECT_NEAR(loss.output("loss").item<double>(), c.at("loss").as_real(), 1e-5) << text;
    loss.output("loss").backward();
    EXPECT_LT(worst(cluster.grad(), floats(c.at("cluster_grad"), {2, 64, 10})), 1e-5) << text;
    if (parameters.at("use_instance").as_boolean()) {
      EXPECT_LT(worst(instance.grad(), floats(c.at("instance_grad"), {2, 64, 16})), 1e-5) << text;
    }
  }
}

TEST(NnOracle, NtXentAndItsGradient) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("ntxent").as_array()) {
    NodeHarness loss("loss.ntxent", R"({"tau": )" + c.at("tau").to_json() + "}");
    const at::Tensor z = numbers({2, 48, 12}, 3).to(at::kFloat).requires_grad_();
    loss.input("embedding", z);
    loss.forward();
    loss.output("loss").backward();
    EXPECT_NEAR(loss.output("loss").item<double>(), c.at("loss").as_real(), 1e-5);
    EXPECT_LT(worst(z.grad(), floats(c.at("grad"), {2, 48, 12})), 1e-5);
  }
}

TEST(NnOracle, ResNetsWithTheSameWeightsGiveTheSameFeatures) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("resnet").as_array()) {
    const std::int64_t channels = c.at("channels").as_integer(), side = c.at("side").as_integer();
    const std::string id = c.at("plugin").as_string();
    NodeHarness node(id, c.at("cifar").as_boolean() ? R"({"stem": "cifar"})" : "{}", {{"C", channels}});
    std::size_t matched = 0;
    for (const cdc::NamedTensor& t : node.state()) {
      if (t.name.find("num_batches_tracked") != std::string::npos) continue;
      const Value* shape = c.at("tensors").find(t.name);
      ASSERT_NE(shape, nullptr) << id << ": PyTorch's network has no " << t.name;
      std::vector<std::int64_t> sizes;
      for (const Value& s : shape->as_array()) sizes.push_back(s.as_integer());
      ASSERT_EQ(t.tensor.sizes(), sizes) << t.name;
      int sum = 0;
      std::int64_t fan_in = 1;
      for (const char letter : t.name) sum += letter;
      for (std::size_t i = 1; i < sizes.size(); ++i) fan_in *= sizes[i];
      const at::Tensor x = numbers(sizes, sum % 97);
      const auto ends = [&](const std::string& end) {
        return t.name.size() > end.size() && t.name.compare(t.name.size() - end.size(), end.size(), end) == 0;
      };
      t.tensor.set_data(t.tensor.to(at::kDouble));
      t.tensor.detach().copy_(sizes.size() == 4     ? x * std::sqrt(4.0 / static_cast<double>(fan_in))
                              : ends("running_var") ? 1 + 0.5 * x
                              : ends("weight")      ? 1 + 0.2 * x
                                                    : 0.1 * x);
      ++matched;
    }
    EXPECT_EQ(matched, c.at("tensors").as_table().size()) << id;
    node.set_training(c.at("training").as_boolean());
    node.input("images", numbers({4, channels, side, side}, 5).unsqueeze(0));
    node.forward();
    const at::Tensor ours = node.output("features")[0].detach(), theirs = doubles(c.at("features"), ours.sizes());
    EXPECT_LT(worst(ours, theirs), 1e-4 * theirs.abs().max().item<double>()) << id << " " << side << " training " << c.at("training").to_json();
  }
}

TEST(NnOracle, OptimizersAfterTwentySteps) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("optimizer").as_array()) {
    const cdc::ComponentInfo* info = NodeHarness::plugins().find(c.at("plugin").as_string());
    ASSERT_NE(info, nullptr);
    const auto optimizer = std::dynamic_pointer_cast<cdc::Optimizer>(NodeHarness::plugins().create(*info, c.at("parameters")));
    const at::Tensor p = numbers({10, 20}, 7).to(at::kFloat).requires_grad_();
    optimizer->setup({{"p", p, true, true}});
    for (int step = 0; step < 20; ++step) {
      p.mutable_grad() = (0.3 * numbers({10, 20}, 100 + step)).to(at::kFloat);
      optimizer->step(1.0);
    }
    EXPECT_LT(worst(p.detach(), floats(c.at("result"), {10, 20})), 1e-6) << c.at("plugin").as_string();
  }
}

}  // namespace
