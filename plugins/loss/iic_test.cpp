#include <ATen/ops/eye.h>
#include <ATen/ops/softmax.h>

#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

TEST(LossIic, IsMinusTheMutualInformation) {
  const at::Tensor balanced = 1000 * at::eye(4).repeat({2, 2, 1});
  EXPECT_NEAR(loss_of("loss.iic", "{}", {{"logits", balanced}}), -std::log(4.0), 1e-5);
  EXPECT_NEAR(loss_of("loss.iic", R"({"lambda": 2.0})", {{"logits", balanced}}), -3 * std::log(4.0), 1e-5);
  at::Tensor independent = balanced.clone();  // of the second view nothing can be said from the first
  independent[1] = numbers({4});
  const at::Tensor p = at::softmax(independent, -1).mean(1);
  double expected = 0;  // I of the symmetric joint (p p'^T + p' p^T) / 2
  for (std::int64_t c = 0; c < 4; ++c)
    for (std::int64_t d = 0; d < 4; ++d) {
      const auto at = [&](std::int64_t v, std::int64_t k) { return p[v][k].item<double>(); };
      const auto marginal = [&](std::int64_t k) { return (at(0, k) + at(1, k)) / 2; };
      const double joint = (at(0, c) * at(1, d) + at(1, c) * at(0, d)) / 2;
      expected -= joint * std::log(joint / (marginal(c) * marginal(d)));
    }
  EXPECT_NEAR(loss_of("loss.iic", "{}", {{"logits", independent}}), expected, 1e-5);
}

TEST(LossIic, OneViewIsAnErrorThatSaysWhatToSet) {
  EXPECT_NE(loss_error("loss.iic", "{}", {{"logits", numbers({1, 6, 4})}}).find("set views = 2"), std::string::npos);
}

TEST(LossIic, FiniteForDegenerateLogits) {
  for (const at::Tensor& x : degenerate_logits(2)) expect_finite("loss.iic", R"({"lambda": 1.5})", {{"logits", x}});
}

}  // namespace
