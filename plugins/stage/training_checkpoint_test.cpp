// A checkpoint that is not of this very training, or holds what no training writes: said with the reason, and training starts over.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>

#include "cdc/error.hpp"
#include "graph/planner.hpp"
#include "support/graph_stage.hpp"
#include "support/stage_harness.hpp"

namespace {

namespace fs = std::filesystem;
using Context = cdc::test::GraphStageContext;
using cdc::Value;

constexpr const char* kPipeline = R"(
[pipeline]
name = "test"
seed = 3
[stage.images]
plugin = "dataset.idx"
root = "/nowhere"
[stage.train]
plugin = "stage.train"
in.data = "images"
loss = "loss"
prediction = "head"
score_every = 1
keep = "least_loss"
epochs = 2
restarts = 2
batch_size = 15
precision = "float32"
optimizer = { plugin = "optimizer.adam", lr = 0.01 }
[stage.train.graph.views]
plugin = "test.views"
[stage.train.graph.map]
plugin = "test.linear"
in.images = "views"
[stage.train.graph.head]
plugin = "head.linear"
in.features = "map"
clusters = 3
[stage.train.graph.loss]
plugin = "loss.mutual_information"
in.logits = "head"
)";

class TrainingCheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    plan_ = cdc::plan_text(kPipeline, "test.toml", {}, cdc::test::graph_registry());
    for (const cdc::PlannedStage& s : plan_.stages)
      if (s.name == "train") stage_ = &s;
    Context whole(*stage_, folder_.path() / "whole.h5");
    whole.run();
    expected_ = whole.model_;
    warnings_ = whole.warnings_.size();
  }

  /// A training that was stopped in the second restart, of whose checkpoint `change` is made, then the same command.
  Context run_again(const std::function<void(Value&, std::vector<cdc::NamedTensor>&)>& change) {
    fs::remove(path_);
    Context first(*stage_, path_), again(*stage_, path_);
    first.stop_at_ = 17;
    EXPECT_THROW(first.run(), cdc::Stopped);
    Value header;
    std::vector<cdc::NamedTensor> tensors;
    EXPECT_TRUE(cdc::load_tensors(path_.string(), "checkpoint", header, tensors));
    EXPECT_EQ(header.at("restart").as_integer(), 1);
    change(header, tensors);
    cdc::save_tensors(path_.string(), "checkpoint", header, tensors);
    again.run();
    return again;
  }
  void expect_as_from_the_start(const Context& again, const std::string& reason) {
    ASSERT_EQ(again.warnings_.size(), warnings_ + 1) << reason;
    EXPECT_NE(again.warnings_[0].find("the checkpoint " + path_.string() + " "), std::string::npos) << again.warnings_[0];
    EXPECT_NE(again.warnings_[0].find("starts over: "), std::string::npos) << again.warnings_[0];
    EXPECT_NE(again.warnings_[0].find(reason), std::string::npos) << again.warnings_[0];
    ASSERT_TRUE(again.model_);
    ASSERT_EQ(again.model_->state.size(), expected_->state.size());
    for (std::size_t i = 0; i < expected_->state.size(); ++i)
      EXPECT_TRUE(at::equal(again.model_->state[i].tensor, expected_->state[i].tensor)) << reason;
    EXPECT_EQ(again.lines_.size(), 4U) << reason;
    EXPECT_LT(again.spent_before_, 1000) << reason;
  }

  cdc::test::TemporaryFolder folder_;
  const fs::path path_ = folder_.path() / "0123456789abcdef.h5";
  cdc::Plan plan_;
  const cdc::PlannedStage* stage_ = nullptr;
  std::shared_ptr<const cdc::Model> expected_;
  std::size_t warnings_ = 0;  ///< of a training without any checkpoint
};

TEST_F(TrainingCheckpointTest, SaysWhatItIsOf) {
  const Context again = run_again([](Value& header, std::vector<cdc::NamedTensor>&) {
    EXPECT_EQ(header.at("key").as_string(), "0123456789abcdef");
    EXPECT_EQ(header.at("pipeline").as_string(), "test");
    EXPECT_EQ(header.at("stage").as_string(), "train");
    EXPECT_EQ(header.at("epochs").as_integer(), 2);
    EXPECT_EQ(header.at("steps").as_integer(), 4);
    EXPECT_GE(header.at("spent").as_real(), 0);
    header["spent"] = 1000.0;
  });
  for (const std::string& warning : again.warnings_) EXPECT_EQ(warning.find("checkpoint"), std::string::npos) << warning;
  EXPECT_EQ(again.spent_before_, 1000) << "seconds of all starts are the stage's";
  Value header;
  std::vector<cdc::NamedTensor> tensors;
  ASSERT_TRUE(cdc::load_tensors(path_.string(), "checkpoint", header, tensors));
  EXPECT_GT(header.at("spent").as_real(), 1000);
}

