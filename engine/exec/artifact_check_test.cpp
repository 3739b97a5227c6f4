// What a stage gives is held to its word, through the runner. The stages are in tests/plugins/faulty_stages.cpp.
#include "artifact/cache.hpp"
#include "cdc/artifact.hpp"
#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

constexpr const char* kPipeline = R"([pipeline]
name = "p"
[stage.data]
plugin = "faulty.data"
[stage.features]
plugin = "faulty.features"
in.data = "data"
[stage.clusters]
plugin = "faulty.clusters"
in.features = "features"
max_samples = 500
[stage.scores]
plugin = "faulty.scores"
in.prediction = "clusters"
)";

class ArtifactCheckTest : public FakePipeline {
 protected:
  void SetUp() override {
    FakePipeline::SetUp();
    text = kPipeline;
  }
  /// What the run says where a stage is faulty in a way; the parts that all such messages have are taken off.
  std::string said(const std::string& stage, const std::string& how) {
    const std::string who = "stage '" + stage + "' (plugin faulty." + stage + "): ", blame = "; the plugin is faulty (" + plugin().string() + ")";
    std::string what = error_of_run({"stage." + stage + ".how=\"" + how + "\""});
    EXPECT_EQ(what.find(who), 0u) << what;
    what.erase(0, who.size());
    const std::size_t at = what.find(blame);
    blamed = at != std::string::npos;
    if (blamed) what.erase(at);
    return what;
  }
  bool blamed = false;
};

TEST_F(ArtifactCheckTest, WhatIsRightPasses) {
  EXPECT_EQ(error_of_run(), "");
  EXPECT_EQ(error_of_run({"stage.data.how=\"no labels\""}), "");
}

TEST_F(ArtifactCheckTest, DataSets) {
  EXPECT_EQ(said("data", "null"), "its output 'data' was given as a null pointer");
  EXPECT_TRUE(blamed);
  EXPECT_EQ(said("data", "empty"), "its output 'data' is a data set of 0 images: there must be at least one");
  EXPECT_EQ(said("data", "channels"), "its output 'data' is a data set of images with 2 channels: 1 or 3 are known");
  EXPECT_EQ(said("data", "height"), "its output 'data' is a data set of images of 0 x 1 pixels: both are at least 1, or both 0 where images differ");
  const std::string label = "its output 'data' is a data set of 2 classes, but sample 3 (set#3) has the label ",
                    labels = ": labels are 0 to 1, and there are none at all where some samples have none";
  EXPECT_EQ(said("data", "label beyond"), label + "2" + labels);
  EXPECT_EQ(said("data", "label below"), label + "-1" + labels);
  EXPECT_EQ(said("data", "labels short"), "its output 'data' is a data set of 8 images with 7 labels");
  EXPECT_EQ(said("data", "parts"), "its output 'data' is a data set of 8 images, but its parts() have 9 together");
  EXPECT_TRUE(blamed);
}

TEST_F(ArtifactCheckTest, Features) {
  EXPECT_EQ(said("features", "a row less"), "its output 'features' has N = 7, but its input 'data' has 8");
  EXPECT_EQ(said("features", "no columns"), "its output 'features' has 8 rows and 0 columns: at least one of each");
  EXPECT_EQ(said("features", "no memory"), "its output 'features' has 8 x 3 numbers, but no memory with them");
  EXPECT_TRUE(blamed);
  const std::string remedy = " (both from 0): features are finite numbers; look at the images and weights that gave them";
  EXPECT_EQ(said("features", "nan"), "its output 'features' is nan in row 2, column 1" + remedy);
  EXPECT_EQ(said("features", "infinite"), "its output 'features' is inf in row 0, column 0" + remedy);
  EXPECT_FALSE(blamed);
}

