// Files of weights beside PyTorch and the safetensors package (tests/oracle/weights.py), both ways.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "artifact/array_file.hpp"
#include "e2e/small_pipeline.hpp"
#include "graph/planner.hpp"
#include "support/graph_stage.hpp"
#include "support/oracle.hpp"
#include "support/stage_harness.hpp"

namespace {

using cdc::Value;
using cdc::test::error_of;

at::Tensor doubles(const Value& list) {
  std::vector<double> all;
  for (const Value& v : list.as_array()) {
    if (v.is_array())
      for (const Value& inner : v.as_array()) all.push_back(inner.as_real());
    else
      all.push_back(v.as_real());
  }
  return at::tensor(all, at::kDouble);
}

std::vector<std::int64_t> integers(const Value& list) {
  std::vector<std::int64_t> all;
  for (const Value& v : list.as_array()) all.push_back(v.as_integer());
  return all;
}

class WeightsOracle : public ::testing::Test {
 protected:
  static const cdc::test::TemporaryFolder& folder() {
    static const cdc::test::TemporaryFolder one;
    return one;
  }
  /// The files that PyTorch wrote, and what it says of them.
  static const Value& oracle() {
    static const Value result = cdc::test::run_oracle("weights", {"write", folder().path().string()});
    return result;
  }
  static std::string file(const std::string& name) { return (folder().path() / name).string(); }
};

TEST_F(WeightsOracle, EveryTensorThatPyTorchWroteIsRead) {
  CDC_NEEDS_ORACLE(oracle());
  for (const auto& [name, tensors] : oracle().at("files").as_table()) {
    const cdc::FileWeights ours = cdc::read_weights(file(name));
    EXPECT_EQ(ours.tensors.size(), tensors.as_table().size()) << name;
    for (const cdc::NamedTensor& t : ours.tensors) {
      SCOPED_TRACE(name + ": " + t.name);
      const Value* theirs = tensors.find(t.name);
      ASSERT_NE(theirs, nullptr);
      EXPECT_EQ(t.tensor.sizes(), integers(theirs->at("shape")));
      EXPECT_TRUE(at::equal(t.tensor.to(at::kDouble).flatten(), doubles(theirs->at("values"))));
    }
    if (name.rfind("cases", 0) != 0 || name == "cases.safetensors") continue;
    std::vector<std::string> unread;
    for (const auto& entry : ours.unread) unread.push_back(entry.first);
    EXPECT_EQ(unread, (std::vector<std::string>{"args", "numpy", "size"})) << name;
    EXPECT_EQ(ours.unread[0].second, "argparse.Namespace");
  }
}

TEST_F(WeightsOracle, WhatIsNoStateIsRefusedByName) {
  CDC_NEEDS_ORACLE(oracle());
  for (const char* name : {"network.pth", "network_old.pth"})
    EXPECT_NE(error_of([&] { cdc::read_weights(file(name)); }).find("it holds an object of Python's 'torch.nn.modules.linear.Linear'"),
              std::string::npos);
  EXPECT_NE(error_of([&] { cdc::read_weights(file("script.pth")); }).find("it holds an object of Python's '__torch__."), std::string::npos);
  EXPECT_NE(error_of([&] { cdc::read_weights(file("protocol4.pth")); }).find("its pickle is of protocol 4"), std::string::npos);
}

TEST_F(WeightsOracle, ResNetsGiveTheFeaturesThatPyTorchGives) {
  CDC_NEEDS_ORACLE(oracle());
  for (const auto& [name, features] : oracle().at("features").as_table()) {
    const cdc::Plan plan = cdc::plan_text(R"(
[stage.images]
plugin = "dataset.idx"
root = "/nowhere"
[stage.load]
plugin = "stage.load"
in.data = "images"
path = ")" + file(name) + R"("
node = "encoder"
skip = ["fc."]
[stage.load.graph.views]
plugin = "augment.plain"
mean = [0.0]
std = [1.0]
[stage.load.graph.encoder]
plugin = "backbone.resnet18"
in.images = "views"
)",
                                          "test.toml", {}, cdc::test::graph_registry());
    cdc::test::GraphStageContext context(plan.stages.back());
    context.run();
    ASSERT_EQ(context.model_->state.size(), 120U) << name;
    EXPECT_EQ(context.model_->protocol.at("prefix"), Value(name == "moco_v2.pth.tar" ? "state_dict.module.encoder_q." : ""));
    const auto session = context.session("");
    cdc::SessionOptions options;
    options.data = std::make_shared<cdc::test::Pixels>();
    session->build(options);
    session->load_state(context.model_->state, cdc::Names::all);
    const at::Tensor ours = session->features("encoder", "features", 60).flatten().to(at::kDouble), theirs = doubles(features);
    EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-4 * theirs.abs().max().item<double>()) << name;
  }
}

using TrainedWeights = cdc::test::SmallPipeline;

TEST_F(TrainedWeights, PythonComputesTheFeaturesThatTheEngineExtracted) {
  const cdc::test::ProcessResult r =
      cdc_run({"stage.cdc.epochs=2", "stage.cdc.graph.views.mean=[0.0]", "stage.cdc.graph.views.std=[1.0]", "stage.features.precision=float32"});
  ASSERT_EQ(r.code, 0) << r.out << r.err;
  const Value python =
      cdc::test::run_oracle("weights", {"features", (folder_ / "runs/small/latest/cdc.model.safetensors").string(),
                                        (folder_ / "data/train-images-idx3-ubyte").string(), (folder_ / "data/t10k-images-idx3-ubyte").string()});
  CDC_NEEDS_ORACLE(python);
  int found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / cache_)) {
    if (entry.path().filename() != "features.h5") continue;
    ++found;
    const cdc::ArrayFileReader file(entry.path(), "features");
    std::vector<float> ours(576 * 16);
    ASSERT_EQ(file.arrays()[0].bytes(), ours.size() * sizeof(float));
    file.read(file.arrays()[0].name, ours.data());
    const at::Tensor theirs = doubles(python.at("features"));
    EXPECT_LT((at::tensor(ours).to(at::kDouble) - theirs).abs().max().item<double>(), 1e-4);
    EXPECT_GT(theirs.std().item<double>(), 0.01);
  }
  EXPECT_EQ(found, 1);
}

}  // namespace
