#include "sweep/early_stop.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace cdc {
namespace {

EpochValues curve(std::initializer_list<double> values) {
  EpochValues out;
  for (const double v : values) out.emplace_back(static_cast<std::int64_t>(out.size()) + 1, v);
  return out;
}

EarlyStop rule(EarlyStop::Rule which, std::int64_t grace, bool largest = false) {
  EarlyStop r;
  r.rule = which;
  r.stage = "train";
  r.score = "loss";
  r.grace = grace;
  r.largest = largest;
  return r;
}

TEST(EarlyStop, MedianStopsWhatIsWorseThanTheMedianOfTheMeans) {
  const EarlyStop median = rule(EarlyStop::Rule::median, 2);
  const std::vector<EpochValues> others{curve({4, 2}), curve({3, 1}), curve({5, 5})};  // means 3, 2, 5: median 3
  EXPECT_TRUE(reason_to_stop(median, curve({9, 3.5}), others));
  EXPECT_FALSE(reason_to_stop(median, curve({9, 3}), others));     // as good
  EXPECT_FALSE(reason_to_stop(median, curve({2.5, 9}), others));   // its best so far counts
  EXPECT_FALSE(reason_to_stop(median, curve({9}), others));        // grace
  EXPECT_FALSE(reason_to_stop(median, curve({9, 9, 9}), others));  // nobody got that far
  EXPECT_FALSE(reason_to_stop(median, curve({9, 9}), {others[0], others[1]}));
  EXPECT_TRUE(reason_to_stop(rule(EarlyStop::Rule::median, 2, true), curve({1, 1}), others));
  EXPECT_EQ(*reason_to_stop(median, curve({9, 3.5}), others), "after epoch 2 its best loss is 3.5, the median of 3 others 3");
}

TEST(EarlyStop, HalvingLetsOneInThreeGoOnAtEachRung) {
  const EarlyStop halving = rule(EarlyStop::Rule::halving, 1);
  const std::vector<EpochValues> others{curve({1}), curve({2}), curve({3}), curve({4}), curve({5})};
  EXPECT_FALSE(reason_to_stop(halving, curve({1.5}), others));  // quantile 2/3 of -5 ... -1: -1.833
  EXPECT_TRUE(reason_to_stop(halving, curve({2.5}), others));
  EXPECT_FALSE(reason_to_stop(halving, curve({9}), {}));                  // the first
  EXPECT_TRUE(reason_to_stop(halving, curve({9}), {curve({1})}));         // the worse of two
  EXPECT_FALSE(reason_to_stop(halving, curve({9, 9}), {curve({1, 1})}));  // no rung
  EXPECT_TRUE(reason_to_stop(halving, curve({9, 9, 9}), {curve({1, 1, 1})}));
  EXPECT_FALSE(reason_to_stop(halving, curve({9, 9, 9}), {curve({1, 1})}));  // the other is not there yet
  EXPECT_EQ(*reason_to_stop(halving, curve({9}), {curve({1})}), "after epoch 1 its best loss is 9; of 2 runs one in 3 goes on, from 3.667");
}

TEST(EarlyStop, AValueThatIsNoNumberIsTheWorst) {
  EXPECT_TRUE(reason_to_stop(rule(EarlyStop::Rule::halving, 1), curve({NAN}), {curve({1}), curve({2})}));
  EXPECT_TRUE(reason_to_stop(rule(EarlyStop::Rule::halving, 1), curve({NAN}), {curve({1})}));
}

TEST(EarlyStop, ReadsAScoreOfItsStage) {
  EarlyStop r = rule(EarlyStop::Rule::median, 1);
  const Value line = Value::from_json(R"({"stage":"train","epoch":3,"loss":1.5,"oracle":{"acc":0.5},"kmeans":{"oracle":{"acc":0.25}}})");
  EXPECT_EQ(epoch_value(r, line), std::make_pair(std::int64_t{3}, 1.5));
  r.score = "oracle.acc";
  EXPECT_EQ(epoch_value(r, line)->second, 0.5);
  r.score = "kmeans.oracle.acc";
  EXPECT_EQ(epoch_value(r, line)->second, 0.25);
  r.score = "confidence";
  EXPECT_FALSE(epoch_value(r, line));
  r.score = "loss";
  r.stage = "other";
  EXPECT_FALSE(epoch_value(r, line));
}

}  // namespace
}  // namespace cdc
