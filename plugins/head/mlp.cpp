#include "mlp.hpp"

#include "cdc/module.hpp"

namespace {

/// Cluster logits by a multi-layer perceptron, as the cluster head of Contrastive Clustering (Li et al., arXiv 2009.09687, section 3.3) and most that
/// follow.
class Mlp final : public cdc::ModuleNode {
 public:
  std::int64_t clusters = 0, hidden = 512, layers = 1;
  bool batch_norm = false;
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Features of a backbone", "V,B,F"};
  static constexpr cdc::Out<cdc::Logits> kLogits{"logits", "A score a cluster"};

  static void describe(cdc::Schema<Mlp>& s) {
    s.summary("Cluster logits by a multi-layer perceptron: Linear, ReLU, Linear.");
    s.param(&Mlp::clusters, "clusters", "Number of clusters K").range(1, 1e6).required();
    s.param(&Mlp::hidden, "hidden", "Width of the hidden layers").range(1, 65536);
    s.param(&Mlp::layers, "layers", "Number of hidden layers").range(1, 8);
    s.param(&Mlp::batch_norm, "batch_norm", "Batch normalisation after each hidden layer's linear map");
    s.input(kFeatures).output(kLogits).size("K", &Mlp::clusters);
  }

  std::shared_ptr<torch::nn::Module> make(const cdc::BuildContext& context) override {
    return std::make_shared<cdc::MlpImpl>(context.size("F"), hidden, layers, batch_norm, clusters);
  }
  void forward(cdc::Step& step) override {
    const at::Tensor& features = step.in(kFeatures);
    auto& m = module<cdc::MlpImpl>();
    step.out(kLogits, cdc::split_views(m.output(m.hidden->forward(cdc::merge_views(features))), features.size(0)));
  }
};

}  // namespace
CDC_PLUGIN(Mlp, "head.mlp")
