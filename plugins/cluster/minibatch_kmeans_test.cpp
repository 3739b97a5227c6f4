#include <gtest/gtest.h>

#include "cdc/kmeans.hpp"
#include "cluster_test.hpp"

namespace cdc {
namespace {

using test::error_of;
using test::grouped_features;
using test::parameters;
using test::run_cluster;
using test::StageHarness;

constexpr const char* kPlugin = "cluster.minibatch_kmeans";

TEST(MiniBatchKMeansStage, ClustersAndTellsHow) {
  for (const bool spherical : {false, true}) {
    StageHarness harness;
    const auto a = run_cluster(kPlugin, harness, parameters({{"clusters", 3}, {"normalise", "l2"}, {"batch_size", 16}, {"spherical", spherical}}),
                               grouped_features());
    ASSERT_EQ(a->cluster.size(), 30u);
    EXPECT_EQ(a->clusters, 3);
    for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(a->cluster[i], a->cluster[i % 3]);
    EXPECT_EQ(a->protocol.at("method").as_string(), spherical ? "spherical mini-batch k-means" : "mini-batch k-means");
    EXPECT_EQ(a->protocol.at("batch_size").as_integer(), 16);
    EXPECT_EQ(a->protocol.at("features").at("split").as_string(), "train");
    ASSERT_EQ(harness.summaries.size(), 3u);
    EXPECT_EQ(harness.summaries[0].second, a->protocol.at("inertia"));
    ASSERT_FALSE(harness.progress_calls.empty());
    EXPECT_EQ(harness.progress_calls.back().unit, "batch");
    EXPECT_TRUE(harness.warnings.empty());
  }
}

TEST(MiniBatchKMeansStage, EqualsTheLibraryAtTheStagesSeed) {
  StageHarness harness;
  harness.seed_value = 77;
  const auto input = grouped_features();
  const auto a = run_cluster(kPlugin, harness,
                             parameters({{"clusters", 7},
                                         {"batch_size", 8},
                                         {"max_passes", 9},
                                         {"inits", 2},
                                         {"init_samples", 20},
                                         {"init", "random"},
                                         {"reassignment_ratio", 0.1},
                                         {"max_no_improvement", 5},
                                         {"tolerance", 1e-9}}),
                             input);
  MiniBatchKMeansOptions options;
  options.clusters = 7;
  options.batch_size = 8;
  options.max_passes = 9;
  options.inits = 2;
  options.init_samples = 20;
  options.reassignment_ratio = 0.1;
  options.max_no_improvement = 5;
  options.tolerance = 1e-9;
  options.start = KMeansOptions::Start::random;
  options.seed = 77;
  const KMeansResult r = minibatch_kmeans(input->data.get(), 30, 4, options);
  EXPECT_EQ(a->cluster, r.labels);
  EXPECT_EQ(a->protocol.at("inertia").as_real(), r.inertia);
}

TEST(MiniBatchKMeansStage, WarnsOfWhatTheResultLacks) {
  StageHarness harness;
  run_cluster(kPlugin, harness, parameters({{"clusters", 3}, {"max_passes", 1}}), grouped_features());
  EXPECT_EQ(harness.warnings, (std::vector<std::string>{"mini-batch k-means was ended by max_passes = 1 while it still improved: raise it"}));
  auto same = std::make_shared<Features>();
  same->rows = 5;
  same->columns = 2;
  same->data = std::shared_ptr<const float>(new float[10]{}, [](const float* p) { delete[] p; });
  StageHarness constant;
  run_cluster(kPlugin, constant, parameters({{"clusters", 3}}), same);
  EXPECT_EQ(constant.warnings, (std::vector<std::string>{"2 of 3 clusters are empty: raise reassignment_ratio or batch_size, or lower clusters"}));
}

TEST(MiniBatchKMeansStage, StopsWhenTheRunDoes) {
  StageHarness harness;
  harness.stop = true;
  EXPECT_THROW(run_cluster(kPlugin, harness, parameters({{"clusters", 3}}), grouped_features()), Stopped);
  EXPECT_TRUE(harness.outputs.empty());
}

}  // namespace
}  // namespace cdc
