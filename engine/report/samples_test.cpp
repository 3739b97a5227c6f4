#include "report/samples.hpp"

#include <gtest/gtest.h>

namespace cdc {
namespace {

using Numbers = std::vector<std::int64_t>;

TEST(SamplesTest, SilhouettesByHand) {
  // Means 1 and 10.
  const std::vector<float> x{0, 2, 10};
  const std::vector<float> s = simplified_silhouette(x.data(), 3, 1, {0, 0, 1}, 2);
  EXPECT_FLOAT_EQ(s[0], (10.0F - 1.0F) / 10.0F);
  EXPECT_FLOAT_EQ(s[1], (8.0F - 1.0F) / 8.0F);
  EXPECT_FLOAT_EQ(s[2], 1.0F);  // at its mean
}

TEST(SamplesTest, ASampleNearerToAnotherClusterIsBelowZero) {
  const std::vector<float> x{0, 0, 9, 10, 10};
  const std::vector<float> s = simplified_silhouette(x.data(), 5, 1, {0, 0, 0, 1, 1}, 2);
  EXPECT_FLOAT_EQ(s[2], (1.0F - 6.0F) / 6.0F);  // means 3 and 10
  EXPECT_GT(s[0], 0);
}

TEST(SamplesTest, ClustersWithoutSamplesDoNotCount) {
  const std::vector<float> x{0, 2, 10};
  EXPECT_EQ(simplified_silhouette(x.data(), 3, 1, {1, 1, 4}, 6), simplified_silhouette(x.data(), 3, 1, {0, 0, 1}, 2));
  EXPECT_EQ(simplified_silhouette(x.data(), 3, 1, {3, 3, 3}, 6), std::vector<float>(3, 0.0F));  // one cluster: nothing to be told from
}

TEST(SamplesTest, SamplesThatCoincideWithBothMeansAreFinite) {
  const std::vector<float> x{1, 1, 1, 1};
  EXPECT_EQ(simplified_silhouette(x.data(), 4, 1, {0, 0, 1, 1}, 2), std::vector<float>(4, 0.0F));
}

TEST(SamplesTest, NeighborsInOtherClusters) {
  EXPECT_EQ(foreign_neighbors({1, 2, 0, 2, 0, 1}, 2, {0, 0, 1}), (std::vector<float>{0.5F, 0.5F, 1.0F}));
}

TEST(SamplesTest, GalleriesAreInOrder) {
  const std::vector<std::int32_t> cluster{0, 2, 0, 0, 2, 0};
  const std::vector<float> certainty{0.5F, 0.1F, 0.9F, 0.5F, 0.2F, -0.3F}, foreign{0.6F, 0.0F, 0.9F, 0.6F, 0.5F, 1.0F};
  const std::vector<ClusterGallery> all = make_galleries(cluster, 3, certainty, foreign, 3);
  ASSERT_EQ(all.size(), 2U);  // cluster 1 is empty
  EXPECT_EQ(all[0].cluster, 0);
  EXPECT_EQ(all[0].certain, (Numbers{2, 0, 3}));
  EXPECT_EQ(all[0].uncertain, (Numbers{5, 0, 3}));
  EXPECT_EQ(all[0].doubtful, (Numbers{5, 2, 0}));
  EXPECT_EQ(all[1].cluster, 2);
  EXPECT_EQ(all[1].certain, (Numbers{4, 1}));
  EXPECT_EQ(all[1].doubtful, Numbers{});  // half of the neighbours is no majority
}

TEST(SamplesTest, WhatIsNotKnownGivesNoRow) {
  const std::vector<ClusterGallery> all = make_galleries({0, 0}, 1, {}, {}, 3);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].certain.empty() && all[0].uncertain.empty() && all[0].doubtful.empty());
}

TEST(SamplesTest, EvenlySpaced) {
  EXPECT_EQ(evenly_spaced(3, 5), (Numbers{0, 1, 2}));
  EXPECT_EQ(evenly_spaced(10, 4), (Numbers{0, 2, 5, 7}));
  EXPECT_EQ(evenly_spaced(0, 4), Numbers{});
}

}  // namespace
}  // namespace cdc
