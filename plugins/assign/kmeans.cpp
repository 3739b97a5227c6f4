#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "cdc/clustering_metrics.hpp"
#include "kmeans_labels.hpp"
#include "pca.hpp"
#include "whole_set.hpp"

namespace {

/// DeepCluster's pseudo-labels (Caron et al., arXiv 1807.05520, section 3.2): k-means of the features of the whole set at an epoch's start, after PCA
/// with whitening and scaling to length 1. Where its code samples images evenly over the labels, batches here are drawn evenly over the images.
class KMeans final : public cdc::Node {
 public:
  std::int64_t clusters = 0, every = 1, pca_dim = 256;
  int restarts = 1, max_iterations = 20;
  std::string init = "k-means++";
  bool normalise = true;
  at::Tensor labels;  ///< [N] int32
  at::Tensor nmi;     ///< of the labels and those before them; -1: there were none

  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "What is clustered"};
  static constexpr cdc::Out<cdc::Codes> kCodes{"codes", "One-hot codes of the batch's samples, the same for all views", "1,B,K"};

  static void describe(cdc::Schema<KMeans>& s) {
    s.version(2);  // 2: float64 where float32 products cannot tell distances apart
    s.summary("Pseudo-labels: k-means of the whole set's features at the start of epochs (DeepCluster).");
    cdc_assign::kmeans_parameters(s);
    cdc_assign::every_parameter(s);
    s.param(&KMeans::pca_dim, "pca_dim", "Principal components that are kept, and whitened; at most the features' width; 0: the features as they are")
        .range(0, 65536);
    s.param(&KMeans::normalise, "normalise", "Scale what is clustered to length 1");
    s.input(kFeatures).output(kCodes).full_precision().no_gradient();
    s.state(&KMeans::labels, "labels").state(&KMeans::nmi, "nmi_to_previous");
  }

  void build(const cdc::BuildContext&) override {
    labels = at::empty({0}, at::kInt);
    nmi = at::full({}, -1.0, at::kDouble);
  }

  void begin_epoch(cdc::WholeSet& all) override {
    if (!cdc_assign::due(all, every)) return;
    at::Tensor x = cdc_assign::finite_features(all, kFeatures);
    if ((x == x[0]).all().item<bool>())
      throw cdc::Error(
          "the features of all samples are the same, and no labels can be made of them: the network has collapsed; lower the learning rate");
    if (pca_dim > 0) x = cdc_assign::whitened(x, pca_dim);
    if (normalise) x = x / at::linalg_vector_norm(x, 2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
    const at::Tensor found = cdc_assign::cluster(x.contiguous(), *this, all.seed()).labels, before = labels.cpu();
    if (before.size(0) == found.size(0))
      nmi.fill_(cdc::normalised_mutual_information(
          cdc::contingency(found.data_ptr<std::int32_t>(), before.data_ptr<std::int32_t>(), found.size(0), clusters, clusters)));
    labels = found.to(labels.device());
  }

  void forward(cdc::Step& step) override {
    step.out(kCodes, cdc_assign::codes_of(cdc_assign::of_batch(labels, step), clusters));
    if (nmi.item<double>() >= 0) step.report("nmi_to_previous", nmi);
  }
};

}  // namespace
CDC_PLUGIN(KMeans, "assign.kmeans")
