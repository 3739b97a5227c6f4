#pragma once

#include <algorithm>
#include <cmath>
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
  /// [n] A bound of the error of squared distances between x and what lies no farther from the mean, where they are made of float32 products. One
  /// that is not well above it says nothing.
  std::vector<float> doubt;
  double mean_variance = 0;   ///< mean over columns of the variance
  double longest_square = 0;  ///< the largest |x|^2
  const float* row(std::int64_t i) const { return x + i * d; }
};

/// The error of a squared distance made of float32 products of d columns, as a share of the squares that it is made of; several times what it is.
inline double products_noise(std::int64_t d) { return 1e-6 * std::max(2.0, std::sqrt(static_cast<double>(d)) / 8); }

/// A squared distance of this many times its possible error is taken as it is: the choice of another centre then changes the sum of squares by less
/// than a hundredth of it, and by far less as errors really are.
inline constexpr double kClear = 64;

/// cdc::Error naming row and column of a value that is not finite, and `who` needs it otherwise.
CDC_API Points describe_points(const float* x, std::int64_t n, std::int64_t d, const char* who = "k-means needs");

/// Rows brought to a scale at which float32 holds their squares, where they are far from it: by a power of two, so that nothing but the scale changes.
class CDC_API Scaled {
 public:
  /// @param largest_square of a further row that is to be multiplied by factor(): a center's
  Scaled(const float* x, std::int64_t n, std::int64_t d, const char* who = "k-means needs", double largest_square = 0);
  const Points& points() const { return points_; }
  double factor() const { return factor_; }  ///< what the rows were multiplied by: 1 almost always

 private:
  std::vector<float> rows_;
  Points points_;
  double factor_ = 1;
};

/// What settle() found.
struct Settled {
  std::int64_t doubtful = 0, moved = 0;  ///< points
};

/// The nearest centres again, in float64, of points that float32 products cannot tell apart: where the squared distance is in doubt, all centres that
/// may be nearest are compared. Points are rows of `points`, `index` [n] naming them (nullptr: 0 .. n-1).
/// @param packed, centre the centres, as nearest() had them and as they are [k, d]
/// @param score [n] of nearest(): |x - c|^2 - |x - mean|^2
/// @param square [n] may be nullptr: |x - c|^2 of what is nearest, of points in doubt exactly
Settled settle(const Kernels& kernels, const Points& points, const Centres& packed, const float* centre, std::int64_t k, const std::int64_t* index,
               std::int64_t n, std::int32_t* label, const float* score, double* square);

/// cdc::Error where no clusters can be made of n rows of d columns.
void check_shape(std::int64_t n, std::int64_t d, std::int64_t clusters);

/// Centres of rows that were multiplied by `factor`, as those of the rows themselves.
void scale_back(std::vector<float>& centres, double factor);

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
