#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "cdc/dataset.hpp"
#include "cdc/value.hpp"

namespace cdc_stage {

/// What the prediction of the whole set says at an epoch's end. All of it needs no labels, but `oracle`.
struct EpochScores {
  std::vector<std::int32_t> cluster;  ///< [N] the largest logit of each sample
  double confidence = 0;              ///< mean over the samples of the largest probability
  std::optional<double> agreement;    ///< NMI with the clusters of the look before
  cdc::Value oracle;                  ///< table acc, nmi, ari against the labels; null without labels

  /// A table for metrics.jsonl.
  cdc::Value to_value() const;
};

/// Of logits [N, K] on the CPU; `before`: the clusters of the look before, empty at the first.
EpochScores score_epoch(const at::Tensor& logits, const std::vector<std::int32_t>& before, const cdc::Dataset& data);

/// k-means of features [N, ...] on the CPU: a table of its inertia and, where there are labels, `oracle` (acc, nmi, ari). cdc::Error as cdc::kmeans.
cdc::Value score_kmeans(const at::Tensor& features, std::int64_t clusters, std::uint64_t seed, const cdc::Dataset& data);

}  // namespace cdc_stage
