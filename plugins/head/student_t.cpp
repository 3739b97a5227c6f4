#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/log1p.h>

#include "cdc/error.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/node.hpp"

namespace {

/// Cluster centres mu_k in the space of the features, and the Student-t kernel as a soft assignment (van der Maaten and Hinton 2008; DEC, Xie et al.,
/// arXiv 1511.06335, equation 1): c_ik proportional to (1 + |h_i - mu_k|^2 / alpha)^(-(alpha + 1) / 2). Given as logits, so that softmax(logits) = c.
class StudentT final : public cdc::Node {
 public:
  std::int64_t clusters = 0;
  double alpha = 1.0;
  int restarts = 20;
  at::Tensor centres;

  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "What the centres lie among", "V,B,F"};
  static constexpr cdc::Out<cdc::Logits> kCluster{"cluster", "log c up to a constant a sample: softmax gives the soft assignment"};

  static void describe(cdc::Schema<StudentT>& s) {
    s.summary("Trained cluster centres and a Student-t soft assignment (DEC); k-means on the whole set gives the first centres.");
    s.param(&StudentT::clusters, "clusters", "Number of clusters K").range(2, 1e6).required();
    s.param(&StudentT::alpha, "alpha", "Degrees of freedom of the Student-t kernel").range(1e-3, 1e6);
    s.param(&StudentT::restarts, "restarts", "Starts of the k-means that gives the first centres").range(1, 1000);
    s.input(kFeatures).output(kCluster).full_precision();
    s.size("K", &StudentT::clusters);
    s.parameter_state(&StudentT::centres, "centres");
  }

  void build(const cdc::BuildContext& context) override { centres = at::empty({clusters, context.size("F")}).normal_(); }

  void begin_training(cdc::WholeSet& all) override {
    const at::Tensor x = all.features(kFeatures).contiguous();
    cdc::KMeansOptions options;
    options.clusters = clusters;
    options.restarts = restarts;
    options.seed = all.seed();
    cdc::KMeansResult found = cdc::kmeans(x.data_ptr<float>(), x.size(0), x.size(1), options);
    if (found.empty > 0)
      throw cdc::Error(
          "k-means found fewer distinct features than clusters, so that centres would coincide: lower clusters, or look at what gives the features");
    centres.copy_(at::from_blob(found.centres.data(), {clusters, x.size(1)}, at::kFloat));
  }

  void forward(cdc::Step& step) override {
    const at::Tensor& h = step.in(kFeatures);
    // |h|^2 - 2 h mu + |mu|^2 would cancel near a centre, where the kernel is steepest; from the centres' mean the numbers are small.
    const at::Tensor origin = centres.detach().mean(0);
    const at::Tensor x = h - origin, mu = centres - origin;
    const at::Tensor squared = (x.square().sum(-1, /*keepdim=*/true) - 2 * x.matmul(mu.t()) + mu.square().sum(-1)).clamp_min(0);
    step.out(kCluster, at::log1p(squared / alpha) * (-(alpha + 1) / 2));
  }
};

}  // namespace
CDC_PLUGIN(StudentT, "head.student_t")