TEST_F(TrainingCheckpointTest, AnothersIsNotUsedAndGoesWhereItBelongs) {
  const auto another = [](Value& header, std::vector<cdc::NamedTensor>&) {
    header["key"] = "fedcba9876543210";
    header["pipeline"] = "other";
    header["spent"] = 1000.0;
  };
  const fs::path its_place = folder_.path() / "fedcba9876543210.h5";
  expect_as_from_the_start(run_again(another),
                           "its key is 'fedcba9876543210', of stage 'train' of pipeline 'other'; here it is '0123456789abcdef'; it was "
                           "moved to " +
                               its_place.string() + ", where that work goes on from it");
  EXPECT_TRUE(fs::exists(its_place));
  // One that has its own there stays, and the other is written over.
  fs::resize_file(its_place, 10);
  expect_as_from_the_start(run_again(another), "here it is '0123456789abcdef'");
  EXPECT_EQ(fs::file_size(its_place), 10U);
  expect_as_from_the_start(run_again([](Value& header, std::vector<cdc::NamedTensor>&) { header["key"] = "../up"; }), "its key is '../up'");
}

TEST_F(TrainingCheckpointTest, NumbersOutOfTheirRangeAreRefused) {
  const auto with = [&](const char* name, Value value) {
    return run_again([&](Value& header, std::vector<cdc::NamedTensor>&) { header[name] = value; });
  };
  expect_as_from_the_start(with("threads", std::int64_t{1000000}), "its threads is 1000000, which is not from 1 to 4096");
  expect_as_from_the_start(with("threads", std::int64_t{0}), "its threads is 0, which is not from 1 to 4096");
  expect_as_from_the_start(with("restart", std::int64_t{2}), "its restart is 2, which is not from 0 to 1");
  expect_as_from_the_start(with("epoch", std::int64_t{-1}), "its epoch is -1, which is not from 0 to 2");
  expect_as_from_the_start(with("batch", std::int64_t{5}), "its batch is 5, which is not from 0 to 4");
  expect_as_from_the_start(with("steps", std::int64_t{3}), "its steps is 3, which is not from 4 to 4");
  expect_as_from_the_start(with("epochs", std::int64_t{9}), "its epochs is 9, which is not from 2 to 2");
  expect_as_from_the_start(with("best_epoch", std::int64_t{7}), "its best_epoch is 7, which is not from 0 to 2");
  expect_as_from_the_start(with("losses", Value::array()), "it has losses of 0 restarts in restart 2");
  expect_as_from_the_start(with("spent", -1.0), "its 'spent' is -1, no time");
  expect_as_from_the_start(with("batch", "three"), "");
}

TEST_F(TrainingCheckpointTest, TensorsOfAnotherShapeTypeOrNameAreRefused) {
  const auto with = [&](const std::string& name, const std::function<void(cdc::NamedTensor&)>& change) {
    return run_again([&](Value&, std::vector<cdc::NamedTensor>& tensors) {
      for (cdc::NamedTensor& t : tensors)
        if (t.name == name) {
          change(t);
          return;
        }
      ADD_FAILURE() << "no tensor " << name;
    });
  };
  expect_as_from_the_start(with("map.weight",
                                [](cdc::NamedTensor& t) {
                                  t.tensor = at::zeros({12, 5});
                                }),
                           "the graph's 'map.weight' is Float [12, 5] in it, Float [12, 4] here");
  expect_as_from_the_start(with("map.weight", [](cdc::NamedTensor& t) { t.tensor = t.tensor.to(at::kDouble); }),
                           "the graph's 'map.weight' is Double [12, 4] in it, Float [12, 4] here");
  expect_as_from_the_start(with("best/map.weight", [](cdc::NamedTensor& t) { t.tensor = at::zeros({2}); }),
                           "the best epoch's 'map.weight' is Float [2] in it");
  expect_as_from_the_start(with("look/clusters", [](cdc::NamedTensor& t) { t.tensor = t.tensor.narrow(0, 0, 59).clone(); }),
                           "the last look's 'clusters' is Int [59] in it, Int [60] here");
  const Context again = run_again([](Value&, std::vector<cdc::NamedTensor>& tensors) {
    for (cdc::NamedTensor& t : tensors)
      if (t.name.rfind("optimizer/", 0) == 0) t.tensor = t.tensor.unsqueeze(0);
  });
  expect_as_from_the_start(again, "the optimizer's '");
  expect_as_from_the_start(run_again([](Value&, std::vector<cdc::NamedTensor>& tensors) { tensors.erase(tensors.begin()); }),
                           "it holds 2 tensors of the graph, here there are 3");
}

}  // namespace
