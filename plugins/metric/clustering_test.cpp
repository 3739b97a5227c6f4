#include <gtest/gtest.h>

#include <cmath>

#include "metric_test.hpp"

namespace cdc {
namespace {

using test::error_of;
using test::Labelled;
using test::make;
using test::StageHarness;

std::shared_ptr<Assignment> assignment(std::vector<std::int32_t> cluster, std::int64_t clusters) {
  auto out = std::make_shared<Assignment>();
  out->cluster = std::move(cluster);
  out->clusters = clusters;
  out->protocol = Value::table();
  out->protocol["method"] = "made up";
  return out;
}

Value run(StageHarness& harness, std::shared_ptr<Dataset> data, const std::vector<std::shared_ptr<Assignment>>& predictions) {
  harness.inputs.emplace("data", std::shared_ptr<const Dataset>(std::move(data)));
  for (const auto& p : predictions) harness.inputs.emplace("prediction", p);
  make<Stage>("metric.clustering")->run(harness);
  return std::static_pointer_cast<const Scores>(harness.outputs.at("scores"))->values;
}

TEST(ClusteringStage, AClassWithoutSamplesIsNone) {
  StageHarness harness;
  std::vector<std::string> names;
  for (int k = 0; k <= 200; ++k) names.push_back(std::to_string(k));
  const Value scores = run(harness, std::make_shared<Labelled>(4, std::vector<std::int32_t>{0, 7, 200, 7}, names), {assignment({0, 1, 2, 1}, 3)});
  EXPECT_EQ(scores.at("prediction0").at("protocol").at("classes").as_integer(), 3);
  EXPECT_DOUBLE_EQ(scores.at("prediction0").at("acc").as_real(), 1);
}

TEST(ClusteringStage, RefusesAPredictionOfOtherImages) {
  const auto data = std::make_shared<Labelled>(3, std::vector<std::int32_t>{0, 1, 0}, std::vector<std::string>{"a", "b"});
  Labelled other = *data;
  other.prefix = "x";
  const auto prediction = assignment({0, 1, 0}, 2);
  const auto score = [&](const std::string& collection) {
    StageHarness harness;
    prediction->collection = collection;
    run(harness, data, {prediction});
  };
  EXPECT_NO_THROW(score(data->fingerprint()));
  EXPECT_NO_THROW(score("")) << "unknown: a result from before";
  EXPECT_EQ(error_of([&] { score(other.fingerprint()); }), "stage 'prediction0' is of other images (" + other.fingerprint() +
                                                               ") than stage 'data0' has (" + data->fingerprint() +
                                                               "): score it against the data set that it was made of");
}

TEST(ClusteringStage, ScoresEachPredictionUnderItsStagesName) {
  StageHarness harness;
  const Value scores =
      run(harness, std::make_shared<Labelled>(6, std::vector<std::int32_t>{0, 0, 1, 1, 2, 2}, std::vector<std::string>{"a", "b", "c"}),
          {assignment({2, 2, 0, 0, 1, 1}, 3), assignment({0, 0, 0, 0, 1, 1}, 4)});
  ASSERT_EQ(scores.as_table().size(), 2u);
  const Value& perfect = scores.at("prediction0");
  for (const char* name : {"acc", "nmi", "ari", "ami", "purity", "homogeneity", "completeness", "v_measure", "entropy"})
    EXPECT_NEAR(perfect.at(name).as_real(), 1, 1e-12) << name;
  EXPECT_EQ(perfect.at("empty_clusters").as_integer(), 0);
  EXPECT_NEAR(perfect.at("largest_share").as_real(), 1.0 / 3, 1e-15);
  const Value& protocol = perfect.at("protocol");
  EXPECT_EQ(protocol.at("scored_on").as_string(), "test");
  EXPECT_EQ(protocol.at("samples").as_integer(), 6);
  EXPECT_EQ(protocol.at("clusters").as_integer(), 3);
  EXPECT_EQ(protocol.at("classes").as_integer(), 3);
  EXPECT_EQ(protocol.at("matching").as_string(), "Hungarian, one to one");
  EXPECT_EQ(protocol.at("prediction").at("method").as_string(), "made up");
  const Value& merged = scores.at("prediction1");
  EXPECT_DOUBLE_EQ(merged.at("acc").as_real(), 4.0 / 6);
  EXPECT_DOUBLE_EQ(merged.at("purity").as_real(), 4.0 / 6);
  EXPECT_NEAR(merged.at("completeness").as_real(), 1, 1e-12);
  EXPECT_EQ(merged.at("empty_clusters").as_integer(), 2);
  EXPECT_NEAR(merged.at("entropy_nats").as_real(), -(4.0 / 6 * std::log(4.0 / 6) + 2.0 / 6 * std::log(2.0 / 6)), 1e-12);
  EXPECT_NEAR(merged.at("entropy").as_real(), merged.at("entropy_nats").as_real() / std::log(4.0), 1e-12);
  EXPECT_TRUE(harness.warnings.empty());
  EXPECT_FALSE(test::registry().find("metric.clustering")->seeded);
}

TEST(ClusteringStage, WithoutLabelsTellsOnlyHowSamplesSpread) {
  StageHarness harness;
  const Value scores =
      run(harness, std::make_shared<Labelled>(4, std::vector<std::int32_t>{}, std::vector<std::string>{}), {assignment({0, 1, 1, 1}, 2)});
  const Value& one = scores.at("prediction0");
  EXPECT_EQ(one.find("acc"), nullptr);
  EXPECT_EQ(one.at("largest_share").as_real(), 0.75);
  EXPECT_EQ(one.at("protocol").at("note").as_string(), "no labels: only how samples spread over clusters");
  EXPECT_EQ(harness.warnings, (std::vector<std::string>{"stage 'data0' has no labels: no ACC, NMI or other score against them"}));
}

TEST(ClusteringStage, NamesBothStagesWhereLengthsDiffer) {
  StageHarness harness;
  const auto data = std::make_shared<Labelled>(3, std::vector<std::int32_t>{0, 1, 1}, std::vector<std::string>{"a", "b"});
  EXPECT_EQ(error_of([&] {
              run(harness, data, {assignment({0, 1}, 2)});
            }),
            "stage 'prediction0' assigns 2 samples, but stage 'data0' has 3: score a prediction against the data set it was made of");
}

TEST(ClusteringStage, NamesThePredictionThatCannotBeScored) {
  StageHarness harness;
  const auto data = std::make_shared<Labelled>(3, std::vector<std::int32_t>{0, 1, 1}, std::vector<std::string>{"a", "b"});
  EXPECT_EQ(error_of([&] {
              run(harness, data, {assignment({0, 1, 1}, 2), assignment({0, 1, 2}, 2)});
            }),
            "the prediction of stage 'prediction1' cannot be scored: sample 2 has cluster 2: clusters must lie in 0 .. 1");
}

}  // namespace
}  // namespace cdc
