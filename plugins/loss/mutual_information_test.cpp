#include <ATen/ops/eye.h>
#include <ATen/ops/zeros.h>

#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

TEST(LossMutualInformation, WeighsTheEntropyOfSizesAgainstThatOfAssignments) {
  const double log_k = std::log(4.0);
  const LossInputList certain = {{"logits", 1000 * at::eye(4).view({2, 2, 4})}};  // balanced over both views together
  const LossInputList undecided = {{"logits", at::zeros({1, 6, 4})}};
  EXPECT_NEAR(loss_of("loss.mutual_information", "{}", certain), -4 * log_k, 1e-5);
  EXPECT_NEAR(loss_of("loss.mutual_information", "{}", undecided), -3 * log_k, 1e-5);
  EXPECT_NEAR(loss_of("loss.mutual_information", R"({"marginal_weight": 1.0})", certain), -log_k, 1e-5);
  EXPECT_NEAR(loss_of("loss.mutual_information", R"({"marginal_weight": 1.0})", undecided), 0, 1e-5);
}

TEST(LossMutualInformation, ReportsBothTerms) {
  const NodeHarness loss = run_loss("loss.mutual_information", "{}", {{"logits", numbers({2, 6, 4})}});
  const double conditional = loss.reports().at("conditional_entropy").item<double>(), marginal = loss.reports().at("marginal_entropy").item<double>();
  EXPECT_GT(conditional, 0);
  EXPECT_GT(marginal, conditional);
  EXPECT_NEAR(loss.output("loss").item<double>(), conditional - 4 * marginal, 1e-5);
}

TEST(LossMutualInformation, FiniteForDegenerateLogits) {
  for (const at::Tensor& x : degenerate_logits(2)) expect_finite("loss.mutual_information", "{}", {{"logits", x}});
}

}  // namespace
