#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

const char* const kBalanced = R"({"class_weights": "batch"})";

/// One-hot codes [1, B, 3]; -1 stands for a row that is left out.
at::Tensor labels(const std::vector<std::int64_t>& of) {
  at::Tensor codes = at::zeros({1, static_cast<std::int64_t>(of.size()), 3});
  for (std::size_t i = 0; i < of.size(); ++i)
    if (of[i] >= 0) codes[0][static_cast<std::int64_t>(i)][of[i]] = 1;
  return codes;
}

TEST(LossCrossEntropy, IsTheMeanOverTheRowsThatHaveCodes) {
  const at::Tensor x = 2 * numbers({1, 5, 3}), log_p = at::log_softmax(x, -1)[0];
  const double expected = -(log_p[0][2] + log_p[2][0] + log_p[3][0]).item<double>() / 3;
  const NodeHarness loss = run_loss("loss.cross_entropy", "{}", {{"logits", x}, {"codes", labels({2, -1, 0, 0, -1})}});
  EXPECT_NEAR(loss.output("loss").item<double>(), expected, 1e-5);
  EXPECT_NEAR(loss.reports().at("used").item<double>(), 0.6, 1e-6);
  const at::Tensor soft = at::softmax(numbers({1, 5, 3}, 1), -1);
  EXPECT_NEAR(loss_of("loss.cross_entropy", "{}", {{"logits", x}, {"codes", soft}}), -(soft[0] * log_p).sum().item<double>() / 5, 1e-5);
}

TEST(LossCrossEntropy, ClassesThatAreThereCountAlikeWithClassWeights) {
  const at::Tensor x = 2 * numbers({1, 5, 3}), log_p = at::log_softmax(x, -1)[0];
  const double expected = -(log_p[0][2] + (log_p[2][0] + log_p[3][0] + log_p[4][0]) / 3).item<double>() / 2;
  EXPECT_NEAR(loss_of("loss.cross_entropy", kBalanced, {{"logits", x}, {"codes", labels({2, -1, 0, 0, 0})}}), expected, 1e-5);
}

TEST(LossCrossEntropy, CodesOfOneViewAreForAll) {
  const at::Tensor x = numbers({2, 5, 3}), codes = labels({2, -1, 0, 0, 1});
  for (const char* const parameters : {"{}", kBalanced})
    EXPECT_NEAR(loss_of("loss.cross_entropy", parameters, {{"logits", x}, {"codes", codes}}),
                loss_of("loss.cross_entropy", parameters, {{"logits", x}, {"codes", at::cat({codes, codes})}}), 1e-6);
  EXPECT_EQ(loss_error("loss.cross_entropy", "{}", {{"logits", numbers({3, 5, 3})}, {"codes", at::cat({codes, codes})}}),
            "loss.cross_entropy has 2 views of 'codes' for 3 of 'logits': give one for all, or as many");
}

TEST(LossCrossEntropy, WhereAllRowsAreLeftOutNothingCountsAndItIsAConstantZero) {
  const at::Tensor logits = numbers({1, 2, 3}).requires_grad_();
  for (const char* const parameters : {"{}", kBalanced}) {
    const NodeHarness loss = run_loss("loss.cross_entropy", parameters, {{"logits", logits}, {"codes", labels({-1, -1})}});
    EXPECT_EQ(loss.output("loss").item<double>(), 0);
    EXPECT_FALSE(loss.output("loss").requires_grad());
    EXPECT_EQ(loss.reasons(), std::vector<std::string>{"no row of its input 'codes' has a code"});
  }
  EXPECT_TRUE(run_loss("loss.cross_entropy", "{}", {{"logits", logits}, {"codes", labels({-1, 2})}}).reasons().empty());
  // A network that has diverged is not hidden.
  EXPECT_TRUE(std::isnan(loss_of("loss.cross_entropy", "{}", {{"logits", at::full({1, 2, 3}, std::nan(""))}, {"codes", labels({-1, -1})}})));
  const NodeHarness loss = run_loss("loss.cross_entropy", "{}", {{"logits", numbers({1, 2, 3})}, {"codes", labels({-1, -1})}});
  EXPECT_EQ(loss.reports().at("used").item<float>(), 0);
}

TEST(LossCrossEntropy, FiniteForDegenerateLogits) {
  for (const at::Tensor& x : degenerate_logits(2))
    for (const char* const parameters : {"{}", kBalanced})
      expect_finite("loss.cross_entropy", parameters, {{"logits", x}, {"codes", at::full_like(x, 1.0 / static_cast<double>(x.size(2)))}});
}

}  // namespace
