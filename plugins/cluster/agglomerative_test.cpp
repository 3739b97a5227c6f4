#include "cdc/agglomerative.hpp"

#include <gtest/gtest.h>

#include "cluster_test.hpp"

namespace cdc {
namespace {

using test::error_of;
using test::grouped_features;
using test::parameters;
using test::run_cluster;
using test::StageHarness;

constexpr const char* kPlugin = "cluster.agglomerative";

TEST(AgglomerativeStage, ClustersAndTellsHow) {
  for (const char* linkage : {"ward", "average", "complete", "single"})
    for (const std::int64_t max_samples : {30, 12}) {
      StageHarness harness;
      const auto a =
          run_cluster(kPlugin, harness, parameters({{"clusters", 3}, {"linkage", linkage}, {"normalise", "l2"}, {"max_samples", max_samples}}),
                      grouped_features());
      ASSERT_EQ(a->cluster.size(), 30u);
      EXPECT_EQ(a->clusters, 3);
      for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(a->cluster[i], a->cluster[i % 3]) << linkage;
      EXPECT_EQ(a->protocol.to_json(), std::string(R"({"method":"agglomerative clustering","linkage":")") + linkage +
                                           R"(","normalise":"l2","clustered_samples":)" + std::to_string(max_samples) + R"(,"other_samples":")" +
                                           (max_samples < 30 ? "to the nearest cluster mean" : "none") + R"(","features":{"split":"train"}})");
      EXPECT_EQ(harness.progress_calls.back().done, max_samples - 1);
    }
}

TEST(AgglomerativeStage, EqualsTheLibrary) {
  const auto input = grouped_features();
  for (const auto& [name, linkage] :
       {std::pair("ward", AgglomerativeOptions::Linkage::ward), std::pair("average", AgglomerativeOptions::Linkage::average),
        std::pair("complete", AgglomerativeOptions::Linkage::complete), std::pair("single", AgglomerativeOptions::Linkage::single)}) {
    StageHarness harness;
    harness.seed_value = 77;
    AgglomerativeOptions options;
    options.clusters = 6;
    options.linkage = linkage;
    options.max_samples = 25;
    options.seed = 77;
    EXPECT_EQ(run_cluster(kPlugin, harness, parameters({{"clusters", 6}, {"linkage", name}, {"max_samples", 25}}), input)->cluster,
              agglomerative_clustering(input->data.get(), 30, 4, options).labels)
        << name;
  }
}

TEST(AgglomerativeStage, RefusesWarnsAndStops) {
  StageHarness harness;
  EXPECT_EQ(error_of([&] {
              run_cluster(kPlugin, harness, parameters({{"clusters", 3}, {"max_samples", 2}}), grouped_features());
            }),
            "agglomerative clustering cannot make 3 clusters of a sample of 2 rows: raise max_samples");
  for (const char* linkage : {"ward", "average", "complete", "single"}) {
    auto same = std::make_shared<Features>();
    same->rows = 6;
    same->columns = 2;
    same->data = std::shared_ptr<const float>(new float[12]{1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1}, [](const float* p) { delete[] p; });
    for (const std::int64_t clusters : {1, 2, 3, 6}) {
      StageHarness constant;
      run_cluster(kPlugin, constant, parameters({{"clusters", clusters}, {"linkage", linkage}}), same);
      EXPECT_EQ(constant.warnings, clusters < 3 ? std::vector<std::string>()
                                                : std::vector<std::string>{
                                                      "fewer than " + std::to_string(clusters) +
                                                      " samples have distinct features: equal ones are in several clusters; lower clusters, or look "
                                                      "at what computed the features"});
    }
  }
  StageHarness stopped;
  stopped.stop = true;
  EXPECT_THROW(run_cluster(kPlugin, stopped, parameters({{"clusters", 3}}), grouped_features()), Stopped);
}

}  // namespace
}  // namespace cdc
