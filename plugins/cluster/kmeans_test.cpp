#include "cdc/kmeans.hpp"

#include <gtest/gtest.h>

#include "cluster_test.hpp"

namespace cdc {
namespace {

using test::error_of;
using test::parameters;
using test::StageHarness;

std::shared_ptr<Features> features() { return test::grouped_features(); }

std::shared_ptr<const Assignment> run(StageHarness& harness, const Value& given, std::shared_ptr<const Features> input) {
  return test::run_cluster("cluster.kmeans", harness, given, std::move(input));
}

TEST(KMeansStage, SaysWhatItTakesAndGives) {
  const ComponentInfo* info = test::registry().find("cluster.kmeans");
  ASSERT_NE(info, nullptr);
  EXPECT_TRUE(info->seeded);
  EXPECT_TRUE(info->cached);
  EXPECT_TRUE(info->parameter("clusters")->required);
  EXPECT_EQ(info->parameter("restarts")->default_value.as_integer(), 3);
  EXPECT_EQ(info->parameter("init")->choices, (std::vector<std::string>{"k-means++", "random"}));
  ASSERT_EQ(info->sizes.size(), 1u);
  EXPECT_EQ(info->sizes[0].symbol, "K");
  EXPECT_EQ(info->sizes[0].parameter, "clusters");
}

TEST(KMeansStage, ClustersAndTellsHow) {
  for (const Value& given :
       {parameters({{"clusters", 3}, {"normalise", "l2"}}), parameters({{"clusters", 3}, {"spherical", true}, {"restarts", 2}})}) {
    StageHarness harness;
    const auto a = run(harness, given, features());
    ASSERT_EQ(a->cluster.size(), 30u);
    EXPECT_EQ(a->clusters, 3);
    for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(a->cluster[i], a->cluster[i % 3]) << given.to_json();
    EXPECT_EQ(a->protocol.at("method").as_string(), given.find("spherical") ? "spherical k-means" : "k-means");
    EXPECT_EQ(a->protocol.at("features").at("split").as_string(), "train");
    EXPECT_EQ(a->protocol.at("chosen_by").as_string(), "least inertia");
    ASSERT_EQ(harness.summaries.size(), 4u);
    EXPECT_EQ(harness.summaries[0].first, "inertia");
    EXPECT_EQ(harness.summaries[0].second, a->protocol.at("inertia"));
    EXPECT_GT(harness.summaries[0].second.as_real(), 0);
    EXPECT_EQ(harness.summaries[1].first, "iterations");
    ASSERT_FALSE(harness.progress_calls.empty());
    EXPECT_EQ(harness.progress_calls.back().unit, "restart");
    EXPECT_EQ(harness.progress_calls.back().total, given.find("restarts") ? 2 : 3);
    EXPECT_TRUE(harness.warnings.empty());
  }
}

TEST(KMeansStage, EqualsTheLibraryAtTheStagesSeed) {
  StageHarness harness;
  harness.seed_value = 77;
  const auto input = features();
  const auto a = run(harness, parameters({{"clusters", 7}, {"restarts", 2}, {"init", "random"}}), input);
  KMeansOptions options;
  options.clusters = 7;
  options.restarts = 2;
  options.start = KMeansOptions::Start::random;
  options.seed = 77;
  const KMeansResult r = kmeans(input->data.get(), 30, 4, options);
  EXPECT_EQ(a->cluster, r.labels);
  EXPECT_EQ(a->protocol.at("inertia").as_real(), r.inertia);
}

TEST(KMeansStage, WarnsOfWhatTheResultLacks) {
  StageHarness harness;
  run(harness, parameters({{"clusters", 9}, {"max_iterations", 1}, {"restarts", 1}}), features());
  EXPECT_EQ(harness.warnings, (std::vector<std::string>{"k-means was ended by max_iterations = 1 before it converged: raise it, or tolerance"}));
  auto same = std::make_shared<Features>();
  same->rows = 5;
  same->columns = 2;
  same->data = std::shared_ptr<const float>(new float[10]{}, [](const float* p) { delete[] p; });
  StageHarness constant;
  run(constant, parameters({{"clusters", 3}}), same);
  EXPECT_EQ(constant.warnings,
            (std::vector<std::string>{"2 of 3 clusters are empty: fewer samples than clusters have distinct features; lower clusters"}));
  StageHarness zeros;
  EXPECT_EQ(error_of([&] {
              run(zeros, parameters({{"clusters", 2}, {"normalise", "l2"}}), same);
            }),
            "row 0 of the features cannot be brought to length 1: it is all zeros or not finite; look at what computed the features");
}

TEST(KMeansStage, StopsWhenTheRunDoes) {
  StageHarness harness;
  harness.stop = true;
  EXPECT_THROW(run(harness, parameters({{"clusters", 3}}), features()), Stopped);
  EXPECT_TRUE(harness.outputs.empty());
}

}  // namespace
}  // namespace cdc
