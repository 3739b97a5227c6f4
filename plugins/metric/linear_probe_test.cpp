#include <gtest/gtest.h>

#include <limits>

#include "metric_test.hpp"

namespace cdc {
namespace {

using test::error_of;
using test::features_of;
using test::Labelled;
using test::StageHarness;
using test::three_classes;
using test::three_directions;

Value run(StageHarness& harness, std::shared_ptr<Dataset> data, const std::vector<std::shared_ptr<Features>>& features,
          Value given = Value::table()) {
  return test::score_features("metric.linear_probe", harness, given, std::move(data), features);
}

TEST(LinearProbeStage, IsFittedOnOneSplitAndScoredOnTheOthers) {
  StageHarness harness;
  const Value scores = run(harness, three_classes(90, {{"train", 60}, {"test", 30}}),
                           {features_of(three_directions(90, 0.1), 4), features_of(three_directions(90, 9), 4)});
  ASSERT_EQ(scores.as_table().size(), 2u);
  const Value& one = scores.at("features0");
  EXPECT_EQ(one.at("linear_probe_acc").as_real(), 1);
  EXPECT_LT(scores.at("features1").at("linear_probe_acc").as_real(), 0.8);
  const Value& protocol = one.at("protocol");
  EXPECT_EQ(protocol.at("evaluation").as_string(), "linear probe of features; uses labels");
  EXPECT_EQ(protocol.at("split").as_string(), "test");
  EXPECT_EQ(protocol.at("fit_on").as_string(), "train");
  EXPECT_EQ(protocol.at("scored_on").as_string(), "test");
  EXPECT_EQ(protocol.at("fit_samples").as_integer(), 60);
  EXPECT_EQ(protocol.at("samples").as_integer(), 30);
  EXPECT_EQ(protocol.at("classes").as_integer(), 3);
  EXPECT_EQ(protocol.at("C").as_real(), 1);
  EXPECT_TRUE(protocol.at("standardised").as_boolean());
  EXPECT_TRUE(protocol.at("converged").as_boolean());
  EXPECT_GT(protocol.at("iterations").as_integer(), 0);
  EXPECT_EQ(protocol.at("features").at("features").as_string(), "encoder.features");
  ASSERT_FALSE(harness.progress_calls.empty());
  EXPECT_EQ(harness.progress_calls.back().unit, "iteration");
  EXPECT_TRUE(harness.warnings.empty());
  EXPECT_FALSE(test::registry().find("metric.linear_probe")->seeded);
}

TEST(LinearProbeStage, AClassThatOnlyTheOtherSplitHasIsNeverRight) {
  StageHarness harness;
  auto values = three_directions(12, 0.01);
  const auto data = std::make_shared<Labelled>(12, std::vector<std::int32_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 3, 2},
                                               std::vector<std::string>{"a", "b", "c", "d"}, std::vector<SplitPart>{{"train", 9}, {"test", 3}});
  EXPECT_DOUBLE_EQ(run(harness, data, {features_of(std::move(values), 4)}).at("features0").at("linear_probe_acc").as_real(), 1.0 / 3);
}

TEST(LinearProbeStage, FeaturesThatAreAllTheSameNameTheLargestClass) {
  StageHarness harness;
  const auto data = std::make_shared<Labelled>(7, std::vector<std::int32_t>{0, 1, 1, 2, 0, 1, 1}, std::vector<std::string>{"a", "b", "c"},
                                               std::vector<SplitPart>{{"train", 4}, {"test", 3}});
  const Value scores = run(harness, data, {features_of(std::vector<float>(28, 2.5f), 4)});
  EXPECT_DOUBLE_EQ(scores.at("features0").at("linear_probe_acc").as_real(), 2.0 / 3);
  EXPECT_TRUE(harness.warnings.empty());
}

TEST(LinearProbeStage, RefusesFeaturesOfOtherImages) {
  const auto features = features_of(three_directions(30, 0.1), 4);
  const auto data = three_classes(30, {{"train", 20}, {"test", 10}});
  Labelled other = *data;
  other.prefix = "x";
  const auto score = [&](const std::string& collection) {
    StageHarness harness;
    features->collection = collection;
    test::score_features("metric.linear_probe", harness, Value(Value::Table{}), data, {features});
  };
  EXPECT_NO_THROW(score(data->fingerprint()));
  EXPECT_EQ(error_of([&] { score(other.fingerprint()); }), "stage 'features0' is of other images (" + other.fingerprint() +
                                                               ") than stage 'data0' has (" + data->fingerprint() +
                                                               "): score it against the data set that it was made of");
}

TEST(LinearProbeStage, SaysWhatIsWrong) {
  const auto good = features_of(three_directions(9, 0.1), 4);
  const auto said = [](std::shared_ptr<Dataset> data, const std::shared_ptr<Features>& features) {
    StageHarness harness;
    return error_of([&] { run(harness, data, {features}); });
  };
  EXPECT_EQ(said(three_classes(9), good),
            "stage 'data0' has the one split 'test', and a linear probe must be scored on samples that it was not fitted on: open two, as split = "
            "\"train+test\"");
  EXPECT_EQ(said(three_classes(6), good),
            "stage 'features0' gives features of 9 samples, but stage 'data0' has 6: score features against the data set they were taken of");
  EXPECT_EQ(said(std::make_shared<Labelled>(9, std::vector<std::int32_t>{}, std::vector<std::string>{}), good),
            "stage 'data0' has no labels: a linear probe needs them");
  EXPECT_EQ(said(three_classes(9, {{"train", 1}, {"test", 8}}), good),
            "the features of stage 'features0' cannot be scored: logistic regression needs samples of at least two classes to be fitted on");
  auto values = three_directions(9, 0.1);
  values[30] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(said(three_classes(9, {{"train", 6}, {"test", 3}}), features_of(values, 4)),
            "stage 'features0' gives inf for sample 7, column 2: a linear probe needs finite numbers; look at what computed the features");
  StageHarness harness;
  Value given = Value::table();
  given["max_iterations"] = 1;
  run(harness, three_classes(9, {{"train", 6}, {"test", 3}}), {good}, given);
  EXPECT_EQ(harness.warnings, (std::vector<std::string>{"the linear probe of 'features0' was ended after 1 iterations before it converged: raise "
                                                        "max_iterations, or tolerance"}));
  StageHarness stopped;
  stopped.stop = true;
  EXPECT_THROW(run(stopped, three_classes(9, {{"train", 6}, {"test", 3}}), {good}), Stopped);
}

}  // namespace
}  // namespace cdc
