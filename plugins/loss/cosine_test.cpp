#include <ATen/ops/tensor.h>

#include <tuple>

#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

TEST(LossCosine, IsZeroForEqualTwoForOrthogonalAndFourForOppositeDirections) {
  const at::Tensor p = at::tensor({3.0f, 4.0f}).view({1, 1, 2});
  for (const auto& [x, y, expected] : {std::tuple(6.0f, 8.0f, 0.0), {-4.0f, 3.0f, 2.0}, {-0.3f, -0.4f, 4.0}})
    EXPECT_NEAR(loss_of("loss.cosine", "{}", {{"prediction", p}, {"target", at::tensor({x, y}).view({1, 1, 2})}}), expected, 1e-6);
}

TEST(LossCosine, IsTheMeanOverAllPairsOfDifferentViews) {
  for (const std::int64_t views : {2, 3}) {
    const at::Tensor p = numbers({views, 6, 4}, 1), z = numbers({views, 6, 4}, 2);
    double expected = 0;
    for (std::int64_t v = 0; v < views; ++v)
      for (std::int64_t w = 0; w < views; ++w)
        if (v != w) expected += loss_of("loss.cosine", "{}", {{"prediction", p.narrow(0, v, 1)}, {"target", z.narrow(0, w, 1)}});
    EXPECT_NEAR(loss_of("loss.cosine", "{}", {{"prediction", p}, {"target", z}}), expected / static_cast<double>(views * (views - 1)), 1e-6);
  }
}

TEST(LossCosine, TargetsAreConstants) {
  const at::Tensor p = numbers({2, 6, 4}, 1).requires_grad_(), z = numbers({2, 6, 4}, 2).requires_grad_();
  run_loss("loss.cosine", "{}", {{"prediction", p}, {"target", z}}).output("loss").backward();
  EXPECT_GT(p.grad().abs().sum().item<double>(), 0);
  EXPECT_FALSE(z.grad().defined());
}

TEST(LossCosine, FiniteForDegenerateEmbeddings) {
  for (const at::Tensor& x : degenerate_embeddings(2))
    for (const at::Tensor& y : degenerate_embeddings(2))
      if (x.sizes() == y.sizes()) expect_finite("loss.cosine", "{}", {{"prediction", x}, {"target", y}});
}

}  // namespace
