#include "cdc/module.hpp"
#include "mlp.hpp"

namespace {

struct CdcHeadImpl final : torch::nn::Module {
  CdcHeadImpl(std::int64_t features, std::int64_t width, std::int64_t layers, std::int64_t clusters, std::int64_t instance_dim)
      : hidden(register_module("hidden", std::make_shared<cdc::HiddenImpl>(features, width, layers, true))),
        cluster(register_module("cluster", torch::nn::Linear(width, clusters))),
        instance(register_module("instance", torch::nn::Linear(width, instance_dim))) {}
  std::shared_ptr<cdc::HiddenImpl> hidden;
  torch::nn::Linear cluster, instance;
};

/// The two parts of z = (z_c, z_n) of "CDC / CLC" (arXiv 2306.05439), from a shared hidden layer. Our reconstruction: see docs of loss.cdc.
class CdcHead final : public cdc::ModuleNode {
 public:
  std::int64_t clusters = 0, instance_dim = 128, hidden = 2048, layers = 1;
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Features of a backbone", "V,B,F"};
  static constexpr cdc::Out<cdc::Logits> kCluster{"cluster", "z_c: a score a cluster, not normalised (the loss does)"};
  static constexpr cdc::Out<cdc::Embeddings> kInstance{"instance", "z_n: float32, of length 1", "V,B,I"};

  static void describe(cdc::Schema<CdcHead>& s) {
    s.summary("Hidden layers (Linear, BatchNorm, ReLU) with two outputs: cluster logits and an instance embedding.");
    s.param(&CdcHead::clusters, "clusters", "Number of clusters K").range(2, 1e6).required();
    s.param(&CdcHead::instance_dim, "instance_dim", "Width of the instance embedding").range(1, 65536);
    s.param(&CdcHead::hidden, "hidden", "Width of the hidden layers").range(1, 65536);
    s.param(&CdcHead::layers, "layers", "Number of hidden layers").range(1, 8);
    s.input(kFeatures).output(kCluster).output(kInstance);
    s.size("K", &CdcHead::clusters).size("I", &CdcHead::instance_dim);
  }

  std::shared_ptr<torch::nn::Module> make(const cdc::BuildContext& context) override {
    return std::make_shared<CdcHeadImpl>(context.size("F"), hidden, layers, clusters, instance_dim);
  }
  void forward(cdc::Step& step) override {
    const at::Tensor& features = step.in(kFeatures);
    auto& m = module<CdcHeadImpl>();
    const at::Tensor g = m.hidden->forward(cdc::merge_views(features));
    step.out(kCluster, cdc::split_views(m.cluster(g), features.size(0)));
    step.out(kInstance, cdc::split_views(cdc::unit_length(m.instance(g)), features.size(0)));
  }
};

}  // namespace
CDC_PLUGIN(CdcHead, "head.cdc")
