#include <ATen/ops/adaptive_avg_pool2d.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <fmt/format.h>

#include <vector>

#include "cdc/error.hpp"
#include "cdc/module.hpp"
#include "layout.hpp"

namespace {

struct ConvNetImpl final : torch::nn::Module {
  ConvNetImpl(std::int64_t channels, const std::vector<std::int64_t>& widths, const std::vector<std::int64_t>& kernels,
              const std::vector<std::int64_t>& strides, std::int64_t pool_size)
      : grid(pool_size) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string block = std::to_string(i);
      const auto options = torch::nn::Conv2dOptions(i == 0 ? channels : widths[i - 1], widths[i], kernels[i]);
      convs.push_back(torch::nn::Conv2d(torch::nn::Conv2dOptions(options).stride(strides[i]).padding(kernels[i] / 2).bias(false)));
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
    return at::adaptive_avg_pool2d(x, {grid, grid}).flatten(1);
  }

  std::int64_t grid;
  std::vector<torch::nn::Conv2d> convs;
  std::vector<torch::nn::BatchNorm2d> norms;
};

class ConvNet final : public cdc::ModuleNode {
 public:
  std::vector<std::int64_t> channels = {16, 32, 64, 64, 128}, kernels = {3, 3, 3, 3, 3}, strides = {2, 1, 2, 1, 2};
  std::int64_t pool_size = 1;
  static constexpr cdc::In<cdc::Images> kImages{"images", "Views of a batch of images"};
  static constexpr cdc::Out<cdc::Embeddings> kFeatures{"features", "Mean of the last layer over positions: channels * pool_size^2 numbers"};

  static void describe(cdc::Schema<ConvNet>& s) {
    s.summary("Convolutions with batch normalisation and ReLU, then the mean over positions: for small images on a CPU.");
    s.version(2);  // 2: first layer of grey images channels last
    s.param(&ConvNet::channels, "channels", "Channels of each layer's output").range(1, 65536).length(1, 64);
    s.param(&ConvNet::kernels, "kernels", "Side of each layer's kernel, odd").range(1, 31).length(1, 64);
    s.param(&ConvNet::strides, "strides", "Stride of each layer").range(1, 16).length(1, 64);
    s.param(&ConvNet::pool_size, "pool_size", "Positions are averaged over a grid of this side; 1: all of them, which forgets where things are")
        .range(1, 64);
    s.input(kImages).output(kFeatures).size("D",
                                            [](const ConvNet& c) { return c.channels.empty() ? 0 : c.channels.back() * c.pool_size * c.pool_size; });
  }

  void check() const override {
    if (kernels.size() != channels.size() || strides.size() != channels.size())
      throw cdc::Error(fmt::format("'channels', 'kernels' and 'strides' say different numbers of layers: {}, {} and {}", channels.size(),
                                   kernels.size(), strides.size()));
    for (const std::int64_t k : kernels)
      if (k % 2 == 0) throw cdc::Error(fmt::format("kernels must have odd sides, found {}", k));
  }

  std::shared_ptr<torch::nn::Module> make(const cdc::BuildContext& context) override {
    return std::make_shared<ConvNetImpl>(context.size("C"), channels, kernels, strides, pool_size);
  }
  void forward(cdc::Step& step) override {
    const at::Tensor& images = step.in(kImages);
    step.out(kFeatures, cdc::split_views(module<ConvNetImpl>().forward(cdc::images_channels_last(images)), images.size(0)));
  }
};

}  // namespace
CDC_PLUGIN(ConvNet, "backbone.convnet")
