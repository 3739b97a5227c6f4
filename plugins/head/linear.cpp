#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <cmath>

#include "cdc/node.hpp"

namespace {

/// A classifier on features: logits = W h + b. DeepCluster (Caron et al., arXiv 1807.05520, section 4.2; `reset_every` as often as the pseudo-labels
/// are made) and SeLa (Asano et al., arXiv 1911.05371) train it on labels of their own; several heads are several nodes. Each reset draws weights as
/// they are drawn at first, uniform in +-1 / sqrt(F), from another seed; what the optimiser remembers of them (momentum) stays, where DeepCluster's
/// code makes a new optimiser for the classifier.
class Linear final : public cdc::Node {
 public:
  std::int64_t clusters = 0, reset_every = 0;
  at::Tensor weight, bias;

  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Features of a backbone", "V,B,F"};
  static constexpr cdc::Out<cdc::Logits> kLogits{"logits", "A score a class"};

  static void describe(cdc::Schema<Linear>& s) {
    s.summary("A linear classifier.");
    s.param(&Linear::clusters, "clusters", "Number of classes K").range(1, 1e6).required();
    s.param(&Linear::reset_every, "reset_every", "Epochs after which the classifier is made anew, since its labels are (DeepCluster); 0: never")
        .range(0, 1e6);
    s.input(kFeatures).output(kLogits);
    s.size("K", &Linear::clusters);
    s.parameter_state(&Linear::weight, "weight").parameter_state(&Linear::bias, "bias");
  }

  void build(const cdc::BuildContext& context) override {
    weight = at::empty({clusters, context.size("F")});
    bias = at::empty({clusters});
    draw(context.seed);
  }

  void begin_epoch(cdc::WholeSet& all) override {
    if (reset_every > 0 && all.epoch() % reset_every == 0) draw(all.seed());
  }

  void forward(cdc::Step& step) override { step.out(kLogits, at::linear(step.in(kFeatures), weight, bias)); }

 private:
  void draw(std::uint64_t seed) {
    const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
    for (const at::Tensor& p : {weight, bias}) p.detach().copy_(at::empty(p.sizes(), at::kFloat).uniform_(-bound, bound, generator));
  }
};

}  // namespace
CDC_PLUGIN(Linear, "head.linear")
