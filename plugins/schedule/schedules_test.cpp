#include <gtest/gtest.h>

#include <cmath>

#include "cdc/optimizer.hpp"
#include "support/node_harness.hpp"

namespace {

std::shared_ptr<cdc::Schedule> make(const std::string& id, const std::string& json) {
  const auto& registry = cdc::test::NodeHarness::plugins();
  const cdc::ComponentInfo* info = registry.find(id);
  if (!info) throw cdc::Error("no plugin " + id);
  auto made = std::dynamic_pointer_cast<cdc::Schedule>(registry.create(*info, cdc::Value::from_json(json)));
  made->check();
  return made;
}

TEST(Schedules, ConstantIsOne) {
  const auto s = make("schedule.constant", "{}");
  for (const int step : {0, 1, 50, 99}) EXPECT_EQ(s->factor(step, 10, 10), 1.0);
}

TEST(Schedules, WarmUpRisesLinearlyByEpochsOrSteps) {
  for (const std::string json : {R"({"warmup_epochs": 0.4})", R"({"warmup_steps": 4})"}) {
    const auto s = make("schedule.constant", json);
    EXPECT_DOUBLE_EQ(s->factor(0, 10, 10), 0.25);
    EXPECT_DOUBLE_EQ(s->factor(2, 10, 10), 0.75);
    EXPECT_DOUBLE_EQ(s->factor(3, 10, 10), 1.0);
    EXPECT_DOUBLE_EQ(s->factor(4, 10, 10), 1.0);
  }
}

TEST(Schedules, StepFallsAtItsMilestones) {
  const auto s = make("schedule.step", R"({"milestones": [2, 5], "gamma": 0.5})");
  EXPECT_EQ(s->factor(19, 10, 10), 1.0);
  EXPECT_EQ(s->factor(20, 10, 10), 0.5);
  EXPECT_EQ(s->factor(49, 10, 10), 0.5);
  EXPECT_EQ(s->factor(50, 10, 10), 0.25);
}

TEST(Schedules, CosineIsThatOfTheReferenceRecipe) {
  const auto s = make("schedule.cosine", R"({"warmup_steps": 100})");
  for (const int i : {0, 50, 99, 100, 1000, 2183}) {
    const double expected = std::min(1.0, (i + 1) / 100.0) * 0.5 * (1 + std::cos(std::acos(-1.0) * i / (8 * 273)));
    EXPECT_NEAR(s->factor(i, 273, 8), expected, 1e-12) << i;
  }
}

TEST(Schedules, CosineEndsAtItsFinalFactor) {
  const auto s = make("schedule.cosine", R"({"final_factor": 0.1})");
  EXPECT_DOUBLE_EQ(s->factor(0, 10, 10), 1.0);
  EXPECT_NEAR(s->factor(50, 10, 10), 0.55, 1e-12);
  EXPECT_NEAR(s->factor(100, 10, 10), 0.1, 1e-12);
}

TEST(Schedules, ContradictionsAreRefused) {
  const auto message = [](const std::string& id, const std::string& json) -> std::string {
    try {
      make(id, json);
    } catch (const cdc::Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(message("schedule.cosine", R"({"warmup_epochs": 1.0, "warmup_steps": 5})").find("set one of them"), std::string::npos);
  EXPECT_NE(message("schedule.step", R"({"milestones": [5, 5]})").find("'milestones' must increase"), std::string::npos);
}

}  // namespace
