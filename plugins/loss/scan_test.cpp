#include <ATen/ops/eye.h>
#include <ATen/ops/softmax.h>

#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

TEST(LossScan, IsMinusTheLogarithmOfAgreementAndTheEntropyOfSizes) {
  const at::Tensor a = 2 * numbers({2, 6, 4}, 1), n = 2 * numbers({2, 6, 4}, 2), p = at::softmax(a, -1), mean = p.mean(at::IntArrayRef({0, 1}));
  const double consistency = -(p * at::softmax(n, -1)).sum(-1).log().mean().item<double>(), entropy = -(mean * mean.log()).sum().item<double>();
  const NodeHarness loss = run_loss("loss.scan", R"({"entropy_weight": 3.0})", {{"anchor", a}, {"neighbor", n}});
  EXPECT_NEAR(loss.output("loss").item<double>(), consistency - 3 * entropy, 1e-5);
  EXPECT_NEAR(loss.reports().at("consistency").item<double>(), consistency, 1e-5);
  EXPECT_NEAR(loss.reports().at("entropy").item<double>(), entropy, 1e-5);
}

TEST(LossScan, NeighboursThatCertainlyDisagreeHaveAFiniteLossAndAGradient) {
  const at::Tensor a = (1000 * at::eye(4)).unsqueeze(0).requires_grad_(), n = (1000 * at::eye(4).roll({1}, {1})).unsqueeze(0).requires_grad_();
  const at::Tensor loss = run_loss("loss.scan", "{}", {{"anchor", a}, {"neighbor", n}}).output("loss");
  EXPECT_NEAR(loss.item<double>(), 1000 - std::log(2.0) - 5 * std::log(4.0), 1e-3);  // p . p' = 2 exp(-1000)
  loss.backward();
  EXPECT_GT(a.grad().abs().sum().item<double>(), 0.1);
  EXPECT_GT(n.grad().abs().sum().item<double>(), 0.1);
}

TEST(LossScan, FiniteForDegenerateLogits) {
  for (const at::Tensor& a : degenerate_logits(2))
    for (const at::Tensor& n : degenerate_logits(2))
      if (a.sizes() == n.sizes()) expect_finite("loss.scan", "{}", {{"anchor", a}, {"neighbor", n}});
}

}  // namespace
