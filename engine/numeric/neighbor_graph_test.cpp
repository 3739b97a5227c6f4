#include "numeric/neighbor_graph.hpp"

#include <gtest/gtest.h>

namespace cdc {
namespace {

// 0 and 1 are each other's neighbours; 2's are 0 and 3, and nobody's is 2 but 3's.
Neighbors four_rows() {
  Neighbors out;
  out.queries = 4;
  out.k = 2;
  out.index = {1, 3, 0, 3, 3, 0, 2, 1};
  out.distance.assign(8, 1.0f);
  return out;
}

TEST(NeighborGraph, JoinsBothDirections) {
  const std::vector<double> weight = {0.5, 0.25, 1.0, 0.125, 0.75, 0.5, 0.25, 1.0};
  const NeighborGraph mean = join_neighbors(four_rows(), weight, JoinWeights::mean);
  EXPECT_EQ(mean.nodes(), 4);
  EXPECT_EQ(mean.begin, (std::vector<std::int64_t>{0, 3, 5, 7, 10}));
  EXPECT_EQ(mean.other, (std::vector<std::int32_t>{1, 2, 3, 0, 3, 0, 3, 0, 1, 2}));
  EXPECT_EQ(mean.weight, (std::vector<double>{0.75, 0.25, 0.125, 0.75, 0.5625, 0.25, 0.5, 0.125, 0.5625, 0.5}));
  const NeighborGraph either = join_neighbors(four_rows(), weight, JoinWeights::probabilistic_sum);
  EXPECT_EQ(either.other, mean.other);
  EXPECT_EQ(either.weight, (std::vector<double>{1.0, 0.5, 0.25, 1.0, 1.0, 0.5, 0.8125, 0.25, 1.0, 0.8125}));
}

}  // namespace
}  // namespace cdc
