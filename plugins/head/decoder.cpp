#include <fmt/format.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <array>
#include <vector>

#include "cdc/error.hpp"
#include "cdc/module.hpp"

namespace {

using Size = std::array<std::int64_t, 2>;  ///< height, width

struct DecoderImpl final : torch::nn::Module {
  /// `grids[i]` is the size of the input of the encoder's layer i; the last one, of its output.
  DecoderImpl(std::int64_t features, std::int64_t image_channels, const std::vector<std::int64_t>& channels, const std::vector<std::int64_t>& kernels,
              const std::vector<std::int64_t>& strides, const std::vector<Size>& grids)
      : shape{channels.back(), grids.back()[0], grids.back()[1]},
        input(register_module("input", torch::nn::Linear(torch::nn::LinearOptions(features, shape[0] * shape[1] * shape[2]).bias(false)))) {
    for (std::size_t i = channels.size(); i-- > 0;) {
      const std::string place = std::to_string(convs.size());
      norms.push_back(register_module("norm" + place, torch::nn::BatchNorm2d(channels[i])));
      // A stride s makes both s n and s n - s + 1 rows into n: which of them it was is the output padding.
      const auto lost = [&](std::size_t axis) { return grids[i][axis] - 1 - (grids[i + 1][axis] - 1) * strides[i]; };
      convs.push_back(register_module(
          "conv" + place,
          torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(channels[i], i == 0 ? image_channels : channels[i - 1], kernels[i])
                                         .stride(strides[i])
                                         .padding(kernels[i] / 2)
                                         .output_padding({lost(0), lost(1)})
                                         .bias(i == 0))));
    }
  }

  /// [n, F] to [n, C, H, W].
  at::Tensor forward(const at::Tensor& features) {
    at::Tensor x = input(features).unflatten(1, std::vector<std::int64_t>(shape.begin(), shape.end()));
    for (std::size_t i = 0; i < convs.size(); ++i) x = convs[i]->forward(norms[i](x).relu_());
    return x;
  }

  std::array<std::int64_t, 3> shape;
  torch::nn::Linear input;
  std::vector<torch::nn::BatchNorm2d> norms;
  std::vector<torch::nn::ConvTranspose2d> convs;
};

/// backbone.convnet turned around, the decoder of an autoencoder (DEC, arXiv 1511.06335; IDEC, Guo et al., IJCAI 2017; convolutional as in DCEC, Guo
/// et al., ICONIP 2017): a linear map to the grid of the encoder's last layer, then its layers in reverse as transposed convolutions, each after
/// batch normalisation and ReLU; the last gives the image as it is. The image's size is that of the views which a loss compares it with.
class Decoder final : public cdc::ModuleNode {
 public:
  std::vector<std::int64_t> channels = {16, 32, 64, 64, 128}, kernels = {3, 3, 3, 3, 3}, strides = {2, 1, 2, 1, 2};
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Features of a backbone", "V,B,F"};
  static constexpr cdc::Out<cdc::Images> kImages{"images", "The images as they are reconstructed"};

  static void describe(cdc::Schema<Decoder>& s) {
    s.summary("Transposed convolutions from features to images: backbone.convnet with the same parameters, turned around.");
    s.param(&Decoder::channels, "channels", "Channels of each layer's output in the encoder").range(1, 65536).length(1, 64);
    s.param(&Decoder::kernels, "kernels", "Side of each of the encoder's kernels, odd").range(1, 31).length(1, 64);
    s.param(&Decoder::strides, "strides", "Stride of each of the encoder's layers").range(1, 16).length(1, 64);
    // LibTorch 1.13 takes a transposed convolution in bfloat16 on the CPU for a plain one.
    s.input(kFeatures).output(kImages).full_precision();
  }

  void check() const override {
    if (kernels.size() != channels.size() || strides.size() != channels.size())
      throw cdc::Error(fmt::format("'channels', 'kernels' and 'strides' say different numbers of layers: {}, {} and {}", channels.size(),
                                   kernels.size(), strides.size()));
    for (const std::int64_t k : kernels)
      if (k % 2 == 0) throw cdc::Error(fmt::format("kernels must have odd sides, found {}", k));
  }

  std::shared_ptr<torch::nn::Module> make(const cdc::BuildContext& context) override {
    std::vector<Size> grids = {{context.size("H"), context.size("W")}};
    for (const std::int64_t stride : strides) grids.push_back({(grids.back()[0] - 1) / stride + 1, (grids.back()[1] - 1) / stride + 1});
    return std::make_shared<DecoderImpl>(context.size("F"), context.size("C"), channels, kernels, strides, grids);
  }
  void forward(cdc::Step& step) override {
    const at::Tensor& features = step.in(kFeatures);
    step.out(kImages, cdc::split_views(module<DecoderImpl>().forward(cdc::merge_views(features)), features.size(0)));
  }
};

}  // namespace
CDC_PLUGIN(Decoder, "head.decoder")
