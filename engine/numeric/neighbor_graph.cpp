#include "numeric/neighbor_graph.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "cdc/parallel.hpp"

namespace cdc {
namespace {

constexpr std::int64_t kChunk = 1024;  ///< rows of one task

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

}  // namespace

NeighborGraph join_neighbors(const Neighbors& near, const std::vector<double>& weight, JoinWeights join) {
  const std::int64_t n = near.queries, k = near.k;
  std::vector<std::int64_t> begin(size(n + 1), 0);
  for (std::int64_t i = 0; i < n; ++i) {
    begin[size(i + 1)] += k;
    for (std::int64_t j = 0; j < k; ++j) ++begin[size(near.index[size(i * k + j)]) + 1];
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<std::pair<std::int32_t, double>> edges(size(begin.back()));
  std::vector<std::int64_t> next(begin.begin(), begin.end() - 1);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < k; ++j) {
      const std::int32_t o = near.index[size(i * k + j)];
      edges[size(next[size(i)]++)] = {o, weight[size(i * k + j)]};
      edges[size(next[size(o)]++)] = {static_cast<std::int32_t>(i), weight[size(i * k + j)]};
    }
  // An edge that both ends have is there twice in either row.
  std::vector<std::int64_t> left(size(n));
  parallel_chunks(n, kChunk, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      auto* const from = edges.data() + begin[size(i)];
      auto* const to = edges.data() + begin[size(i + 1)];
      std::sort(from, to);
      auto* out = from;
      for (auto* e = from; e < to; ++out) {
        const bool both = e + 1 < to && e[1].first == e->first;
        const double one = e->second, two = both ? e[1].second : 0.0;
        *out = {e->first, join == JoinWeights::mean ? one / 2 + two / 2 : one + two - one * two};
        e += both ? 2 : 1;
      }
      left[size(i)] = out - from;
    }
  });
  NeighborGraph out;
  out.begin.assign(size(n + 1), 0);
  std::partial_sum(left.begin(), left.end(), out.begin.begin() + 1);
  out.other.resize(size(out.begin.back()));
  out.weight.resize(size(out.begin.back()));
  parallel_chunks(n, kChunk, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i)
      for (std::int64_t e = 0; e < left[size(i)]; ++e) {
        out.other[size(out.begin[size(i)] + e)] = edges[size(begin[size(i)] + e)].first;
        out.weight[size(out.begin[size(i)] + e)] = edges[size(begin[size(i)] + e)].second;
      }
  });
  return out;
}

}  // namespace cdc
