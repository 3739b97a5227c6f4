#include "epoch_scores.hpp"

#include <ATen/ops/argmax.h>
#include <ATen/ops/softmax.h>

#include "cdc/clustering_metrics.hpp"
#include "cdc/kmeans.hpp"

namespace cdc_stage {
namespace {

cdc::ClusteringScores scores_of(const std::vector<std::int32_t>& found, std::int64_t clusters, const std::vector<std::int32_t>& other,
                                std::int64_t groups) {
  return cdc::clustering_scores(cdc::contingency(found.data(), other.data(), static_cast<std::int64_t>(found.size()), clusters, groups));
}

/// A table acc, nmi, ari; null without labels.
cdc::Value against_labels(const std::vector<std::int32_t>& found, std::int64_t clusters, const cdc::Dataset& data) {
  if (data.labels().empty()) return {};
  const cdc::ClusteringScores s = scores_of(found, clusters, data.labels(), static_cast<std::int64_t>(data.class_names().size()));
  cdc::Value v = cdc::Value::table();
  v["acc"] = s.accuracy;
  v["nmi"] = s.nmi;
  v["ari"] = s.ari;
  return v;
}

}  // namespace

cdc::Value EpochScores::to_value() const {
  cdc::Value v = cdc::Value::table();
  v["confidence"] = confidence;
  if (agreement) v["agreement"] = *agreement;
  if (!oracle.is_null()) v["oracle"] = oracle;
  return v;
}

EpochScores score_epoch(const at::Tensor& logits, const std::vector<std::int32_t>& before, const cdc::Dataset& data) {
  EpochScores out;
  const std::int64_t n = logits.size(0), clusters = logits.size(1);
  const at::Tensor largest = logits.argmax(1);
  out.cluster.assign(largest.data_ptr<std::int64_t>(), largest.data_ptr<std::int64_t>() + n);
  out.confidence = std::get<0>(at::softmax(logits, 1).max(1)).mean(at::kDouble).item<double>();
  if (before.size() == out.cluster.size()) out.agreement = scores_of(out.cluster, clusters, before, clusters).nmi;
  out.oracle = against_labels(out.cluster, clusters, data);
  return out;
}

cdc::Value score_kmeans(const at::Tensor& features, std::int64_t clusters, std::uint64_t seed, const cdc::Dataset& data) {
  const at::Tensor x = features.flatten(1).contiguous();
  cdc::KMeansOptions options;
  options.clusters = clusters;
  options.seed = seed;
  const cdc::KMeansResult found = cdc::kmeans(x.data_ptr<float>(), x.size(0), x.size(1), options);
  cdc::Value v = cdc::Value::table();
  v["inertia"] = found.inertia;
  if (cdc::Value oracle = against_labels(found.labels, clusters, data); !oracle.is_null()) v["oracle"] = std::move(oracle);
  return v;
}

}  // namespace cdc_stage
