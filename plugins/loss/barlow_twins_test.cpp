#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include "graph/planner.hpp"
#include "support/loss_harness.hpp"

namespace {

using namespace cdc::test;

/// Three features of four samples, of mean 0 and variance 1, and without correlation.
at::Tensor uncorrelated() { return at::tensor({1.f, 1.f, 1.f, 1.f, -1.f, -1.f, -1.f, 1.f, -1.f, -1.f, -1.f, 1.f}).view({4, 3}); }

double loss(const at::Tensor& first, const at::Tensor& second, const std::string& parameters = "{}") {
  return loss_of("loss.barlow_twins", parameters, {{"embedding", at::stack({first, second})}});
}

TEST(LossBarlowTwins, IsZeroWhereTheCrossCorrelationIsTheIdentity) {
  const at::Tensor z = uncorrelated();
  EXPECT_NEAR(loss(z, z), 0, 1e-6);
  EXPECT_NEAR(loss(5 * z + 3, 0.7 * z - 1), 0, 1e-6);  // standardised first
}

TEST(LossBarlowTwins, CountsWhatIsOffOnTheDiagonalAndBesideIt) {
  const at::Tensor z = uncorrelated(), first = z.narrow(1, 0, 1).expand({4, 3});
  EXPECT_NEAR(loss(z, -z), 3 * 4, 1e-3);                                    // C = -I
  EXPECT_NEAR(loss(first, first, R"({"lambda": 0.5})"), 0.5 * 6, 1e-3);     // C_ij = 1
  EXPECT_NEAR(loss(z, z.roll({1}, {1}), R"({"lambda": 0.5})"), 4.5, 1e-3);  // C a permutation: 3 of the diagonal, 3 beside it
}

TEST(LossBarlowTwins, ConstantFeaturesCountAsWithoutCorrelation) {
  const at::Tensor z = uncorrelated(), constant = z.narrow(0, 0, 1).expand({4, 3});
  EXPECT_EQ(loss(constant, constant), 3);
  for (const at::Tensor& x : degenerate_embeddings(2)) expect_finite("loss.barlow_twins", "{}", {{"embedding", x}});
}

TEST(LossBarlowTwins, AnotherNumberOfViewsIsAnErrorOfTheFile) {
  const std::string text = R"(
[pipeline]
name = "test"
[stage.images]
plugin = "dataset.idx"
root = "/nowhere"
[stage.train]
plugin = "stage.train"
in.data = "images"
loss = "loss"
epochs = 1
optimizer = { plugin = "optimizer.sgd", lr = 0.01 }
[stage.train.graph.views]
plugin = "augment.contrastive"
views = 3
[stage.train.graph.encoder]
plugin = "backbone.convnet"
in.images = "views"
[stage.train.graph.head]
plugin = "head.projection"
in.features = "encoder"
[stage.train.graph.loss]
plugin = "loss.barlow_twins"
in.embedding = "head"
)";
  try {
    cdc::plan_text(text, "three.toml", {}, NodeHarness::plugins());
    FAIL();
  } catch (const cdc::ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("input 'embedding' of node 'loss' has size number 1 = 2 (as its plugin 'loss.barlow_twins' has it), but "
                                         "'head.embedding' gives V = 3 ('views' of node 'views'"),
              std::string::npos)
        << e.what();
  }
  EXPECT_NO_THROW(cdc::plan_text(text, "two.toml", {"stage.train.graph.views.views=2"}, NodeHarness::plugins()));
}

}  // namespace
