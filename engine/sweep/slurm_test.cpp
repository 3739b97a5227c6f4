#include "sweep/slurm.hpp"

#include <gtest/gtest.h>

namespace cdc {
namespace {

using Rounds = std::vector<std::vector<std::size_t>>;

/// A cell that needs results of these keys; those in capitals are in the cache.
PlannedCell needing(const std::string& keys) {
  PlannedCell out;
  for (const char key : keys) out.stages.push_back({"stage", std::string(1, key), key < 'a'});
  return out;
}

TEST(SweepRounds, NoResultIsComputedTwiceAtOnce) {
  // One training (t), three settings of k-means over it.
  EXPECT_EQ(sweep_rounds({needing("tx"), needing("ty"), needing("tz")}, {0, 1, 2}, {}), (Rounds{{0}, {1, 2}}));
  // Two trainings; what is shared later makes a third round.
  EXPECT_EQ(sweep_rounds({needing("tx"), needing("tys"), needing("tzs"), needing("ux")}, {0, 1, 2, 3}, {}), (Rounds{{0}, {1, 3}, {2}}));
  // Nothing shared, or all that is shared is there.
  EXPECT_EQ(sweep_rounds({needing("Tx"), needing("Ty"), needing("Tz")}, {0, 1, 2}, {}), (Rounds{{0, 1, 2}}));
  EXPECT_EQ(sweep_rounds({needing("Tx"), needing("ty"), needing("tz")}, {0, 2}, {}), (Rounds{{0, 2}}));
  EXPECT_EQ(sweep_rounds({needing("tx")}, {}, {}), Rounds{});
}

TEST(SweepRounds, WhatIsQueuedComputesToo) {
  EXPECT_EQ(sweep_rounds({needing("tx"), needing("ty"), needing("u")}, {1, 2}, {0}), (Rounds{{2}, {1}}));
  EXPECT_EQ(sweep_rounds({needing("tx"), needing("ty"), needing("tz")}, {1, 2}, {0}), (Rounds{{}, {1, 2}}));
}

}  // namespace
}  // namespace cdc
