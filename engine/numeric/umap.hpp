#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/neighbors.hpp"
#include "numeric/neighbor_graph.hpp"

namespace cdc {

struct UmapOptions {
  std::int64_t neighbors = 15;  ///< of a row, itself counted, as in umap-learn; at most all rows
  double min_dist = 0.1;        ///< least distance that points of the embedding should keep
  double spread = 1.0;          ///< scale at which they lie
  int epochs = 0;               ///< 0: 500 for up to 10,000 rows, 200 for more
  std::uint64_t seed = 0;
};

/// How far UMAP is.
struct UmapProgress {
  const char* step;          ///< "neighbours" or "epochs"
  std::int64_t done, total;  ///< rows, or epochs
};

struct Umap {
  std::vector<float> points;  ///< [N, 2]
  Neighbors neighbors;        ///< of each row among the others, Euclidean; k is min(neighbors, N) - 1
  int epochs = 0;
};

/// UMAP (McInnes, Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection", arXiv 1802.03426) of x [n, d] (row-major float32) in two
/// dimensions, by Euclidean distances. Neighbours are approximate_neighbors(); weights, curve and sampling of edges (in proportion to their weight, 5
/// negative samples each, gradients clipped at 4, a step size that falls linearly) are the reference's. Starts from the first two principal
/// components rather than the graph's eigenvectors: they keep the large structure as well (Kobak and Linderman, "Initialization is critical for
/// preserving global data structure in both t-SNE and UMAP", Nature Biotechnology 2021) and cost hardly any time. Unlike in the reference, a sampled
/// edge moves one end at a time, and rows take turns in 32 groups an epoch: those of a group move by where all were before, so that the same bits
/// come out with any number of threads on one kind of processor. One row lies at 0. `progress` (may be empty) returning false stops, by throwing
/// Stopped. cdc::Error where n < 1, d < 1, an option is out of range, a value is not finite (naming row and column), or a row lies more than 1e18
/// from the mean.
CDC_API Umap umap_embedding(const float* x, std::int64_t n, std::int64_t d, const UmapOptions& options,
                            const std::function<bool(const UmapProgress&)>& progress = {});

/// a and b of 1 / (1 + a distance^(2 b)), fitted by least squares to 1 up to min_dist and exp(-(distance - min_dist) / spread) beyond, at 300
/// distances from 0 to 3 spread (section 4.3 of the paper). cdc::Error unless 0 <= min_dist <= spread, spread > 0, both finite.
struct UmapCurve {
  double a = 1, b = 1;
};
CDC_API UmapCurve umap_curve(double min_dist, double spread);

/// The fuzzy simplicial set of neighbours (algorithms 2 and 3 of the paper; each row's own entry, of distance 0, is left out of `near` but counted):
/// w_ij = exp(-(distance - rho_i) / sigma_i), rho_i the least distance above 0, sigma_i such that a row's weights add up to log2(k + 1), by
/// bisection, not below 1e-3 times the mean distance; then the probabilistic sum of both directions. Memory O(N k).
CDC_API NeighborGraph fuzzy_simplicial_set(const Neighbors& near);

}  // namespace cdc
