#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor run(const at::Tensor& z, const std::string& parameters = "{}") {
  NodeHarness node("loss.ntxent", parameters);
  node.input("embedding", z);
  node.forward();
  return node.output("loss");
}

/// Equation 1 of the paper, one term after another.
double by_definition(const at::Tensor& z, double tau) {
  const std::int64_t views = z.size(0), batch = z.size(1), all = views * batch, dim = z.size(2);
  const at::Tensor flat = z.reshape({all, dim}).contiguous();
  const auto cosine = [&](std::int64_t i, std::int64_t j) {
    double dot = 0, a = 0, b = 0;
    for (std::int64_t d = 0; d < dim; ++d) {
      const double x = flat.data_ptr<float>()[i * dim + d], y = flat.data_ptr<float>()[j * dim + d];
      dot += x * y;
      a += x * x;
      b += y * y;
    }
    return dot / std::sqrt(a * b);
  };
  double total = 0;
  for (std::int64_t i = 0; i < all; ++i) {
    double others = 0;
    for (std::int64_t j = 0; j < all; ++j)
      if (j != i) others += std::exp(cosine(i, j) / tau);
    for (std::int64_t j = i % batch; j < all; j += batch)
      if (j != i) total -= std::log(std::exp(cosine(i, j) / tau) / others) / static_cast<double>(views - 1);
  }
  return total / static_cast<double>(all);
}

TEST(LossNtXent, IsEquationOneForTwoAndMoreViews) {
  for (const std::int64_t views : {2, 3}) {
    const at::Tensor z = (at::arange(views * 12 * 5, at::kDouble) * 12.9898).sin().view({views, 12, 5}).to(at::kFloat);
    EXPECT_NEAR(run(z).item<double>(), by_definition(z, 0.5), 1e-5) << views;
    EXPECT_NEAR(run(z, R"({"tau": 0.1})").item<double>(), by_definition(z, 0.1), 1e-5) << views;
  }
}

TEST(LossNtXent, EqualEmbeddingsGiveTheLogarithmOfTheirNumber) {
  at::Tensor z = at::zeros({2, 10, 4});
  z.select(2, 0).fill_(1);
  EXPECT_NEAR(run(z).item<double>(), std::log(19.0), 1e-5);
}

TEST(LossNtXent, FiniteAtASmallTemperatureAndForZeroEmbeddings) {
  at::Tensor z = (at::arange(2 * 6 * 3, at::kDouble) * 12.9898).sin().view({2, 6, 3}).to(at::kFloat);
  z[0][0].zero_();
  z.requires_grad_();
  const at::Tensor loss = run(z, R"({"tau": 0.001})");
  loss.backward();
  EXPECT_TRUE(std::isfinite(loss.item<double>()));
  EXPECT_TRUE(std::isfinite(z.grad().abs().sum().item<double>()));
}

TEST(LossNtXent, OneViewIsAnErrorThatSaysWhatToSet) {
  try {
    run(at::zeros({1, 4, 3}));
    FAIL();
  } catch (const cdc::Error& e) {
    EXPECT_NE(std::string(e.what()).find("set views = 2"), std::string::npos) << e.what();
  }
}

}  // namespace
