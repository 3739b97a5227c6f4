// Whitening, neighbours, the decoder and the adversary beside scikit-learn and PyTorch (tests/oracle/nodes.py).
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../../plugins/assign/pca.hpp"
#include "support/node_harness.hpp"
#include "support/oracle.hpp"

namespace {

using cdc::Value;
using cdc::test::NodeHarness;

const Value& oracle() {
  static const Value result = cdc::test::run_oracle("nodes");
  return result;
}

at::Tensor numbers(at::IntArrayRef shape, double phase) {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  const at::Tensor i = at::arange(n, at::kDouble);
  return (i * i * 0.61803 + i * 12.9898 + phase).sin().view(shape);
}
at::Tensor doubles(const Value& list, at::IntArrayRef shape) {
  std::vector<double> all;
  for (const Value& v : list.as_array()) all.push_back(v.as_real());
  return at::tensor(all, at::kDouble).view(shape);
}
double worst(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(NodesOracle, WhitenedComponentsAreScikitLearns) {
  CDC_NEEDS_ORACLE(oracle());
  const at::Tensor scale = at::tensor({9.0, 3.0, 3.0, 1.0, 1.0, 0.5, 0.2, 0.1}, at::kDouble);
  const at::Tensor y = cdc_assign::whitened((numbers({300, 8}, 0) * scale + 2).to(at::kFloat), 5);
  EXPECT_LT(worst(y.abs().to(at::kDouble), doubles(oracle().at("whitening"), {300, 5})), 1e-4);
}

TEST(NodesOracle, NeighboursAreScikitLearns) {
  CDC_NEEDS_ORACLE(oracle());
  NodeHarness node("sampler.neighbors", R"({"neighbors": 8})", {{"D", 16}});
  node.whole_set("features", numbers({400, 16}, 1).to(at::kFloat));
  node.begin_training();
  std::vector<std::int64_t> theirs;
  for (const Value& v : oracle().at("neighbours").as_array()) theirs.push_back(v.as_integer());
  const at::Tensor ours = std::get<0>(node.state()[0].tensor.sort()).to(at::kLong);
  EXPECT_TRUE(ours.equal(at::tensor(theirs, at::kLong).view({400, 8})));
}

TEST(NodesOracle, TheDecoderWithTheSameWeightsGivesTheSameImages) {
  CDC_NEEDS_ORACLE(oracle());
  NodeHarness node("head.decoder", R"({"channels": [8, 6], "kernels": [5, 3], "strides": [2, 3]})", {{"F", 10}, {"C", 3}, {"H", 13}, {"W", 10}});
  const auto set = [&](const std::string& name, const at::Tensor& value) {
    for (const cdc::NamedTensor& t : node.state())
      if (t.name == name) {
        ASSERT_EQ(t.tensor.sizes(), value.sizes()) << name;
        t.tensor.detach().copy_(value);
        return;
      }
    FAIL() << "no tensor " << name;
  };
  set("input.weight", 0.3 * numbers({36, 10}, 10));
  set("conv0.weight", 0.3 * numbers({6, 8, 3, 3}, 11));
  set("conv1.weight", 0.3 * numbers({8, 3, 5, 5}, 12));
  set("conv1.bias", 0.1 * numbers({3}, 13));
  set("norm0.weight", 1 + 0.2 * numbers({6}, 20));
  set("norm0.bias", 0.1 * numbers({6}, 21));
  set("norm1.weight", 1 + 0.2 * numbers({8}, 30));
  set("norm1.bias", 0.1 * numbers({8}, 31));
  node.input("features", numbers({1, 4, 10}, 2).to(at::kFloat));
  node.forward();
  EXPECT_LT(worst(node.output("images").detach().to(at::kDouble), doubles(oracle().at("decoder"), {1, 4, 3, 13, 10})), 1e-4);
}

TEST(NodesOracle, AdversarialImagesOfALinearClassifier) {
  CDC_NEEDS_ORACLE(oracle());
  NodeHarness node("perturb.adversarial", R"({"epsilon": 2})");
  const at::Tensor x = numbers({1, 5, 1, 3, 4}, 3).to(at::kFloat), w = numbers({12, 4}, 4).to(at::kFloat);
  const at::Tensor noised = (x + (0.1 * numbers({1, 5, 1, 3, 4}, 5)).to(at::kFloat)).requires_grad_();
  const at::Tensor p = at::softmax(at::matmul(x.flatten(2), w), -1);
  const at::Tensor kl = (p * (p.log() - at::log_softmax(at::matmul(noised.flatten(2), w), -1))).sum(-1).mean();
  node.input("images", x);
  node.input("noised", noised);
  node.input("divergence", kl);
  node.forward();
  EXPECT_LT(worst(node.output("adversarial").to(at::kDouble).flatten(2), doubles(oracle().at("adversarial"), {1, 5, 12})), 1e-4);
}

}  // namespace
