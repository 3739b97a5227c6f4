#include <ATen/TensorOperators.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "kmeans_labels.hpp"
#include "whole_set.hpp"

namespace {

/// PCL's prototypes (Li et al., "Prototypical Contrastive Learning", arXiv 2005.04966, section 3): the centres c of k-means over the momentum
/// encoder's embeddings at an epoch's start, and the concentration of each cluster (equation 12), phi = sum over its Z samples of |v - c| / (Z log(Z
/// + alpha)). As in its code, a cluster of one sample or none has the largest phi, phi is kept between its 10th and 90th percentile, then scaled so
/// that its mean is tau; and c is brought to length 1. A phi below a hundredth of tau counts as that. One node a clustering: PCL's several
/// granularities are several nodes.
class Prototypes final : public cdc::Node {
 public:
  std::int64_t clusters = 0, every = 1, start_epoch = 0;
  int restarts = 5, max_iterations = 20;
  std::string init = "k-means++";
  double alpha = 10, tau = 0.2;
  at::Tensor labels;          ///< [N] int32; none before start_epoch
  at::Tensor centres;         ///< [K, D]
  at::Tensor concentrations;  ///< [K]

  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "What is clustered, scaled to length 1: the momentum encoder's embeddings"};
  static constexpr cdc::Out<cdc::Embeddings> kPrototypes{"prototypes", "Centres, each over its concentration: dot products with them are logits",
                                                         "1,K,D"};
  static constexpr cdc::Out<cdc::Codes> kCodes{"codes", "One-hot codes of the batch's samples; rows of zeros before start_epoch", "1,B,K"};

  static void describe(cdc::Schema<Prototypes>& s) {
    s.summary("Prototypes and concentrations by k-means of the whole set's features at the start of epochs (PCL).");
    cdc_assign::kmeans_parameters(s);
    cdc_assign::every_parameter(s);
    s.param(&Prototypes::start_epoch, "start_epoch", "First epoch (from 0) with prototypes (PCL on ImageNet: 20)").range(0, 1e6);
    s.param(&Prototypes::alpha, "alpha", "Keeps small clusters from small concentrations").range(1, 1e6);
    s.param(&Prototypes::tau, "tau", "Mean concentration").range(1e-3, 100);
    s.input(kFeatures).output(kPrototypes).output(kCodes).full_precision().no_gradient();
    s.state(&Prototypes::labels, "labels").state(&Prototypes::centres, "centres").state(&Prototypes::concentrations, "concentrations");
  }

  void build(const cdc::BuildContext& context) override {
    labels = at::empty({0}, at::kInt);
    centres = at::zeros({clusters, context.size("D")});
    concentrations = at::full({clusters}, tau);
  }

  void begin_epoch(cdc::WholeSet& all) override {
    if (all.epoch() < start_epoch || (all.epoch() - start_epoch) % every != 0) return;
    const at::Tensor x = unit_length(cdc_assign::finite_features(all, kFeatures)).contiguous();
    const cdc_assign::Clustering found = cdc_assign::cluster(x, *this, all.seed());
    const at::Tensor of = found.labels.to(at::kLong);
    const at::Tensor distance = at::linalg_vector_norm(x - found.centres.index_select(0, of), 2, {-1}).to(at::kDouble);
    concentrations = concentrations_of(distance, of).to(at::kFloat).to(concentrations.device());
    centres = unit_length(found.centres).to(centres.device());
    labels = found.labels.to(labels.device());
  }

  void forward(cdc::Step& step) override {
    step.out(kPrototypes, (centres / concentrations.unsqueeze(1)).unsqueeze(0));
    if (labels.size(0) == 0) step.nothing_counts(fmt::format("there are no prototypes before start_epoch = {}", start_epoch));
    step.out(kCodes, labels.size(0) == 0 ? at::zeros({1, step.indices().size(0), clusters}, centres.options())
                                         : cdc_assign::codes_of(cdc_assign::of_batch(labels, step), clusters));
  }

 private:
  static at::Tensor unit_length(const at::Tensor& x) { return x / at::linalg_vector_norm(x, 2, {-1}, /*keepdim=*/true).clamp_min(1e-12); }

  /// [K], of each sample's distance to its centre, [N].
  at::Tensor concentrations_of(const at::Tensor& distance, const at::Tensor& of) const {
    const at::Tensor size = at::bincount(of, {}, clusters).to(at::kDouble);
    at::Tensor phi = at::bincount(of, distance, clusters) / (size.clamp_min(1) * (size + alpha).log());
    phi = at::where(size > 1, phi, at::where(size > 1, phi, at::zeros_like(phi)).max());
    phi = phi.clamp(at::quantile(phi, 0.1), at::quantile(phi, 0.9));
    const at::Tensor mean = phi.mean();
    // All samples on their centres: every cluster is as concentrated as the others.
    phi = mean.item<double>() > 0 ? phi * (tau / mean) : at::full_like(phi, tau);
    return phi.clamp_min(0.01 * tau);
  }
};

}  // namespace
CDC_PLUGIN(Prototypes, "assign.prototypes")
