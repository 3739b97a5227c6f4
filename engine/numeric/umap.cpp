#include "numeric/umap.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/random.hpp"
#include "numeric/approximate_neighbors.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/pca.hpp"
#include "numeric/umap_layout.hpp"

namespace cdc {
namespace {

constexpr std::int64_t kFewRows = 10000;      ///< up to which there are more epochs
constexpr std::int64_t kStartRows = 8192;     ///< that principal components are computed of
constexpr double kStartWidth = 10;            ///< of the first points, along each axis
constexpr double kStartNoise = 1e-4;          ///< standard deviation of what parts equal ones
constexpr int kBisections = 64;               ///< for sigma
constexpr double kBisectionTolerance = 1e-5;  ///< of the sum of weights
constexpr double kLeastScale = 1e-3;          ///< of sigma over the mean distance
constexpr int kCurvePoints = 300, kCurveSteps = 200;
constexpr std::uint32_t kStart = 0x73746172;  ///< keeps these random numbers apart from others of the same seed

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// [N, 2] the first two principal components, each brought to 0 .. kStartWidth as in umap-learn; random along an axis on which rows do not differ.
std::vector<float> start(const float* x, std::int64_t n, std::int64_t d, std::uint64_t seed) {
  const std::int64_t found = std::min<std::int64_t>(2, d);
  const std::vector<float> along = project(principal_components(x, n, d, found, kStartRows, seed), x, n);
  std::vector<float> out(size(2 * n));
  Random random(seed, 0, 0, 0, kStart);
  for (std::int64_t c = 0; c < 2; ++c) {
    float least = 0, most = 0;
    if (c < found) {
      least = most = along[size(c)];
      for (std::int64_t i = 0; i < n; ++i) {
        least = std::min(least, along[size(i * found + c)]);
        most = std::max(most, along[size(i * found + c)]);
      }
    }
    const double width = static_cast<double>(most) - static_cast<double>(least);
    for (std::int64_t i = 0; i < n; ++i) {
      const double share = width > 0 ? (static_cast<double>(along[size(i * found + c)]) - static_cast<double>(least)) / width : random.uniform();
      out[size(2 * i + c)] = static_cast<float>(kStartWidth * share + kStartNoise * random.normal());
    }
  }
  return out;
}

}  // namespace

UmapCurve umap_curve(double min_dist, double spread) {
  if (!(spread > 0) || !std::isfinite(spread)) throw Error(fmt::format("UMAP needs a finite spread above 0; spread = {}", spread));
  if (!(min_dist >= 0) || !(min_dist <= spread)) throw Error(fmt::format("UMAP needs min_dist in 0 .. spread = {}; min_dist = {}", spread, min_dist));
  // Levenberg's steps in log a and log b, which keeps both positive.
  double log_a = 0, log_b = 0, damping = 1e-3;
  const auto residuals = [&](double la, double lb, double* normal) {
    const double a = std::exp(la), b = std::exp(lb);
    double sum = 0;
    for (int i = 0; i < kCurvePoints; ++i) {
      const double distance = 3 * spread * i / (kCurvePoints - 1), wanted = distance < min_dist ? 1.0 : std::exp(-(distance - min_dist) / spread);
      const double p = distance > 0 ? a * std::pow(distance, 2 * b) : 0.0, y = 1 / (1 + p), residual = y - wanted;
      sum += residual * residual;
      if (normal == nullptr) continue;
      const double by_a = -y * y * p, by_b = distance > 0 ? by_a * 2 * b * std::log(distance) : 0.0;
      normal[0] += by_a * by_a;
      normal[1] += by_a * by_b;
      normal[2] += by_b * by_b;
      normal[3] += by_a * residual;
      normal[4] += by_b * residual;
    }
    return sum;
  };
  for (int step = 0; step < kCurveSteps; ++step) {
    double m[5] = {};
    const double sum = residuals(log_a, log_b, m);
    const double aa = m[0] + damping, bb = m[2] + damping, determinant = aa * bb - m[1] * m[1];
    const double step_a = -(bb * m[3] - m[1] * m[4]) / determinant, step_b = -(aa * m[4] - m[1] * m[3]) / determinant;
    if (std::abs(step_a) + std::abs(step_b) < 1e-12) break;
    if (residuals(log_a + step_a, log_b + step_b, nullptr) <= sum) {
      log_a += step_a;
      log_b += step_b;
      damping *= 0.1;
    } else {
      damping *= 10;
    }
  }
  return {std::exp(log_a), std::exp(log_b)};
}

NeighborGraph fuzzy_simplicial_set(const Neighbors& near) {
  const std::int64_t n = near.queries, k = near.k;
  double sum = 0;
  for (const float d : near.distance) sum += static_cast<double>(d);
  const double mean = n > 0 ? sum / static_cast<double>(n * (k + 1)) : 0.0, wanted = std::log2(static_cast<double>(k + 1));
  std::vector<double> weight(size(n * k));
  parallel_chunks(n, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* distance = near.distance.data() + i * k;
      double rho = 0, row_sum = 0;
      for (std::int64_t j = 0; j < k; ++j) {
        const auto d = static_cast<double>(distance[j]);
        row_sum += d;
        if (d > 0 && (rho == 0 || d < rho)) rho = d;
      }
      const auto weights_sum = [&](double sigma) {
        double out = 0;
        for (std::int64_t j = 0; j < k; ++j) {
          const double beyond = static_cast<double>(distance[j]) - rho;
          out += beyond > 0 ? std::exp(-beyond / sigma) : 1.0;
        }
        return out;
      };
      double low = 0, high = std::numeric_limits<double>::infinity(), sigma = 1;
      for (int step = 0; step < kBisections; ++step) {
        const double now = weights_sum(sigma);
        if (std::abs(now - wanted) < kBisectionTolerance) break;
        (now > wanted ? high : low) = sigma;
        sigma = std::isinf(high) ? 2 * sigma : (low + high) / 2;
      }
      sigma = std::max(sigma, kLeastScale * (rho > 0 ? row_sum / static_cast<double>(k + 1) : mean));
      for (std::int64_t j = 0; j < k; ++j) {
        const double beyond = static_cast<double>(distance[j]) - rho;
        weight[size(i * k + j)] = beyond > 0 ? std::exp(-beyond / sigma) : 1.0;
      }
    }
  });
  return join_neighbors(near, weight, JoinWeights::probabilistic_sum);
}

