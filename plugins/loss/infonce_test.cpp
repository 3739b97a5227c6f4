#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

/// Equation 1, term by term, of query [B, D] and key [B, D] against `negatives` [Q, D] and, if wanted, the batch's other keys.
double by_definition(const at::Tensor& query, const at::Tensor& key, const at::Tensor& negatives, double tau, bool batch_negatives) {
  const auto weight = [tau](const at::Tensor& q, const at::Tensor& k) {
    return std::exp((q * k).sum().item<double>() / (q.norm() * k.norm()).item<double>() / tau);
  };
  double total = 0;
  for (std::int64_t i = 0; i < query.size(0); ++i) {
    const double positive = weight(query[i], key[i]);
    double all = positive;
    for (std::int64_t j = 0; j < negatives.size(0); ++j) all += weight(query[i], negatives[j]);
    for (std::int64_t j = 0; j < key.size(0); ++j)
      if (batch_negatives && j != i) all += weight(query[i], key[j]);
    total -= std::log(positive / all) / static_cast<double>(query.size(0));
  }
  return total;
}

TEST(LossInfoNce, IsEquationOneOverAllPairsOfDifferentViews) {
  const at::Tensor negatives = numbers({1, 9, 4}, 3);
  for (const std::int64_t views : {1, 2, 3})
    for (const bool batch_negatives : {false, true}) {
      const at::Tensor query = numbers({views, 6, 4}, 1), key = numbers({views, 6, 4}, 2);
      double expected = 0, pairs = 0;
      for (std::int64_t v = 0; v < views; ++v)
        for (std::int64_t w = 0; w < views; ++w) {
          if (views > 1 && v == w) continue;
          expected += by_definition(query[v], key[w], negatives[0], 0.3, batch_negatives);
          ++pairs;
        }
      const std::string parameters = std::string(R"({"tau": 0.3, "batch_negatives": )") + (batch_negatives ? "true}" : "false}");
      EXPECT_NEAR(loss_of("loss.infonce", parameters, {{"query", query}, {"key", key}, {"negatives", negatives}}), expected / pairs, 1e-5)
          << views << " " << batch_negatives;
    }
}

TEST(LossInfoNce, WithoutNormalisationProductsAreTakenAsTheyAre) {
  const at::Tensor query = numbers({1, 6, 4}, 1), key = numbers({1, 6, 4}, 2), negatives = numbers({1, 9, 4}, 3);
  const auto loss = [&](double scale, const char* normalise) {
    return loss_of("loss.infonce", R"({"normalise": )" + std::string(normalise) + "}",
                   {{"query", scale * query}, {"key", key / scale}, {"negatives", negatives / scale}});
  };
  EXPECT_NEAR(loss(3, "true"), loss(1, "true"), 1e-5);
  EXPECT_NEAR(loss(3, "false"), loss(1, "false"), 1e-5);
  EXPECT_GT(std::abs(loss(1, "false") - loss(1, "true")), 1e-2);
}

TEST(LossInfoNce, KeysAndNegativesAreConstants) {
  const at::Tensor query = numbers({2, 6, 4}, 1).requires_grad_(), key = numbers({2, 6, 4}, 2).requires_grad_();
  const at::Tensor negatives = numbers({1, 9, 4}, 3).requires_grad_();
  run_loss("loss.infonce", R"({"batch_negatives": true})", {{"query", query}, {"key", key}, {"negatives", negatives}}).output("loss").backward();
  EXPECT_GT(query.grad().abs().sum().item<double>(), 0);
  EXPECT_FALSE(key.grad().defined());
  EXPECT_FALSE(negatives.grad().defined());
}

TEST(LossInfoNce, AnEmptyQueueGivesZeroWithoutGradientOrTheBatchsNegativesAlone) {
  const LossInputList own = {{"query", numbers({2, 6, 4}, 1)}, {"key", numbers({2, 6, 4}, 2)}};
  LossInputList with_queue = own;
  with_queue.emplace_back("negatives", at::zeros({1, 0, 4}));
  const auto [value, gradient] = expect_finite("loss.infonce", "{}", with_queue);
  EXPECT_EQ(value, 0);
  EXPECT_EQ(gradient, 0);
  EXPECT_EQ(run_loss("loss.infonce", "{}", with_queue).reasons(),
            std::vector<std::string>{"its input 'negatives' is empty: a queue fills after the first step, from its start_epoch on"});
  EXPECT_TRUE(run_loss("loss.infonce", R"({"batch_negatives": true})", with_queue).reasons().empty());
  const std::string parameters = R"({"batch_negatives": true})";
  EXPECT_EQ(loss_of("loss.infonce", parameters, with_queue), loss_of("loss.infonce", parameters, own));
}

TEST(LossInfoNce, NoNegativesAtAllAreAnError) {
  EXPECT_EQ(loss_error("loss.infonce", "{}", {{"query", numbers({1, 6, 4})}, {"key", numbers({1, 6, 4})}}),
            "loss.infonce has no negatives: connect 'negatives' to a queue of keys, or set batch_negatives = true");
}

TEST(LossInfoNce, FiniteForDegenerateEmbeddings) {
  for (const at::Tensor& x : degenerate_embeddings(2))
    for (const at::Tensor& y : degenerate_embeddings(2))
      if (x.sizes() == y.sizes())
        expect_finite("loss.infonce", R"({"tau": 0.001, "batch_negatives": true})", {{"query", x}, {"key", y}, {"negatives", y.narrow(0, 0, 1)}});
}

}  // namespace
