#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "support/node_harness.hpp"

namespace {

using cdc::test::NodeHarness;

at::Tensor images(std::int64_t views, std::int64_t batch, std::int64_t channels, std::int64_t side) {
  return (at::arange(views * batch * channels * side * side, at::kDouble) * 12.9898).sin().view({views, batch, channels, side, side}).to(at::kFloat);
}

std::int64_t trainable_numbers(NodeHarness& node) {
  std::int64_t n = 0;
  for (const auto& t : node.state())
    if (t.trainable) n += t.tensor.numel();
  return n;
}

at::Tensor tensor(NodeHarness& node, const std::string& name) {
  for (const auto& t : node.state())
    if (t.name == name) return t.tensor;
  throw cdc::Error("no tensor " + name);
}

struct Case {
  const char* id;
  std::int64_t features, numbers;  ///< numbers: torchvision's parameters less those of the classifier, with the ImageNet stem
};

TEST(Backbones, ResNetsHaveTorchvisionsParametersAndShapes) {
  for (const Case c : {Case{"backbone.resnet18", 512, 11689512 - 513000},
                       {"backbone.resnet34", 512, 21797672 - 513000},
                       {"backbone.resnet50", 2048, 25557032 - 2049000}}) {
    NodeHarness node(c.id, "{}", {{"V", 2}, {"C", 3}});
    EXPECT_EQ(trainable_numbers(node), c.numbers) << c.id;
    node.input("images", images(2, 2, 3, 64));
    node.forward();
    EXPECT_EQ(node.output("features").sizes(), (std::vector<std::int64_t>{2, 2, c.features})) << c.id;
    NodeHarness small(c.id, R"({"stem": "cifar"})", {{"V", 1}, {"C", 1}});
    EXPECT_EQ(trainable_numbers(small), c.numbers - 64 * 3 * 49 + 64 * 9) << c.id;
    small.input("images", images(1, 2, 1, 28));
    small.forward();
    EXPECT_EQ(small.output("features").sizes(), (std::vector<std::int64_t>{1, 2, c.features})) << c.id;
  }
}

TEST(Backbones, ResNetsHaveTorchvisionsNames) {
  NodeHarness node("backbone.resnet18", "{}", {{"C", 3}});
  std::vector<std::string> expected{"conv1.weight"};
  const auto norm = [&](const std::string& name) {
    for (const char* part : {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}) expected.push_back(name + "." + part);
  };
  norm("bn1");
  for (int layer = 1; layer <= 4; ++layer)
    for (int block = 0; block < 2; ++block) {
      const std::string prefix = "layer" + std::to_string(layer) + "." + std::to_string(block) + ".";
      for (const char* number : {"1", "2"}) {
        expected.push_back(prefix + "conv" + number + ".weight");
        norm(prefix + "bn" + number);
      }
      if (layer > 1 && block == 0) {
        expected.push_back(prefix + "downsample.0.weight");
        norm(prefix + "downsample.1");
      }
    }
  std::set<std::string> names;
  for (const auto& t : node.state()) names.insert(t.name);
  EXPECT_EQ(names, std::set<std::string>(expected.begin(), expected.end()));
}

TEST(Backbones, ResNetsStartAsTorchvisions) {
  NodeHarness node("backbone.resnet50", "{}", {{"C", 3}}), zero("backbone.resnet50", R"({"zero_init_residual": true})", {{"C", 3}});
  // Kaiming, fan out: variance 2 / (out * kernel^2).
  const at::Tensor w = tensor(node, "layer3.1.conv2.weight");
  EXPECT_NEAR(w.std().item<double>(), std::sqrt(2.0 / (256 * 9)), 1e-4);
  EXPECT_NEAR(tensor(node, "conv1.weight").std().item<double>(), std::sqrt(2.0 / (64 * 49)), 1e-3);
  EXPECT_TRUE(at::equal(tensor(node, "layer1.0.bn3.weight"), at::ones({256})));
  EXPECT_EQ(tensor(zero, "layer1.0.bn3.weight").abs().max().item<double>(), 0);
  EXPECT_TRUE(at::equal(tensor(zero, "layer1.0.bn2.weight"), at::ones({64})));
  EXPECT_TRUE(w.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST(Backbones, ConvNetRefusesLayersThatDoNotAgree) {
  const auto message = [](const char* parameters) -> std::string {
    try {
      NodeHarness("backbone.convnet", parameters, {{"C", 1}});
    } catch (const cdc::Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(message(R"({"channels": [4, 8]})").find("'channels', 'kernels' and 'strides' say different numbers of layers: 2, 5 and 5"),
            std::string::npos);
  EXPECT_NE(message(R"({"channels": [4], "kernels": [4], "strides": [1]})").find("kernels must have odd sides, found 4"), std::string::npos);
}

TEST(Backbones, ConvNetHasOneBlockALayer) {
  NodeHarness node("backbone.convnet", R"({"channels": [4, 8, 16, 16, 32]})", {{"C", 1}});
  node.input("images", images(2, 3, 1, 28));
  node.forward();
  EXPECT_EQ(node.output("features").sizes(), (std::vector<std::int64_t>{2, 3, 32}));
  const std::int64_t w = 4;
  EXPECT_EQ(trainable_numbers(node), 9 * w * (1 + 2 * w + 8 * w + 16 * w + 32 * w) + 2 * (w + 2 * w + 4 * w + 4 * w + 8 * w));
  EXPECT_EQ(tensor(node, "4.0.weight").sizes(), (std::vector<std::int64_t>{32, 16, 3, 3}));
}

TEST(Backbones, ConvNetAveragesOverAGrid) {
  NodeHarness one("backbone.convnet", R"({"channels": [6], "kernels": [3], "strides": [2]})", {{"C", 1}});
  NodeHarness four("backbone.convnet", R"({"channels": [6], "kernels": [3], "strides": [2], "pool_size": 2})", {{"C", 1}});
  const auto from = one.state(), to = four.state();
  ASSERT_EQ(from.size(), to.size());
  for (std::size_t t = 0; t < from.size(); ++t) to[t].tensor.detach().copy_(from[t].tensor);
  for (NodeHarness* node : {&one, &four}) {
    node->set_training(false);
    node->input("images", images(1, 2, 1, 28));
    node->forward();
  }
  // Of 14 x 14 positions each cell of a grid of 2 takes 7 x 7: the mean of the four is the mean of all.
  const at::Tensor whole = one.output("features"), grid = four.output("features");
  ASSERT_EQ(grid.sizes(), (std::vector<std::int64_t>{1, 2, 24}));
  EXPECT_TRUE(at::allclose(grid.view({1, 2, 6, 4}).mean(-1), whole, 0, 1e-6));
  EXPECT_FALSE(at::allclose(grid.view({1, 2, 6, 4}).select(-1, 0), whole, 0, 1e-3));
}

TEST(Backbones, NormalisationFollowsTrainingAndEvaluation) {
  NodeHarness node("backbone.convnet", R"({"channels": [4, 8, 16, 16, 32]})", {{"C", 3}});
  const at::Tensor before = tensor(node, "0.1.running_mean").clone();
  node.set_training(false);
  node.input("images", images(1, 4, 3, 32));
  node.forward();
  EXPECT_TRUE(at::equal(tensor(node, "0.1.running_mean"), before));
  EXPECT_FALSE(node.output("features").requires_grad());
  node.set_training(true);
  node.forward();
  EXPECT_FALSE(at::equal(tensor(node, "0.1.running_mean"), before));
  EXPECT_TRUE(node.output("features").requires_grad());
}

TEST(Backbones, AnUnknownNumberOfChannelsIsNamed) {
  try {
    NodeHarness("backbone.convnet", "{}", {});
    FAIL();
  } catch (const cdc::Error& e) {
    EXPECT_NE(std::string(e.what()).find("the size 'C' of its ports is not known"), std::string::npos) << e.what();
  }
}

}  // namespace