TEST_F(ArtifactCheckTest, Assignments) {
  EXPECT_EQ(said("clusters", "short"), "its output 'assignment' has N = 7, but its input 'features' has 8");
  EXPECT_EQ(said("clusters", "beyond"), "its output 'assignment' puts sample 4 into cluster 99, but of 2 clusters there are 0 to 1");
  EXPECT_EQ(said("clusters", "below"), "its output 'assignment' puts sample 4 into cluster -1, but of 2 clusters there are 0 to 1");
  EXPECT_EQ(said("clusters", "no clusters"), "its output 'assignment' has 0 clusters: at least one");
  EXPECT_EQ(said("clusters", "another K"), "its output 'assignment' has K = 3, but the pipeline has 2");
  EXPECT_EQ(said("clusters", "null"), "its output 'assignment' was given as a null pointer");
  EXPECT_EQ(said("clusters", "twice"), "it gave its output 'assignment' twice");
  EXPECT_TRUE(blamed);
  EXPECT_TRUE(cached_files("assignment.h5").empty()) << "nothing of it is kept";
}

TEST_F(ArtifactCheckTest, Scores) {
  EXPECT_EQ(said("scores", "nan"), "its output 'scores' has nan as the score 'acc' of 'clusters': scores are finite numbers");
  EXPECT_EQ(said("scores", "text"), "its output 'scores' has \"good\" as the score 'acc' of 'clusters': scores are numbers");
  EXPECT_EQ(said("scores", "no row"), "its output 'scores' has 0.5 for 'clusters' instead of a table of numbers");
  EXPECT_EQ(said("scores", "no table"), "its output 'scores' is a real instead of a table: name of what was scored -> table of numbers");
  EXPECT_TRUE(blamed);
}

/// A result of before it was checked, or of a plugin that was exchanged under the same version.
TEST_F(ArtifactCheckTest, AWrongResultInTheCacheIsNamed) {
  run();
  const fs::path file = cached_files("assignment.h5").at(0);
  Cache cache(folder / "cache");
  const std::string key = file.parent_path().filename().string();
  const Value entry = cache.entry(key);
  auto wrong = std::make_shared<Assignment>(*std::static_pointer_cast<const Assignment>(cache.read(key, "assignment", PortType::assignment)));
  wrong->cluster[4] = 99;
  cache.remove(key);
  const auto pending = cache.begin(key);
  pending->put("assignment", PortType::assignment, wrong);
  pending->commit(entry);
  const std::string wrong_result =
      "the result of stage 'clusters' in the cache is wrong: its output 'assignment' puts sample 4 into cluster 99, but of 2 clusters there are 0 to 1 "
      "(" +
      file.string() + "); update the plugin faulty.clusters, which gave it, and run with --fresh";
  EXPECT_EQ(error_of_run(), wrong_result);  // read for the run's own files
  fs::remove_all(cached_files("scores.h5").at(0).parent_path());
  EXPECT_EQ(error_of_run(), "stage 'scores' (plugin faulty.scores): " + wrong_result);
}

TEST_F(ArtifactCheckTest, AFailureInABackwardPassThatIsFollowedSaysWhere) {
  RunOptions o = options(listener);
  o.last_backward = []() -> std::string { return "the backward pass of X, which the forward pass of node 'n' (a.b) made"; };
  try {
    run_pipeline(plan({"stage.clusters.how=memory"}), registry(), o);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(
        std::string(e.what()).find("there is not enough memory: the backward pass of X, which the forward pass of node 'n' (a.b) made; lower max"),
        std::string::npos)
        << e.what();
  }
}

TEST_F(ArtifactCheckTest, MemoryThatRunsOutNamesWhatToLower) {
  EXPECT_EQ(said("clusters", "memory"), "there is not enough memory; lower max_samples = 500 (p.toml:11:1), or take a machine with more");
  text.replace(text.find("max_samples = 500"), 17, "");
  EXPECT_EQ(said("clusters", "memory"), "there is not enough memory; end what else uses memory, take fewer samples, or a machine with more");
}

}  // namespace
}  // namespace cdc::test
