#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <array>

#include "cdc/module.hpp"
#include "layout.hpp"

namespace {

using torch::nn::BatchNorm2d;
using torch::nn::Conv2d;

Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  return Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(padding).bias(false));
}

/// A residual block: two 3x3 convolutions (basic), or 1x1, 3x3 with the stride, 1x1 to four times the width (bottleneck).
struct BlockImpl final : torch::nn::Module {
  BlockImpl(bool bottleneck, std::int64_t in, std::int64_t width, std::int64_t stride) {
    const std::int64_t out = bottleneck ? 4 * width : width;
    if (bottleneck) {
      add(convolution(in, width, 1, 1, 0), width);
      add(convolution(width, width, 3, stride, 1), width);
      add(convolution(width, out, 1, 1, 0), out);
    } else {
      add(convolution(in, width, 3, stride, 1), width);
      add(convolution(width, width, 3, 1, 1), width);
    }
    if (stride != 1 || in != out) {
      auto downsample = std::make_shared<cdc::Group>();
      shortcut_conv = downsample->register_module("0", convolution(in, out, 1, stride, 0));
      shortcut_norm = downsample->register_module("1", BatchNorm2d(out));
      register_module("downsample", downsample);
    }
  }

  at::Tensor forward(const at::Tensor& x) {
    at::Tensor y = x;
    for (std::size_t i = 0; i < convs.size(); ++i) {
      y = norms[i](convs[i](y));
      if (i + 1 < convs.size()) y.relu_();
    }
    y += shortcut_conv ? shortcut_norm(shortcut_conv(x)) : x;
    return y.relu_();
  }

  void add(Conv2d conv, std::int64_t channels) {
    const std::string number = std::to_string(convs.size() + 1);
    convs.push_back(register_module("conv" + number, std::move(conv)));
    norms.push_back(register_module("bn" + number, BatchNorm2d(channels)));
  }

  std::vector<Conv2d> convs;
  std::vector<BatchNorm2d> norms;
  Conv2d shortcut_conv{nullptr};
  BatchNorm2d shortcut_norm{nullptr};
};

struct Design {
  bool bottleneck;
  std::array<int, 4> blocks;
};

struct ResNetImpl final : torch::nn::Module {
  ResNetImpl(const Design& design, std::int64_t channels, bool cifar, bool zero_init_residual) : pool(!cifar) {
    conv1 = register_module("conv1", cifar ? convolution(channels, 64, 3, 1, 1) : convolution(channels, 64, 7, 2, 3));
    bn1 = register_module("bn1", BatchNorm2d(64));
    std::int64_t in = 64;
    for (int layer = 0; layer < 4; ++layer) {
      const std::int64_t width = std::int64_t{64} << layer;
      auto group = std::make_shared<cdc::Group>();
      for (int i = 0; i < design.blocks[static_cast<std::size_t>(layer)]; ++i) {
        auto block = std::make_shared<BlockImpl>(design.bottleneck, in, width, layer > 0 && i == 0 ? 2 : 1);
        blocks.push_back(group->register_module(std::to_string(i), block));
        in = design.bottleneck ? 4 * width : width;
      }
      register_module("layer" + std::to_string(layer + 1), group);
    }
    for (const auto& m : modules(false))
      if (auto* conv = m->as<Conv2d>()) torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
    if (zero_init_residual)
      for (auto& block : blocks) torch::nn::init::zeros_(block->norms.back()->weight);
    cdc::to_channels_last(*this);
  }

  at::Tensor forward(at::Tensor x) {
    x = bn1(conv1(x)).relu_();
    if (pool) x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (auto& block : blocks) x = block->forward(x);
    return at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
  }

  bool pool;
  Conv2d conv1{nullptr};
  BatchNorm2d bn1{nullptr};
  std::vector<std::shared_ptr<BlockImpl>> blocks;
};

/// He et al., "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), without its classifier; the stride of a bottleneck is in its 3x3
/// convolution, as in torchvision, whose names the tensors have.
template <class Depth>
class ResNet final : public cdc::ModuleNode {
 public:
  std::string stem = "imagenet";
  bool zero_init_residual = false;
  static constexpr cdc::In<cdc::Images> kImages{"images", "Views of a batch of images"};
  static constexpr cdc::Out<cdc::Embeddings> kFeatures{"features", "Mean of the last layer over positions"};

  static void describe(cdc::Schema<ResNet>& s) {
    s.summary(Depth::kSummary);
    s.version(2);  // 2: first layer of grey images channels last
    s.param(&ResNet::stem, "stem", "imagenet: 7x7 convolution of stride 2 and max-pooling; cifar: 3x3 of stride 1, for images of 28 to 64 pixels")
        .choices({"imagenet", "cifar"});
    s.param(&ResNet::zero_init_residual, "zero_init_residual", "Start the last normalisation of each block at 0, so that blocks begin as identities");
    s.input(kImages).output(kFeatures).size("D", [](const ResNet&) { return Depth::kDesign.bottleneck ? 2048 : 512; });
  }

  std::shared_ptr<torch::nn::Module> make(const cdc::BuildContext& context) override {
    return std::make_shared<ResNetImpl>(Depth::kDesign, context.size("C"), stem == "cifar", zero_init_residual);
  }
  void forward(cdc::Step& step) override {
    const at::Tensor& images = step.in(kImages);
    step.out(kFeatures, cdc::split_views(module<ResNetImpl>().forward(cdc::images_channels_last(images)), images.size(0)));
  }
};

struct Depth18 {
  static constexpr Design kDesign{false, {2, 2, 2, 2}};
  static constexpr const char* kSummary = "ResNet-18 without its classifier: 512 features.";
};
struct Depth34 {
  static constexpr Design kDesign{false, {3, 4, 6, 3}};
  static constexpr const char* kSummary = "ResNet-34 without its classifier: 512 features.";
};
struct Depth50 {
  static constexpr Design kDesign{true, {3, 4, 6, 3}};
  static constexpr const char* kSummary = "ResNet-50 without its classifier: 2048 features.";
};

}  // namespace
CDC_PLUGIN(ResNet<Depth18>, "backbone.resnet18")
CDC_PLUGIN(ResNet<Depth34>, "backbone.resnet34")
CDC_PLUGIN(ResNet<Depth50>, "backbone.resnet50")
