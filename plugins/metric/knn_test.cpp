#include <gtest/gtest.h>

#include <algorithm>
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

Value run(StageHarness& harness, std::int64_t k, std::shared_ptr<Dataset> data, const std::vector<std::shared_ptr<Features>>& features,
          const std::string& fit_split = "train") {
  Value given = Value::table();
  given["k"] = k;
  given["fit_split"] = fit_split;
  return test::score_features("metric.knn", harness, given, std::move(data), features);
}

TEST(KnnStage, VotesOfOneSplitNameTheOthers) {
  StageHarness harness;
  const Value scores = run(harness, 5, three_classes(90, {{"train", 60}, {"test", 30}}),
                           {features_of(three_directions(90, 0.1), 4), features_of(three_directions(90, 9), 4)});
  ASSERT_EQ(scores.as_table().size(), 2u);
  const Value& one = scores.at("features0");
  EXPECT_EQ(one.at("knn_acc").as_real(), 1);
  EXPECT_EQ(one.at("knn_majority_acc").as_real(), 1);
  EXPECT_LT(scores.at("features1").at("knn_acc").as_real(), 0.8);
  const Value& protocol = one.at("protocol");
  EXPECT_EQ(protocol.to_json(),
            R"({"evaluation":"kNN classification of features; uses labels","split":"test","fit_on":"train","scored_on":"test","leave_one_out":false,)"
            R"("fit_samples":60,"samples":30,"classes":3,"k":5,"distance":"cosine","temperature":0.07,"features":{"features":"encoder.features"}})");
  ASSERT_FALSE(harness.progress_calls.empty());
  EXPECT_EQ(harness.progress_calls.back().done, 30);
  EXPECT_FALSE(test::registry().find("metric.knn")->seeded);
}

TEST(KnnStage, WeighsNearNeighboursMoreAndTakesTheLowestOfEqualClasses) {
  // The query (1, 0) has one neighbour of class 1 at cosine 1 and two of class 0 at cosine 0.6: the weighted vote is 1's, the majority's 0's.
  StageHarness harness;
  const auto data = std::make_shared<Labelled>(4, std::vector<std::int32_t>{0, 0, 1, 1}, std::vector<std::string>{"a", "b"},
                                               std::vector<SplitPart>{{"train", 3}, {"test", 1}});
  const auto features = features_of({3, 4, 3, -4, 2, 0, 1, 0}, 2);
  Value scores = run(harness, 3, data, {features});
  EXPECT_EQ(scores.at("features0").at("knn_acc").as_real(), 1);
  EXPECT_EQ(scores.at("features0").at("knn_majority_acc").as_real(), 0);
  // Two at the same distance, of different classes.
  StageHarness even;
  const auto equal = std::make_shared<Labelled>(3, std::vector<std::int32_t>{1, 0, 0}, std::vector<std::string>{"a", "b"},
                                                std::vector<SplitPart>{{"train", 2}, {"test", 1}});
  scores = run(even, 2, equal, {features_of({3, 4, 3, -4, 1, 0}, 2)});
  EXPECT_EQ(scores.at("features0").at("knn_acc").as_real(), 1);
  EXPECT_EQ(scores.at("features0").at("knn_majority_acc").as_real(), 1);
}

TEST(KnnStage, LeavesOneOutWhereThereIsOneSplit) {
  StageHarness harness;
  // Each sample's nearest other is of another class: with itself among the neighbours all would be right.
  const auto data = std::make_shared<Labelled>(4, std::vector<std::int32_t>{0, 1, 0, 1}, std::vector<std::string>{"a", "b"});
  const Value scores = run(harness, 1, data, {features_of({1, 0, 1, 0.1f, 0, 1, 0.1f, 1}, 2)});
  EXPECT_EQ(scores.at("features0").at("knn_acc").as_real(), 0);
  const Value& protocol = scores.at("features0").at("protocol");
  EXPECT_TRUE(protocol.at("leave_one_out").as_boolean());
  EXPECT_EQ(protocol.at("fit_on").as_string(), "test");
  EXPECT_EQ(protocol.at("scored_on").as_string(), "test");
}

