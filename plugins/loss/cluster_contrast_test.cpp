#include <ATen/ops/eye.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>

#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

/// Logits [2, 8, 4] with which both views put two samples into each cluster.
at::Tensor balanced() { return 1000 * at::eye(4).repeat({2, 2, 1}); }

TEST(LossClusterContrast, OfPerfectClustersContrastsOrthogonalColumns) {
  // A column's positive has cosine 1, the 6 others 0; the sizes have entropy log 4, twice.
  const double contrast = std::log(1 + 6 / std::exp(1.0));
  EXPECT_NEAR(loss_of("loss.cluster_contrast", "{}", {{"logits", balanced()}}), contrast - 2 * std::log(4.0), 1e-5);
  EXPECT_NEAR(loss_of("loss.cluster_contrast", R"({"tau": 0.5, "entropy_weight": 0.0})", {{"logits", balanced()}}), std::log(1 + 6 / std::exp(2.0)),
              1e-5);
}

TEST(LossClusterContrast, IsThePapersFormula) {
  const at::Tensor x = 2 * numbers({2, 6, 3}), p = at::softmax(x, -1);
  double contrast = 0, entropy = 0;
  const auto column = [&](std::int64_t i) { return p[i / 3].select(1, i % 3); };
  const auto cosine = [&](std::int64_t i, std::int64_t j) {
    return (column(i) * column(j)).sum().item<double>() / (column(i).norm() * column(j).norm()).item<double>();
  };
  for (std::int64_t i = 0; i < 6; ++i) {
    double others = 0;
    for (std::int64_t j = 0; j < 6; ++j)
      if (j != i) others += std::exp(cosine(i, j));
    contrast += (std::log(others) - cosine(i, (i + 3) % 6)) / 6;
    const double share = column(i).mean().item<double>();
    entropy -= share * std::log(share);
  }
  EXPECT_NEAR(loss_of("loss.cluster_contrast", "{}", {{"logits", x}}), contrast - entropy, 1e-5);
}

TEST(LossClusterContrast, OneViewIsAnErrorThatSaysWhatToSet) {
  EXPECT_NE(loss_error("loss.cluster_contrast", "{}", {{"logits", numbers({1, 6, 4})}}).find("set views = 2"), std::string::npos);
}

TEST(LossClusterContrast, FiniteForDegenerateLogits) {
  for (const at::Tensor& x : degenerate_logits(2)) expect_finite("loss.cluster_contrast", "{}", {{"logits", x}});
}

}  // namespace
