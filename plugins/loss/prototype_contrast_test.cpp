#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.hpp"
#include "support/node_harness.hpp"
#include "support/session_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor numbers(at::IntArrayRef shape, double phase = 0) {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  return (at::arange(n, at::kDouble) * 12.9898 + phase).sin().view(shape).to(at::kFloat);
}
/// [1, B, K] one-hot; -1: a row of zeros.
at::Tensor codes(const std::vector<std::int64_t>& labels, std::int64_t clusters) {
  at::Tensor c = at::zeros({1, static_cast<std::int64_t>(labels.size()), clusters});
  for (std::size_t b = 0; b < labels.size(); ++b)
    if (labels[b] >= 0) c[0][static_cast<std::int64_t>(b)][labels[b]] = 1;
  return c;
}
at::Tensor loss(NodeHarness& node, const at::Tensor& z, const std::vector<at::Tensor>& prototypes, const std::vector<at::Tensor>& all_codes) {
  node.input("embedding", z);
  node.inputs("prototypes", prototypes);
  node.inputs("codes", all_codes);
  node.forward();
  return node.output("loss");
}
std::string message(const std::vector<at::Tensor>& prototypes, const std::vector<at::Tensor>& all_codes) {
  NodeHarness node("loss.prototype_contrast");
  return cdc::test::error_of([&] { loss(node, numbers({1, 2, 3}), prototypes, all_codes); });
}

TEST(LossPrototypeContrast, IsTheMeanOverClusteringsOfTheCrossEntropyWithPrototypes) {
  NodeHarness node("loss.prototype_contrast");
  const at::Tensor z = numbers({2, 3, 5}).requires_grad_(), p = 2 * numbers({1, 4, 5}, 1), q = 3 * numbers({1, 7, 5}, 2);
  const std::vector<std::int64_t> in_p = {2, 0, 3}, in_q = {6, 6, 1};
  const at::Tensor value = loss(node, z, {p, q}, {codes(in_p, 4), codes(in_q, 7)});
  double expected = 0;
  for (int v = 0; v < 2; ++v)
    for (std::size_t b = 0; b < 3; ++b)
      for (const auto& [prototypes, label] : {std::pair(p, in_p[b]), std::pair(q, in_q[b])}) {
        double sum = 0, own = 0;
        for (std::int64_t k = 0; k < prototypes.size(1); ++k) {
          double dot = 0;
          for (int d = 0; d < 5; ++d) dot += z[v][static_cast<std::int64_t>(b)][d].item<double>() * prototypes[0][k][d].item<double>();
          sum += std::exp(dot);
          if (k == label) own = dot;
        }
        expected += (std::log(sum) - own) / (2 * 3 * 2);
      }
  EXPECT_NEAR(value.item<double>(), expected, 1e-5);
  value.backward();
  // d/dz = (sum_k p_k c_k - own c) over views, batch and clusterings.
  at::Tensor gradient = at::zeros({2, 3, 5});
  for (const auto& [prototypes, labels] : {std::pair(p, codes(in_p, 4)), std::pair(q, codes(in_q, 7))})
    gradient += at::matmul(at::softmax(at::matmul(z.detach(), prototypes[0].t()), -1) - labels, prototypes[0]) / 12;
  EXPECT_TRUE(at::allclose(z.grad(), gradient, 1e-4, 1e-6));
}

TEST(LossPrototypeContrast, SamplesWithoutACodeCountForNothing) {
  NodeHarness node("loss.prototype_contrast");
  const at::Tensor z = numbers({1, 3, 5}), p = numbers({1, 4, 5}, 1);
  const at::Tensor value = loss(node, z, {p}, {codes({2, -1, 1}, 4)});
  const at::Tensor two = loss(node, z.index_select(1, at::tensor({0, 2}, at::kLong)), {p}, {codes({2, 1}, 4)});
  EXPECT_NEAR(value.item<double>(), two.item<double>(), 1e-6);
}

