#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/neighbors.hpp"

namespace cdc {

struct SpectralOptions {
  enum class Weights {
    connectivity,  ///< 1 for an edge
    gaussian,  ///< exp(-d^2 / (s_i s_j)), s_i the distance to the 7th neighbour (Zelnik-Manor and Perona, "Self-tuning spectral clustering", 2004)
  };
  std::int64_t clusters = 8;    ///< K
  std::int64_t neighbors = 10;  ///< nearest rows that each row is tied to
  Distance distance = Distance::euclidean;
  Weights weights = Weights::connectivity;
  int restarts = 10;        ///< starts of k-means on the eigenvectors
  int max_restarts = 1000;  ///< of Lanczos' method
  std::uint64_t seed = 0;
};

struct SpectralProgress {
  const char* step;          ///< "neighbours", "eigenvectors" or "k-means"
  std::int64_t done, total;  ///< total 0: not known
};

struct SpectralResult {
  std::vector<std::int32_t> labels;  ///< [N]
  std::vector<double> eigenvalues;   ///< [K] of D^-1/2 W D^-1/2, largest first; 1 once a component
  std::int64_t components = 1;       ///< of the graph
  double inertia = 0;                ///< of k-means
};

/// Normalised cuts (Shi and Malik 2000) as Ng, Jordan and Weiss have it (NIPS 2001): the graph of nearest neighbours with weights (w_ij + w_ji) / 2
/// (w_ij 0 where j is no neighbour of i), the eigenvectors of D^-1/2 W D^-1/2 to the K largest eigenvalues, rows brought to length 1, k-means on
/// them. Those to eigenvalue 1 are known from the graph's components; the others come from block Lanczos with thick restarts. Memory O(N (D +
/// neighbors + K)). The same bits with any number of threads. cdc::Error where k-means or nearest_neighbors() refuse; where all rows are the same,
/// the graph has more components than K, or the eigenvectors do not converge. `progress` (may be empty) returning false stops, by throwing Stopped.
CDC_API SpectralResult spectral_clustering(const float* x, std::int64_t n, std::int64_t d, const SpectralOptions& options,
                                           const std::function<bool(const SpectralProgress&)>& progress = {});

}  // namespace cdc
