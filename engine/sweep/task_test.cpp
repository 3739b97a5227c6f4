#include "sweep/task.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "cdc/error.hpp"
#include "support/files.hpp"

namespace cdc {
namespace {

TEST(TaskPlanFile, WhatCannotBeInAPlanIsToldWithItsFile) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / ("cdc_task_" + std::to_string(::getpid()) + ".json");
  TaskPlan plan;
  plan.sweep.name = "s";
  plan.sweep.stop.rule = EarlyStop::Rule::median;
  plan.sweep.stop.stage = "a";
  plan.sweep.stop.score = "loss";
  plan.sweep.stop.score_where = {"s.toml", 3, 8, Location::kSweep};
  plan.sweep.cells.emplace_back().id = "x-1";
  plan.cells.push_back({"key", "kind", "pipeline"});
  write_task_plan(plan, file);
  const std::string text = test::read_file(file);
  EXPECT_EQ(read_task_plan(file).cells[0].kind, "kind");
  EXPECT_EQ(read_task_plan(file).sweep.stop.score_where.text(), "s.toml:3:8");
  const auto with = [&](const std::string& part, const std::string& other) {
    std::string changed = text;
    changed.replace(changed.find(part), part.size(), other);
    test::write_file(file, changed);
    try {
      read_task_plan(file);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const std::string begins = file.string() + " is no plan of tasks (";
  EXPECT_EQ(with("\"threads\": 1", "\"threads\": 4294967297").find(begins + "\"threads\" is 4294967297, and not from 1 to 4096)"), 0u);
  EXPECT_EQ(with("\"grace\": 1", "\"grace\": 0").find(begins + "\"grace\" is 0, and not from 1 to 1000000)"), 0u);
  EXPECT_EQ(with("\"factor\": 3.0", "\"factor\": -3.0").find(begins + "\"factor\" is -3, and not from 1.5 to 100)"), 0u);
  EXPECT_EQ(with("\"median\"", "\"medium\"").find(begins + "there is no rule \"medium\")"), 0u);
  EXPECT_EQ(with("\"x-1\"", "\"../x\"").find(begins + "'../x' cannot be a run's id)"), 0u);
  EXPECT_EQ(with("\"kind\": \"kind\",", ""), "");  // of an earlier version
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace cdc
