#pragma once

#include <cstdint>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/neighbors.hpp"

namespace cdc {

/// A symmetric weighted graph of rows, by rows; in each, others in ascending order.
struct NeighborGraph {
  std::vector<std::int64_t> begin;  ///< [N + 1] where each row's edges start
  std::vector<std::int32_t> other;
  std::vector<double> weight;
  std::int64_t nodes() const { return static_cast<std::int64_t>(begin.size()) - 1; }
};

/// How the weights w_ij and w_ji of the two directions become one; 0 for a direction that is not there.
enum class JoinWeights {
  mean,               ///< (w_ij + w_ji) / 2
  probabilistic_sum,  ///< w_ij + w_ji - w_ij w_ji: that either of two independent edges is there
};

/// The graph that ties each row to its neighbours and to those whose neighbour it is; `weight` [N, k] of each neighbour.
CDC_API NeighborGraph join_neighbors(const Neighbors& near, const std::vector<double>& weight, JoinWeights join);

}  // namespace cdc