Umap umap_embedding(const float* x, std::int64_t n, std::int64_t d, const UmapOptions& options,
                    const std::function<bool(const UmapProgress&)>& progress) {
  const auto report = [&](const char* step, std::int64_t done, std::int64_t total) {
    if (progress && !progress({step, done, total})) throw Stopped("UMAP was stopped");
    return true;
  };
  if (n < 1) throw Error("UMAP needs at least 1 row of features");
  if (d < 1) throw Error("UMAP needs features with at least 1 column");
  if (options.neighbors < 2) throw Error(fmt::format("UMAP needs at least 2 neighbours, the row itself counted; neighbors = {}", options.neighbors));
  if (options.epochs < 0) throw Error(fmt::format("UMAP needs at least 1 epoch, or 0 for as many as suit the rows; epochs = {}", options.epochs));
  const UmapCurve curve = umap_curve(options.min_dist, options.spread);
  kmeans_detail::describe_points(x, n, d, "UMAP needs");
  Umap out;
  out.epochs = options.epochs > 0 ? options.epochs : n > kFewRows ? 200 : 500;
  out.points.assign(2, 0.0f);
  out.neighbors.queries = n;
  if (n == 1) return out;
  ApproximateNeighborsOptions search;
  search.k = std::min(options.neighbors, n) - 1;
  search.seed = options.seed;
  out.neighbors = approximate_neighbors(x, n, d, search, [&](std::int64_t done) { return report("neighbours", done, n); });
  out.points = start(x, n, d, options.seed);
  umap_detail::optimise_layout(fuzzy_simplicial_set(out.neighbors), curve, out.epochs, options.seed, out.points,
                               [&](int done) { return report("epochs", done, out.epochs); });
  return out;
}

}  // namespace cdc
