#include "cdc/spectral.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "cdc/error.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/parallel.hpp"
#include "numeric/eigen.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/neighbor_graph.hpp"

namespace cdc {
namespace {

constexpr std::int64_t kScaleNeighbor = 7;  ///< whose distance is a row's scale
constexpr double kLeastWeight = 1e-10;      ///< keeps a far row tied to the graph where exp() would give 0
constexpr double kTolerance = 1e-6;         ///< of the eigenvectors' residuals

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// [N] the distance to the 7th neighbour (the last, where there are fewer). Where that is 0, that to the next neighbour that is elsewhere, or the
/// mean of all others' scales.
std::vector<double> scales(const Neighbors& near) {
  std::vector<double> out(size(near.queries));
  double sum = 0;
  std::int64_t positive = 0;
  for (std::int64_t i = 0; i < near.queries; ++i) {
    std::int64_t j = std::min(kScaleNeighbor, near.k) - 1;
    while (j + 1 < near.k && near.distance[size(i * near.k + j)] <= 0) ++j;
    out[size(i)] = static_cast<double>(near.distance[size(i * near.k + j)]);
    sum += out[size(i)];
    positive += out[size(i)] > 0;
  }
  for (double& s : out)
    if (s <= 0) s = positive > 0 ? sum / static_cast<double>(positive) : 1.0;
  return out;
}

NeighborGraph make_graph(const Neighbors& near, SpectralOptions::Weights weights) {
  const std::int64_t n = near.queries, k = near.k;
  std::vector<double> weight(size(n * k), 1.0);
  if (weights == SpectralOptions::Weights::gaussian) {
    const std::vector<double> scale = scales(near);
    for (std::int64_t e = 0; e < n * k; ++e) {
      const auto distance = static_cast<double>(near.distance[size(e)]);
      weight[size(e)] = std::max(kLeastWeight, std::exp(-distance * distance / (scale[size(e / k)] * scale[size(near.index[size(e)])])));
    }
  }
  return join_neighbors(near, weight, JoinWeights::mean);
}

/// [N] the number of each node's component, from 0 in order of their first nodes.
std::vector<std::int32_t> components(const NeighborGraph& graph, std::int64_t& count) {
  std::vector<std::int32_t> out(size(graph.nodes()), -1);
  std::vector<std::int64_t> open;
  count = 0;
  for (std::int64_t first = 0; first < graph.nodes(); ++first) {
    if (out[size(first)] >= 0) continue;
    out[size(first)] = static_cast<std::int32_t>(count);
    open.push_back(first);
    while (!open.empty()) {
      const std::int64_t i = open.back();
      open.pop_back();
      for (std::int64_t e = graph.begin[size(i)]; e < graph.begin[size(i + 1)]; ++e) {
        const std::int32_t o = graph.other[size(e)];
        if (out[size(o)] >= 0) continue;
        out[size(o)] = static_cast<std::int32_t>(count);
        open.push_back(o);
      }
    }
    ++count;
  }
  return out;
}

/// What eigenvectors are computed of.
struct Normalised {
  const NeighborGraph& graph;
  std::vector<std::int32_t> component;  ///< [N]
  std::int64_t components = 0;
  std::vector<double> root;  ///< [N] D^1/2
  /// [N] of each component the square roots of its degrees, at length 1: an eigenvector to eigenvalue 1.
  std::vector<double> known;
};

Normalised normalise(const NeighborGraph& graph) {
  Normalised out{graph, {}, 0, std::vector<double>(size(graph.nodes())), {}};
  out.component = components(graph, out.components);
  std::vector<double> volume(size(out.components), 0.0);
  for (std::int64_t i = 0; i < graph.nodes(); ++i) {
    double degree = 0;
    for (std::int64_t e = graph.begin[size(i)]; e < graph.begin[size(i + 1)]; ++e) degree += graph.weight[size(e)];
    out.root[size(i)] = std::sqrt(degree);
    volume[size(out.component[size(i)])] += degree;
  }
  out.known = out.root;
  for (std::int64_t i = 0; i < graph.nodes(); ++i) out.known[size(i)] /= std::sqrt(volume[size(out.component[size(i)])]);
  return out;
}

/// y = D^-1/2 W D^-1/2 x with the known eigenvectors moved from eigenvalue 1 to -2, below all others.
void multiply(const Normalised& m, const double* x, double* y) {
  constexpr std::int64_t kWidth = kEigenBlock;
  const std::int64_t n = m.graph.nodes();
  std::vector<double> along(size(m.components * kWidth), 0.0);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < kWidth; ++c) along[size(m.component[size(i)] * kWidth + c)] += m.known[size(i)] * x[i * kWidth + c];
  parallel_chunks(n, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      double sum[kWidth] = {};
      for (std::int64_t e = m.graph.begin[size(i)]; e < m.graph.begin[size(i + 1)]; ++e) {
        const std::int64_t o = m.graph.other[size(e)];
        const double w = m.graph.weight[size(e)] / m.root[size(o)];
        for (std::int64_t c = 0; c < kWidth; ++c) sum[c] += w * x[o * kWidth + c];
      }
      for (std::int64_t c = 0; c < kWidth; ++c)
        y[i * kWidth + c] = sum[c] / m.root[size(i)] - 3 * along[size(m.component[size(i)] * kWidth + c)] * m.known[size(i)];
    }
  });
}

