#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "numeric/kmeans_kernels.hpp"

namespace cdc::kmeans_detail {

/// The data, and what is computed of them once for all restarts.
struct Points {
  const float* x = nullptr;
  std::int64_t n = 0, d = 0;
  std::vector<double> mean;  ///< [d]
  std::vector<float> norm;   ///< [n] |x - mean|^2
  double mean_variance = 0;  ///< mean over columns of the variance
  const float* row(std::int64_t i) const { return x + i * d; }
};

/// cdc::Error naming row and column of a value that is not finite, and `who` needs it otherwise.
CDC_API Points describe_points(const float* x, std::int64_t n, std::int64_t d, const char* who = "k-means needs");

/// cdc::Error where no clusters can be made of n rows of d columns.
void check_shape(std::int64_t n, std::int64_t d, std::int64_t clusters);

std::int64_t count_empty(const std::vector<std::int32_t>& labels, std::int64_t clusters);

/// k-means++ rows (see kmeans.hpp). `keep_going` (may be empty) is asked once a centre; false: throws Stopped.
std::vector<std::int64_t> seed_rows(const Points& points, std::int64_t k, std::uint64_t seed, std::uint64_t restart,
                                    const std::function<bool()>& keep_going);

/// Assignment that leaves out what the triangle inequality decides. Centres stand in groups, one a panel of the kernel, of centres near each other.
/// Of every point an upper bound of the distance to its own centre and, of each group, a lower bound of the distance to the group's others are
/// carried along with the centres' movements; only groups whose bound fails are scanned, tile by tile.
class BoundedAssignment {
 public:
  BoundedAssignment(const Kernels& kernels, const Points& points, std::int64_t k) : kernels_(kernels), points_(points), k_(k) {}
  bool started() const { return !upper_.empty(); }
  /// Groups the centres and computes every distance.
  void start(const float* centre, std::int32_t* label);
  /// After the centres moved to `centre` from where they were at the last call.
  void assign(const float* centre, std::int32_t* label);
  /// The point was put into another cluster by hand.
  void forget(std::int64_t i);
  double scanned() const { return scanned_; }  ///< share of the distances that the last call computed

 private:
  void run(const float* centre, std::int32_t* label, bool first);

  const Kernels& kernels_;
  const Points& points_;
  std::int64_t k_;
  Centres centres_;
  std::vector<std::int32_t> order_, group_of_;
  std::vector<float> previous_;       ///< [k, d] the centres of the last call
  std::vector<float> upper_, lower_;  ///< [n], [n, groups]
  double scanned_ = 1;
};

}  // namespace cdc::kmeans_detail