TEST(LossPrototypeContrast, DegenerateInputsAreFinite) {
  NodeHarness node("loss.prototype_contrast");
  struct Case {
    at::Tensor z, p, c;
  };
  for (const Case& one :
       {Case{numbers({2, 3, 5}), at::zeros({1, 4, 5}), codes({-1, -1, -1}, 4)}, Case{at::zeros({1, 1, 5}), numbers({1, 4, 5}), codes({0}, 4)},
        Case{numbers({1, 1, 5}), numbers({1, 1, 5}), codes({0}, 1)}, Case{1000 * numbers({1, 2, 5}), numbers({1, 4, 5}), codes({1, 2}, 4)}}) {
    const at::Tensor z = one.z.clone().requires_grad_();
    const at::Tensor value = loss(node, z, {one.p}, {one.c});
    EXPECT_TRUE(value.isfinite().item<bool>());
    if (one.c.sum().item<double>() == 0) {
      EXPECT_EQ(value.item<double>(), 0);
      EXPECT_FALSE(value.requires_grad()) << "nothing counts";
      EXPECT_EQ(node.reasons(), std::vector<std::string>{"no clustering of its input 'codes' has a code for a sample"});
      continue;
    }
    EXPECT_TRUE(node.reasons().empty());
    value.backward();
    EXPECT_TRUE(z.grad().isfinite().all().item<bool>());
  }
}

TEST(LossPrototypeContrast, PrototypesAndCodesThatAreNotOfTheSameClusteringsAreRefused) {
  EXPECT_NE(message({numbers({1, 4, 3}), numbers({1, 5, 3})}, {codes({0, 1}, 4)})
                .find("has the prototypes of 2 clusterings and the codes of 1: name the same nodes in both lists"),
            std::string::npos);
  EXPECT_NE(
      message({numbers({1, 4, 3}), numbers({1, 5, 3})}, {codes({0, 1}, 4), codes({0, 1}, 6)})
          .find("clustering 2 of loss.prototype_contrast has 5 prototypes and codes for 6: name the same nodes in both lists, in the same order"),
      std::string::npos);
}

TEST(LossPrototypeContrast, TrainsWithTwoClusteringsOfAMomentumEncoder) {
  cdc::test::SessionHarness session(R"(
[views]
plugin = "augment.contrastive"
[encoder]
plugin = "backbone.convnet"
in.images = "views"
channels = [8, 16]
kernels = [3, 3]
strides = [2, 2]
pool_size = 3
[projection]
plugin = "head.projection"
in.features = "encoder"
hidden = 32
dim = 8
[momentum_encoder]
follows = "encoder"
in.images = "views"
momentum = 0.9
[momentum_projection]
follows = "projection"
in.features = "momentum_encoder"
momentum = 0.9
[coarse]
plugin = "assign.prototypes"
in.features = "momentum_projection"
clusters = 3
[fine]
plugin = "assign.prototypes"
in.features = "momentum_projection"
clusters = 9
start_epoch = 1
[loss]
plugin = "loss.prototype_contrast"
in.embedding = "projection"
in.prototypes = ["coarse", "fine"]
in.codes = ["coarse", "fine"]
)",
                                    std::make_shared<cdc::test::Bars>(60, 1, 12, 12));
  session.epoch(0, 20, 0.05);
  EXPECT_EQ(session.tensor("coarse.labels").size(0), 60);
  EXPECT_EQ(session.tensor("fine.labels").size(0), 0);
  double first = 0, last = 0;
  for (std::int64_t e = 1; e < 6; ++e)
    last = session.epoch(e, 20, 0.05, [&](std::int64_t step) {
      if (e == 1 && step == 0) first = session->output("loss", "loss").item<double>();
    });
  EXPECT_EQ(session.tensor("fine.labels").size(0), 60);
  EXPECT_LT(last, first);
}

}  // namespace
