#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include <vector>

#include "support/errors.hpp"
#include "support/node_harness.hpp"
#include "support/session_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor features(std::int64_t views, std::int64_t batch, std::int64_t width) {
  return (at::arange(views * batch * width, at::kDouble) * 12.9898).sin().view({views, batch, width}).to(at::kFloat);
}

TEST(HeadDecoder, GivesImagesOfAnySize) {
  for (const auto& [c, h, w] : std::vector<std::array<std::int64_t, 3>>{{1, 28, 28}, {3, 32, 32}, {2, 30, 17}, {3, 5, 7}}) {
    for (const char* parameters :
         {"{}", R"({"channels": [8, 6], "kernels": [5, 1], "strides": [3, 4]})", R"({"channels": [8], "kernels": [3], "strides": [1]})"}) {
      NodeHarness node("head.decoder", parameters, {{"F", 10}, {"C", c}, {"H", h}, {"W", w}});
      const at::Tensor x = features(2, 4, 10).requires_grad_();
      node.input("features", x);
      node.forward();
      ASSERT_EQ(node.output("images").sizes(), (std::vector<std::int64_t>{2, 4, c, h, w})) << parameters;
      node.output("images").square().sum().backward();
      EXPECT_GT(x.grad().abs().max().item<double>(), 0) << parameters;
    }
  }
}

TEST(HeadDecoder, ItsWeightsAreThoseOfTheEncoderTurnedAround) {
  NodeHarness node("head.decoder", R"({"channels": [8, 6], "kernels": [5, 3], "strides": [2, 2]})", {{"F", 10}, {"C", 3}, {"H", 13}, {"W", 9}});
  NodeHarness encoder("backbone.convnet", R"({"channels": [8, 6], "kernels": [5, 3], "strides": [2, 2]})", {{"C", 3}});
  const auto shape = [](NodeHarness& of, const std::string& name) {
    for (const auto& t : of.state())
      if (t.name == name) return t.tensor.sizes().vec();
    throw cdc::Error("no tensor " + name);
  };
  EXPECT_EQ(shape(node, "input.weight"), (std::vector<std::int64_t>{6 * 4 * 3, 10}));
  EXPECT_EQ(shape(node, "conv0.weight"), shape(encoder, "1.0.weight"));
  EXPECT_EQ(shape(node, "conv1.weight"), shape(encoder, "0.0.weight"));
  EXPECT_EQ(shape(node, "conv1.bias"), (std::vector<std::int64_t>{3}));
}

TEST(HeadDecoder, ImagesAreFloat32ForBfloat16FeaturesToo) {
  NodeHarness node("head.decoder", R"({"channels": [8], "kernels": [3], "strides": [2]})", {{"F", 10}, {"C", 1}, {"H", 8}, {"W", 8}});
  node.input("features", features(1, 4, 10).to(at::kBFloat16));
  node.forward();
  EXPECT_EQ(node.output("images").scalar_type(), at::kFloat);
}

TEST(HeadDecoder, LayersThatDoNotFitAreRefused) {
  const auto message = [](const char* parameters, const NodeHarness::Sizes& sizes) {
    return cdc::test::error_of([&] { NodeHarness("head.decoder", parameters, sizes); });
  };
  EXPECT_NE(
      message(R"({"channels": [8, 6], "strides": [2]})", {}).find("'channels', 'kernels' and 'strides' say different numbers of layers: 2, 5 and 1"),
      std::string::npos);
  EXPECT_NE(message(R"({"channels": [8], "kernels": [4], "strides": [2]})", {}).find("kernels must have odd sides, found 4"), std::string::npos);
  EXPECT_NE(message("{}", {{"F", 10}, {"C", 1}}).find("the size 'H' of its ports is not known; connect the port"), std::string::npos);
}

TEST(HeadDecoder, TakesTheImagesSizeFromTheViewsThatALossComparesItWith) {
  cdc::test::SessionHarness session(R"(
[views]
plugin = "augment.plain"
[encoder]
plugin = "backbone.convnet"
in.images = "views"
channels = [8, 16]
kernels = [3, 3]
strides = [2, 2]
pool_size = 3
[decoder]
plugin = "head.decoder"
in.features = "encoder"
channels = [8, 16]
kernels = [3, 3]
strides = [2, 2]
[loss]
plugin = "test.difference"
in.a = "views"
in.b = "decoder"
)",
                                    std::make_shared<cdc::test::Bars>(24, 3, 11, 10));
  const double first = session.epoch(0, 12, 0.02);
  double last = first;
  for (std::int64_t e = 1; e < 60; ++e) last = session.epoch(e, 12, 0.02);
  EXPECT_EQ(session->features("decoder", "images", 12).sizes(), (std::vector<std::int64_t>{24, 3, 11, 10}));
  EXPECT_LT(last, 0.5 * first);
}

}  // namespace