/// cdc::Error where there is nothing to tell the rows apart by.
void check_rows(const float* x, std::int64_t n, std::int64_t d, Distance distance) {
  kmeans_detail::describe_points(x, n, d, "spectral clustering needs");
  std::int64_t same = 1;
  while (same < n && std::equal(x, x + d, x + same * d)) ++same;
  if (same == n)
    throw Error(fmt::format("all {} rows of the features are the same: there is nothing to cluster; look at what computed the features", n));
  if (distance != Distance::cosine) return;
  const std::vector<float> unit = normalised_rows(x, n, d);
  // Rounding alone parts rows of length 1 by about 6e-8.
  if (kmeans_detail::describe_points(unit.data(), n, d).mean_variance * static_cast<double>(d) <= 1e-13)
    throw Error(
        fmt::format("all {} rows of the features have the same direction: distance = \"cosine\" has nothing to cluster; look at what computed the "
                    "features",
                    n));
}

}  // namespace

SpectralResult spectral_clustering(const float* x, std::int64_t n, std::int64_t d, const SpectralOptions& options,
                                   const std::function<bool(const SpectralProgress&)>& progress) {
  const auto report = [&](const char* step, std::int64_t done, std::int64_t total) {
    if (progress && !progress({step, done, total})) throw Stopped("spectral clustering was stopped");
  };
  const std::int64_t k = options.clusters;
  kmeans_detail::check_shape(n, d, k);
  if (options.restarts < 1) throw Error(fmt::format("k-means needs at least 1 start; restarts = {}", options.restarts));
  if (options.max_restarts < 1) throw Error(fmt::format("Lanczos' method needs at least 1 start; max_restarts = {}", options.max_restarts));
  check_rows(x, n, d, options.distance);
  if (options.neighbors < 1 || options.neighbors >= n)
    throw Error(fmt::format("spectral clustering of {} rows ties each to 1 .. {} neighbours; neighbors = {}", n, n - 1, options.neighbors));
  NeighborGraph graph;
  {
    const Neighbors near = nearest_neighbors(x, n, d, options.neighbors, options.distance, [&](std::int64_t done) {
      report("neighbours", done, n);
      return true;
    });
    graph = make_graph(near, options.weights);
  }
  SpectralResult result;
  const Normalised matrix = normalise(graph);
  result.components = matrix.components;
  if (result.components > k)
    throw Error(fmt::format("the graph of {} nearest neighbours falls apart into {} pieces, more than the {} clusters wanted: raise neighbors",
                            options.neighbors, result.components, k));
  std::vector<double> rows(size(n * k), 0.0);
  for (std::int64_t i = 0; i < n; ++i) rows[size(i * k + matrix.component[size(i)])] = matrix.known[size(i)];
  result.eigenvalues.assign(size(result.components), 1.0);
  if (const std::int64_t wanted = k - result.components; wanted > 0) {
    std::int64_t products = 0;
    const auto product = [&](const double* from, double* to) {
      report("eigenvectors", ++products, 0);
      multiply(matrix, from, to);
    };
    const Eigenpairs pairs = largest_eigenpairs(n, wanted, product, kTolerance, options.max_restarts);
    if (!pairs.converged)
      throw Error(
          fmt::format("the eigenvectors of the graph of {} nearest neighbours did not converge within {} restarts: it nearly falls apart; raise "
                      "neighbors",
                      options.neighbors, options.max_restarts));
    result.eigenvalues.insert(result.eigenvalues.end(), pairs.values.begin(), pairs.values.end());
    for (std::int64_t i = 0; i < n; ++i) std::copy_n(pairs.vectors.data() + i * wanted, wanted, rows.data() + i * k + result.components);
  }

  std::vector<float> unit(size(n * k));
  for (std::int64_t i = 0; i < n; ++i) {  // no row is 0: the component's own eigenvector is positive
    double length = 0;
    for (std::int64_t c = 0; c < k; ++c) length += rows[size(i * k + c)] * rows[size(i * k + c)];
    for (std::int64_t c = 0; c < k; ++c) unit[size(i * k + c)] = static_cast<float>(rows[size(i * k + c)] / std::sqrt(length));
  }
  KMeansOptions kmeans_options;
  kmeans_options.clusters = k;
  kmeans_options.restarts = options.restarts;
  kmeans_options.seed = options.seed;
  KMeansResult clusters = kmeans(unit.data(), n, k, kmeans_options, [&](const KMeansProgress& p) {
    report("k-means", p.restart, options.restarts);
    return true;
  });
  result.labels = std::move(clusters.labels);
  result.inertia = clusters.inertia;
  return result;
}

}  // namespace cdc
