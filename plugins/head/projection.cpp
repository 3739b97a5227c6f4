#include "cdc/module.hpp"
#include "mlp.hpp"

namespace {

class Projection final : public cdc::ModuleNode {
 public:
  std::int64_t dim = 128, hidden = 2048, layers = 1;
  bool batch_norm = false, normalise = true;
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Features of a backbone", "V,B,F"};
  static constexpr cdc::Out<cdc::Embeddings> kEmbedding{"embedding", "The projection; float32 and of length 1 with normalise"};

  static void describe(cdc::Schema<Projection>& s) {
    s.summary("A multi-layer perceptron: Linear, ReLU, Linear (SimCLR, MoCo v2), as many hidden layers as wanted.");
    s.param(&Projection::dim, "dim", "Width of the output").range(1, 65536);
    s.param(&Projection::hidden, "hidden", "Width of the hidden layers").range(1, 65536);
    s.param(&Projection::layers, "layers", "Number of hidden layers; 0 leaves a linear map").range(0, 8);
    s.param(&Projection::batch_norm, "batch_norm", "Batch normalisation after each hidden layer's linear map");
    s.param(&Projection::normalise, "normalise", "Scale each output to length 1");
    s.input(kFeatures).output(kEmbedding).size("D", &Projection::dim);
  }

  std::shared_ptr<torch::nn::Module> make(const cdc::BuildContext& context) override {
    return std::make_shared<cdc::MlpImpl>(context.size("F"), hidden, layers, batch_norm, dim);
  }
  void forward(cdc::Step& step) override {
    const at::Tensor& features = step.in(kFeatures);
    auto& m = module<cdc::MlpImpl>();
    const at::Tensor z = m.output(m.hidden->forward(cdc::merge_views(features)));
    step.out(kEmbedding, cdc::split_views(normalise ? cdc::unit_length(z) : z, features.size(0)));
  }
};

}  // namespace
CDC_PLUGIN(Projection, "head.projection")
