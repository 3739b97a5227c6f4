#include "epoch_scores.hpp"

#include <ATen/ops/argmax.h>
#include <ATen/ops/softmax.h>

#include "cdc/clustering_metrics.hpp"

namespace cdc_stage {

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
  const auto scores = [&](const std::vector<std::int32_t>& other, std::int64_t groups) {
    return cdc::clustering_scores(cdc::contingency(out.cluster.data(), other.data(), n, clusters, groups));
  };
  if (before.size() == out.cluster.size()) out.agreement = scores(before, clusters).nmi;
  if (!data.labels().empty()) {
    const cdc::ClusteringScores s = scores(data.labels(), static_cast<std::int64_t>(data.class_names().size()));
    out.oracle = cdc::Value::table();
    out.oracle["acc"] = s.accuracy;
    out.oracle["nmi"] = s.nmi;
    out.oracle["ari"] = s.ari;
  }
  return out;
}

}  // namespace cdc_stage
