#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "numeric/neighbor_graph.hpp"
#include "numeric/umap.hpp"

namespace cdc::umap_detail {

/// Moves `points` [N, 2] for `epochs` so that edges of the graph become short and other pairs long (see umap_embedding). `keep_going` is asked after
/// each epoch; false: throws Stopped.
void optimise_layout(const NeighborGraph& graph, UmapCurve curve, int epochs, std::uint64_t seed, std::vector<float>& points,
                     const std::function<bool(int done)>& keep_going);

}  // namespace cdc::umap_detail
