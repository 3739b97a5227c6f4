#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

struct KMeansOptions {
  enum class Start { kmeans_plus_plus, random };
  std::int64_t clusters = 8;  ///< K
  int restarts = 3;           ///< independent starts, of which the one of least inertia is kept
  int max_iterations = 300;   ///< of each start; with mini_batch: passes over the data
  double tolerance = 1e-4;    ///< ends when the squared movement of all centres is at most this times the data's mean variance a column
  Start start = Start::kmeans_plus_plus;
  const float* centres = nullptr;  ///< [K, D] to start from instead: one start
  bool spherical = false;          ///< rows and centres at length 1 (Dhillon and Modha 2001): clusters by angle
  bool mini_batch = false;         ///< Sculley 2010: a centre follows the points of random batches; then one assignment of all
  std::int64_t batch_size = 4096;  ///< of mini_batch
  bool prune = true;               ///< leave out distances that the triangle inequality decides (Ding et al., "Yinyang k-means", ICML 2015)
  std::uint64_t seed = 0;
};

/// How far k-means is.
struct KMeansProgress {
  int restart = 0, iteration = 0;  ///< from 0
  double changed = 1;              ///< share of points that changed cluster in this iteration (of the batch with mini_batch)
};

struct KMeansResult {
  std::vector<float> centres;        ///< [K, D]
  std::vector<std::int32_t> labels;  ///< [N]
  double inertia = 0;                ///< sum of squared distances to the centres, added up in float64
  int iterations = 0;                ///< of the start that was kept
  int restart = 0;                   ///< which that was
  bool converged = false;            ///< false: max_iterations ended it
  std::int64_t empty = 0;            ///< clusters without a point: only where fewer than K points are distinct, or at the very last assignment
};

/// k-means of x [n, d] float32, row-major. Lloyd's iterations; the same bits with any number of threads on one kind of processor. An empty cluster
/// gets the point farthest from its centre of the cluster with the largest sum of squared distances. Scores as scikit-learn's
/// KMeans(algorithm="lloyd") with the same centres to start from, up to rounding. `progress` (may be empty) is called once an iteration; false:
/// stops, by throwing Stopped. cdc::Error where n < K, K < 1, a parameter is out of range, or a value is not finite (naming row and column); with
/// spherical: a row of zeros.
CDC_API KMeansResult kmeans(const float* x, std::int64_t n, std::int64_t d, const KMeansOptions& options,
                            const std::function<bool(const KMeansProgress&)>& progress = {});

/// Greedy k-means++ (Arthur and Vassilvitskii 2007; of 2 + log K candidates each, the one that lowers the inertia most): K rows of x. Rows are
/// repeated where fewer than K are distinct.
CDC_API std::vector<std::int64_t> kmeans_plus_plus(const float* x, std::int64_t n, std::int64_t d, std::int64_t clusters, std::uint64_t seed);

/// A copy of x [n, d] with rows of length 1. cdc::Error naming the row that is all zeros or not finite.
CDC_API std::vector<float> normalised_rows(const float* x, std::int64_t n, std::int64_t d);

/// Sum of squared distances |x_i - centre of label_i|^2, in float64, in order of chunks.
CDC_API double kmeans_inertia(const float* x, std::int64_t n, std::int64_t d, const float* centres, const std::int32_t* labels);

}  // namespace cdc
