#include <ATen/ops/full_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>

#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

double cross_entropy(const at::Tensor& codes, const at::Tensor& logits, double tau) {
  return -(codes * at::log_softmax(logits / tau, -1)).sum(-1).mean().item<double>();
}

TEST(LossSwapped, OfTwoViewsEachPredictsTheOthersCodes) {
  const at::Tensor x = numbers({2, 6, 4}, 1), q = at::softmax(3 * numbers({2, 6, 4}, 2), -1);
  const double expected = (cross_entropy(q[0], x[1], 0.1) + cross_entropy(q[1], x[0], 0.1)) / 2;
  EXPECT_NEAR(loss_of("loss.swapped", "{}", {{"logits", x}, {"codes", q}}), expected, 1e-5);
}

TEST(LossSwapped, SmallCropsPredictAllCodesAndHaveNone) {
  const at::Tensor x = numbers({2, 6, 4}, 1), small = numbers({3, 6, 4}, 3), q = at::softmax(3 * numbers({2, 6, 4}, 2), -1);
  double expected = 0;
  for (std::int64_t c = 0; c < 2; ++c) {
    expected += cross_entropy(q[c], x[1 - c], 0.5) / 8;
    for (std::int64_t v = 0; v < 3; ++v) expected += cross_entropy(q[c], small[v], 0.5) / 8;
  }
  EXPECT_NEAR(loss_of("loss.swapped", R"({"tau": 0.5})", {{"logits", x}, {"logits", small}, {"codes", q}}), expected, 1e-5);
}

TEST(LossSwapped, CodesAreConstants) {
  const at::Tensor x = numbers({2, 6, 4}, 1).requires_grad_(), q = at::softmax(numbers({2, 6, 4}, 2), -1).requires_grad_();
  run_loss("loss.swapped", "{}", {{"logits", x}, {"codes", q}}).output("loss").backward();
  EXPECT_GT(x.grad().abs().sum().item<double>(), 0);
  EXPECT_FALSE(q.grad().defined());
}

TEST(LossSwapped, ViewsThatDoNotFitAreSaid) {
  const at::Tensor x = numbers({3, 6, 4});
  EXPECT_EQ(loss_error("loss.swapped", "{}", {{"logits", x}, {"logits", x}, {"codes", x.narrow(0, 0, 2)}}),
            "loss.swapped has codes of 2 views, but the first of its 'logits' has 3: name first the logits that the codes are made of");
  EXPECT_NE(loss_error("loss.swapped", "{}", {{"logits", x.narrow(0, 0, 1)}, {"codes", x.narrow(0, 0, 1)}}).find("set views = 2"), std::string::npos);
}

TEST(LossSwapped, FiniteForDegenerateLogits) {
  for (const at::Tensor& x : degenerate_logits(2))
    expect_finite("loss.swapped", "{}", {{"logits", x}, {"codes", at::full_like(x, 1.0 / static_cast<double>(x.size(2)))}});
}

}  // namespace