TEST(KnnStage, ScoresWhatLiesBeforeAndBehindTheSplitFittedOn) {
  StageHarness harness;
  const Value scores =
      run(harness, 3, three_classes(90, {{"a", 30}, {"empty", 0}, {"b", 30}, {"c", 30}}), {features_of(three_directions(90, 0.1), 4)}, "b");
  EXPECT_EQ(scores.at("features0").at("knn_acc").as_real(), 1);
  EXPECT_EQ(scores.at("features0").at("protocol").at("fit_on").as_string(), "b");
  EXPECT_EQ(scores.at("features0").at("protocol").at("scored_on").as_string(), "a+c");
  EXPECT_EQ(scores.at("features0").at("protocol").at("samples").as_integer(), 60);
}

TEST(KnnStage, FeaturesThatAreAllTheSameNameOneClass) {
  StageHarness harness;
  const Value scores = run(harness, 4, three_classes(90, {{"train", 60}, {"test", 30}}), {features_of(std::vector<float>(360, 2.5f), 4)});
  EXPECT_DOUBLE_EQ(scores.at("features0").at("knn_acc").as_real(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(scores.at("features0").at("knn_majority_acc").as_real(), 1.0 / 3);
}

TEST(KnnStage, RefusesFeaturesOfOtherImages) {
  const auto features = features_of(three_directions(30, 0.1), 4);
  const auto data = three_classes(30);
  Labelled other = *data;
  other.prefix = "x";
  const auto score = [&](const std::string& collection) {
    StageHarness harness;
    features->collection = collection;
    test::score_features("metric.knn", harness, Value(Value::Table{{"k", 5}}), data, {features});
  };
  EXPECT_NO_THROW(score(data->fingerprint()));
  EXPECT_EQ(error_of([&] { score(other.fingerprint()); }), "stage 'features0' is of other images (" + other.fingerprint() +
                                                               ") than stage 'data0' has (" + data->fingerprint() +
                                                               "): score it against the data set that it was made of");
}

TEST(KnnStage, SaysWhatIsWrong) {
  const auto good = features_of(three_directions(9, 0.1), 4);
  const auto said = [](std::int64_t k, std::shared_ptr<Dataset> data, const std::shared_ptr<Features>& features, const char* fit_split) {
    StageHarness harness;
    return error_of([&] { run(harness, k, data, {features}, fit_split); });
  };
  EXPECT_EQ(said(2, three_classes(6), good, "train"),
            "stage 'features0' gives features of 9 samples, but stage 'data0' has 6: score features against the data set they were taken of");
  EXPECT_EQ(said(2, std::make_shared<Labelled>(9, std::vector<std::int32_t>{}, std::vector<std::string>{}), good, "train"),
            "stage 'data0' has no labels: kNN accuracy needs them");
  EXPECT_EQ(said(2, three_classes(9, {{"train", 6}, {"val", 3}}), good, "fit"),
            "stage 'data0' has the splits train, val, and none called 'fit' to fit on: set fit_split");
  EXPECT_EQ(said(7, three_classes(9, {{"train", 6}, {"val", 3}}), good, "train"),
            "k = 7 neighbours, but only 6 samples of split 'train' can vote: lower k");
  EXPECT_EQ(said(9, three_classes(9), good, "train"), "k = 9 neighbours, but only 8 samples of split 'test' can vote: lower k");
  auto values = three_directions(9, 0.1);
  std::fill(values.begin() + 28, values.begin() + 32, 0.0f);  // of a sample that is scored
  EXPECT_EQ(said(2, three_classes(9, {{"train", 6}, {"val", 3}}), features_of(values, 4), "train"),
            "stage 'features0' gives only zeros for sample 7: kNN accuracy compares directions; look at what computed the features");
  values[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(said(2, three_classes(9), features_of(values, 4), "train"),
            "stage 'features0' gives nan for sample 1, column 1: kNN accuracy needs finite numbers; look at what computed the features");
  StageHarness harness;
  harness.stop = true;
  EXPECT_THROW(run(harness, 2, three_classes(9), {good}), Stopped);
}

}  // namespace
}  // namespace cdc
