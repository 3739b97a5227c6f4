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
  int max_iterations = 300;   ///< of each start
  double tolerance = 1e-4;    ///< ends when the squared movement of all centres is at most this times the data's mean variance a column
  Start start = Start::kmeans_plus_plus;
  const float* centres = nullptr;  ///< [K, D] to start from instead: one start
  bool spherical = false;          ///< rows and centres at length 1 (Dhillon and Modha 2001): clusters by angle
  bool prune = true;               ///< leave out distances that the triangle inequality decides (Ding et al., "Yinyang k-means", ICML 2015)
  std::uint64_t seed = 0;
};

/// How far k-means is.
struct KMeansProgress {
  int restart = 0, iteration = 0;  ///< from 0
  double changed = 1;              ///< share of points that changed cluster in this iteration
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

/// k-means of x [n, d] float32, row-major. Lloyd's iterations; the same bits with any number of threads on one kind of processor. Distances are made of
/// float32 products where these tell them apart, and of float64 differences where not: clusters far smaller than what lies between them are found, and
/// rows of any size that float32 has. An empty cluster
/// gets the point farthest from its centre of the cluster with the largest sum of squared distances. Scores as scikit-learn's
/// KMeans(algorithm="lloyd") with the same centres to start from, up to rounding. `progress` (may be empty) is called once an iteration; false:
/// stops, by throwing Stopped. cdc::Error where n < K, K < 1, a parameter is out of range, or a value is not finite (naming row and column); with
/// spherical: a row of zeros.
CDC_API KMeansResult kmeans(const float* x, std::int64_t n, std::int64_t d, const KMeansOptions& options,
                            const std::function<bool(const KMeansProgress&)>& progress = {});

struct MiniBatchKMeansOptions {
  std::int64_t clusters = 8;         ///< K
  std::int64_t batch_size = 4096;    ///< rows drawn a step, with replacement
  int max_passes = 100;              ///< steps end after this many times the data's rows
  int inits = 3;                     ///< first centres tried, of which those of least inertia on a random sample are kept
  std::int64_t init_samples = 0;     ///< rows that first centres are chosen among; 0: 3 batches, at least 3 K rows; at most all
  double reassignment_ratio = 0.01;  ///< a centre of fewer points than this share of the largest's is moved to a random point of the batch
  int max_no_improvement = 10;       ///< ends after this many steps without a new least smoothed inertia; 0: never so
  double tolerance = 0;              ///< ends when a step's squared movement of all centres is at most this times the mean variance; 0: never so
  KMeansOptions::Start start = KMeansOptions::Start::kmeans_plus_plus;
  bool spherical = false;  ///< rows and centres at length 1
  std::uint64_t seed = 0;
};

struct MiniBatchKMeansProgress {
  std::int64_t step = 0, steps = 0;  ///< done, and at most; 0 done while first centres are chosen
  double inertia = 0;                ///< a row, averaged exponentially over batches
};

/// Mini-batch k-means (Sculley, "Web-scale k-means clustering", WWW 2010) as scikit-learn's MiniBatchKMeans has it: each centre is the mean of all
/// batch points it ever got; centres of few points are reassigned whenever one never got any, and every 10 K rows; ends by the smoothed inertia. Then
/// one assignment of all rows. `iterations` of the result are steps, `restart` is the init that was kept; clusters may be left empty. The same bits
/// with any number of threads. `progress` (may be empty) returning false stops, by throwing Stopped. Errors as kmeans().
CDC_API KMeansResult minibatch_kmeans(const float* x, std::int64_t n, std::int64_t d, const MiniBatchKMeansOptions& options,
                                      const std::function<bool(const MiniBatchKMeansProgress&)>& progress = {});

/// Greedy k-means++ (Arthur and Vassilvitskii 2007; of 2 + log K candidates each, the one that lowers the inertia most): K rows of x. Rows are
/// repeated where fewer than K are distinct.
CDC_API std::vector<std::int64_t> kmeans_plus_plus(const float* x, std::int64_t n, std::int64_t d, std::int64_t clusters, std::uint64_t seed);

/// How many rows of x [n, d] are distinct, counted up to `at_most`.
CDC_API std::int64_t distinct_rows(const float* x, std::int64_t n, std::int64_t d, std::int64_t at_most);

/// A copy of x [n, d] with rows of length 1. cdc::Error naming the row that is all zeros or not finite.
CDC_API std::vector<float> normalised_rows(const float* x, std::int64_t n, std::int64_t d);

/// Sum of squared distances |x_i - centre of label_i|^2, in float64, in order of chunks.
CDC_API double kmeans_inertia(const float* x, std::int64_t n, std::int64_t d, const float* centres, const std::int32_t* labels);

}  // namespace cdc
