#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/errors.hpp"
#include "support/node_harness.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::NodeHarness;

/// Four directions in six dimensions with 40, 30, 20 and 1 samples around them, looser from one to the next.
at::Tensor features() {
  at::Tensor x = at::randn({91, 6}, at::make_generator<at::CPUGeneratorImpl>(2));
  for (std::int64_t i = 0; i < 91; ++i) {
    const std::int64_t group = i < 40 ? 0 : i < 70 ? 1 : i < 90 ? 2 : 3;
    x[i] *= 0.02 * static_cast<double>(group + 1);
    x[i][group] += 1;
  }
  return x;
}
at::Tensor state(NodeHarness& node, const std::string& name) {
  for (const auto& t : node.state())
    if (t.name == name) return t.tensor;
  throw cdc::Error("no tensor " + name);
}
NodeHarness prototypes(const std::string& parameters = R"({"clusters": 4})") { return NodeHarness("assign.prototypes", parameters, {{"D", 6}}); }
void look(NodeHarness& node, const at::Tensor& x, std::int64_t epoch = 0) {
  node.whole_set("features", x);
  node.set_epoch(epoch);
  node.begin_epoch();
}
void forward(NodeHarness& node, const at::Tensor& which) {
  node.set_indices(which);
  node.forward();
}

double percentile(std::vector<double> x, double q) {
  std::sort(x.begin(), x.end());
  const double at = q * static_cast<double>(x.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  return low + 1 < x.size() ? x[low] + (at - static_cast<double>(low)) * (x[low + 1] - x[low]) : x[low];
}

TEST(AssignPrototypes, AreCentresAndConcentrationsAsPclsCodeHasThem) {
  NodeHarness node = prototypes(R"({"clusters": 4, "alpha": 10, "tau": 0.3})");
  look(node, 5 * features());  // of any length
  const at::Tensor x = features() / features().norm(2, {-1}, true), labels = state(node, "labels").to(at::kLong);
  std::vector<double> phi;
  double largest = 0;
  for (std::int64_t k = 0; k < 4; ++k) {
    const at::Tensor own = x.index_select(0, (labels == k).nonzero().flatten());
    const at::Tensor mean = own.mean(0);
    EXPECT_TRUE(at::allclose(state(node, "centres")[k], mean / mean.norm(), 0, 1e-5)) << k;
    const auto z = static_cast<double>(own.size(0));
    phi.push_back(z > 1 ? (own - mean).norm(2, {-1}).sum().item<double>() / (z * std::log(z + 10)) : 0);
    largest = std::max(largest, phi.back());
  }
  for (double& p : phi)
    if (p == 0) p = largest;  // the one sample alone
  ASSERT_EQ(std::count(phi.begin(), phi.end(), largest), 2);
  const double low = percentile(phi, 0.1), high = percentile(phi, 0.9);
  double mean = 0;
  for (double& p : phi) mean += (p = std::clamp(p, low, high)) / 4;
  for (std::size_t k = 0; k < 4; ++k)
    EXPECT_NEAR(state(node, "concentrations")[static_cast<std::int64_t>(k)].item<double>(), 0.3 * phi[k] / mean, 1e-5) << k;

  const at::Tensor which = at::tensor({90, 0, 45}, at::kLong);
  forward(node, which);
  const at::Tensor scaled = state(node, "centres") / state(node, "concentrations").unsqueeze(1);
  EXPECT_TRUE(at::allclose(node.output("prototypes"), scaled.unsqueeze(0)));
  EXPECT_TRUE(at::equal(node.output("codes")[0].argmax(1), labels.index_select(0, which)));
  EXPECT_TRUE(at::equal(node.output("codes").sum(-1), at::ones({1, 3})));
}

TEST(AssignPrototypes, BeforeTheirEpochThereAreNone) {
  NodeHarness node = prototypes(R"({"clusters": 4, "start_epoch": 2, "every": 2})");
  for (const std::int64_t epoch : {0, 1}) {
    look(node, features(), epoch);
    forward(node, at::arange(5));
    EXPECT_TRUE(at::equal(node.output("codes"), at::zeros({1, 5, 4})));
    EXPECT_EQ(node.reasons(), std::vector<std::string>{"there are no prototypes before start_epoch = 2"});
    EXPECT_TRUE(at::equal(node.output("prototypes"), at::zeros({1, 4, 6})));
  }
  look(node, features(), 2);
  const at::Tensor centres = state(node, "centres");
  EXPECT_EQ(state(node, "labels").size(0), 91);
  look(node, -features(), 3);
  EXPECT_TRUE(at::equal(state(node, "centres"), centres)) << "every = 2";
  look(node, -features(), 4);
  EXPECT_FALSE(at::equal(state(node, "centres"), centres));
}

TEST(AssignPrototypes, FeaturesOnTheirCentresHaveTheMeanConcentration) {
  for (const at::Tensor& x : {at::ones({20, 6}), at::zeros({20, 6}), features().sign()}) {
    NodeHarness node = prototypes();
    look(node, x);
    forward(node, at::arange(5));
    EXPECT_TRUE(state(node, "concentrations").isfinite().all().item<bool>());
    EXPECT_GE(state(node, "concentrations").min().item<double>(), 0.002 - 1e-7);
    EXPECT_TRUE(node.output("prototypes").isfinite().all().item<bool>());
  }
  NodeHarness node = prototypes();
  look(node, at::ones({20, 6}));
  EXPECT_TRUE(at::allclose(state(node, "concentrations"), at::full({4}, 0.2), 1e-3, 1e-3));
}

TEST(AssignPrototypes, ASampleThatWasNotClusteredIsAnError) {
  NodeHarness node = prototypes();
  look(node, features());
  const std::string said = error_of([&] { forward(node, at::tensor({3, 91}, at::kLong)); });
  EXPECT_NE(said.find("it has no code for sample 91: codes are made at the start of an epoch, for the 91 samples trained on"), std::string::npos)
      << said;
}

}  // namespace
