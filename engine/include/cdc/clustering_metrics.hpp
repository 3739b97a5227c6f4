#pragma once

#include <cstdint>
#include <vector>

#include "cdc/contingency.hpp"
#include "cdc/export.hpp"

namespace cdc {

/// Scores of a clustering against labels. Conventions are scikit-learn's: natural logarithms; NMI and AMI over the arithmetic mean of the two
/// entropies; a cluster or class that no sample has does not count as one.
struct ClusteringScores {
  double accuracy = 0;     ///< ACC: share of samples in the class that the best one-to-one matching of clusters and classes gives their cluster
  double nmi = 0;          ///< 1 where both sides are one single group, 0 where the mutual information is 0
  double ari = 0;          ///< adjusted Rand index (Hubert and Arabie 1985), products in 128 bits
  double ami = 0;          ///< adjusted mutual information (Vinh, Epps and Bailey 2010)
  double purity = 0;       ///< share of samples in the majority class of their cluster
  double homogeneity = 0;  ///< Rosenberg and Hirschberg 2007
  double completeness = 0;
  double v_measure = 0;
  std::vector<std::int32_t> matching;  ///< [K] class that ACC gives each cluster; -1 where there are more clusters than classes and none was left
  std::vector<std::int32_t> majority;  ///< [K] most frequent class of each cluster (the lowest of equals); -1 of an empty cluster
};

/// Every score of one table. Same bits with any number of threads.
CDC_API ClusteringScores clustering_scores(const Contingency& table);

/// Its `nmi` alone: for thousands of clusters, where the matching takes long.
CDC_API double normalised_mutual_information(const Contingency& table);

/// How the samples spread over clusters: needs no labels.
struct ClusterSpread {
  double entropy = 0;       ///< of the cluster sizes, divided by log K: 1 = all of one size, 0 = all in one cluster (or K = 1)
  double entropy_nats = 0;  ///< the same undivided, in nats
  double largest_share = 0;
  std::int64_t empty = 0;  ///< clusters without a sample
};
CDC_API ClusterSpread cluster_spread(const std::vector<std::int64_t>& sizes);

/// Mutual information of two labellings of the same group sizes drawn at random (hypergeometric model of Vinh et al.), in nats. `a` and `b` are group
/// sizes of the two sides, each summing to `samples`; zeros do not matter.
CDC_API double expected_mutual_information(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b, std::int64_t samples);

}  // namespace cdc
