#include <ATen/ops/adaptive_avg_pool2d.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include "cdc/module.hpp"
#include "layout.hpp"

namespace {

struct ConvNetImpl final : torch::nn::Module {
  ConvNetImpl(std::int64_t channels, std::int64_t width) {
    const std::int64_t widths[] = {width, 2 * width, 4 * width, 4 * width, 8 * width};
    const std::int64_t strides[] = {2, 1, 2, 1, 2};
    for (int i = 0; i < 5; ++i) {
      const std::string block = std::to_string(i);
      convs.push_back(
          torch::nn::Conv2d(torch::nn::Conv2dOptions(i == 0 ? channels : widths[i - 1], widths[i], 3).stride(strides[i]).padding(1).bias(false)));
      norms.push_back(torch::nn::BatchNorm2d(widths[i]));
      // Names as torch::nn::Sequential(Sequential(conv, norm, relu), ...) would give them: "0.0.weight", "0.1.weight".
      auto pair = std::make_shared<cdc::Group>();
      pair->register_module("0", convs.back().ptr());
      pair->register_module("1", norms.back().ptr());
      register_module(block, pair);
    }
    cdc::to_channels_last(*this);
  }

  at::Tensor forward(at::Tensor x) {
    for (std::size_t i = 0; i < convs.size(); ++i) x = norms[i](convs[i](x)).relu_();
    return at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
  }

  std::vector<torch::nn::Conv2d> convs;
  std::vector<torch::nn::BatchNorm2d> norms;
};

class ConvNet final : public cdc::ModuleNode {
 public:
  std::int64_t width = 16;
  static constexpr cdc::In<cdc::Images> kImages{"images", "Views of a batch of images"};
  static constexpr cdc::Out<cdc::Embeddings> kFeatures{"features", "Mean of the last layer over positions, 8 * width wide"};

  static void describe(cdc::Schema<ConvNet>& s) {
    s.summary("Five 3x3 convolutions with batch normalisation and ReLU, for small images on a CPU.");
    s.param(&ConvNet::width, "width", "Channels of the first layer; the layers have 1, 2, 4, 4 and 8 times as many").range(1, 1024);
    s.input(kImages).output(kFeatures).size("D", [](const ConvNet& c) { return 8 * c.width; });
  }

  std::shared_ptr<torch::nn::Module> make(const cdc::BuildContext& context) override {
    return std::make_shared<ConvNetImpl>(context.size("C"), width);
  }
  void forward(cdc::Step& step) override {
    const at::Tensor& images = step.in(kImages);
    step.out(kFeatures, cdc::split_views(module<ConvNetImpl>().forward(cdc::images_channels_last(images)), images.size(0)));
  }
};

}  // namespace
CDC_PLUGIN(ConvNet, "backbone.convnet")
