#include "cdc/spectral.hpp"

#include <gtest/gtest.h>

#include "cluster_test.hpp"

namespace cdc {
namespace {

using test::grouped_features;
using test::parameters;
using test::run_cluster;
using test::StageHarness;

TEST(SpectralStage, ClustersAndTellsHow) {
  for (const char* weights : {"connectivity", "gaussian"}) {
    StageHarness harness;
    const auto a = run_cluster("cluster.spectral", harness,
                               parameters({{"clusters", 3}, {"neighbors", 12}, {"distance", "cosine"}, {"weights", weights}}), grouped_features());
    ASSERT_EQ(a->cluster.size(), 30u);
    EXPECT_EQ(a->clusters, 3);
    for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(a->cluster[i], a->cluster[i % 3]) << weights;
    EXPECT_EQ(a->protocol.at("method").as_string(), "spectral clustering");
    EXPECT_EQ(a->protocol.at("weights").as_string(), weights);
    EXPECT_EQ(a->protocol.at("distance").as_string(), "cosine");
    EXPECT_EQ(a->protocol.at("neighbors").as_integer(), 12);
    EXPECT_EQ(a->protocol.at("components").as_integer(), 1);
    EXPECT_EQ(a->protocol.at("features").at("split").as_string(), "train");
    ASSERT_EQ(harness.summaries.size(), 3u);
    EXPECT_EQ(harness.summaries[2].second.as_array().size(), 3u);
    EXPECT_TRUE(harness.warnings.empty());
    EXPECT_EQ(harness.progress_calls.back().unit, "k-means");
  }
}

TEST(SpectralStage, EqualsTheLibraryAtTheStagesSeed) {
  StageHarness harness;
  harness.seed_value = 77;
  const auto input = grouped_features();
  const auto a = run_cluster("cluster.spectral", harness, parameters({{"clusters", 5}, {"neighbors", 6}, {"restarts", 2}}), input);
  SpectralOptions options;
  options.clusters = 5;
  options.neighbors = 6;
  options.restarts = 2;
  options.seed = 77;
  EXPECT_EQ(a->cluster, spectral_clustering(input->data.get(), 30, 4, options).labels);
}

TEST(SpectralStage, WarnsOfAGraphInPiecesAndStops) {
  StageHarness harness;
  run_cluster("cluster.spectral", harness, parameters({{"clusters", 3}, {"neighbors", 5}, {"distance", "cosine"}}), grouped_features());
  EXPECT_EQ(harness.warnings,
            (std::vector<std::string>{"the graph of 5 nearest neighbours falls apart into 3 pieces, and no cluster joins two of them: "
                                      "raise neighbors if some are small"}));
  StageHarness stopped;
  stopped.stop = true;
  EXPECT_THROW(run_cluster("cluster.spectral", stopped, parameters({{"clusters", 3}}), grouped_features()), Stopped);
}

}  // namespace
}  // namespace cdc
