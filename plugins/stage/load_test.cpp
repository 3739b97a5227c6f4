#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "artifact/safetensors.hpp"
#include "graph/planner.hpp"
#include "support/graph_stage.hpp"
#include "support/stage_harness.hpp"
#include "support/torch_file.hpp"

namespace {

using cdc::NamedTensor;
using cdc::Value;
using cdc::test::error_of;
using cdc::test::graph_registry;
using cdc::test::GraphStageContext;

/// Loads files into a convolution with its normalisation, and a projection behind it where `head` is set.
class LoadTest : public ::testing::Test {
 protected:
  std::string file() const { return (folder_.path() / "weights").string(); }

  const cdc::PlannedStage& stage(const std::string& parameters, bool head = false) {
    std::string text = R"(
[stage.images]
plugin = "dataset.idx"
root = "/nowhere"
[stage.load]
plugin = "stage.load"
in.data = "images"
path = ")" + file() + "\"\n" +
                       parameters + R"(
[stage.load.graph.views]
plugin = "augment.plain"
[stage.load.graph.encoder]
plugin = "backbone.convnet"
in.images = "views"
channels = [4]
kernels = [3]
strides = [2]
)";
    if (head) text += "[stage.load.graph.head]\nplugin = \"head.student_t\"\nin.features = \"encoder\"\nclusters = 2\n";
    plan_ = cdc::plan_text(text, "test.toml", {}, graph_registry());
    for (const cdc::PlannedStage& s : plan_.stages)
      if (s.name == "load") return s;
    throw cdc::Error("no stage");
  }
  /// The tensors of the encoder by their names in a file.
  static std::vector<NamedTensor> weights(const std::string& start = "") {
    return {{start + "0.0.weight", at::randn({4, 1, 3, 3})},
            {start + "0.1.weight", at::randn({4})},
            {start + "0.1.bias", at::randn({4})},
            {start + "0.1.running_mean", at::randn({4})},
            {start + "0.1.running_var", at::full({4}, 2.0)},
            {start + "0.1.num_batches_tracked", at::full({}, 7, at::kLong)}};
  }
  void write(const std::vector<NamedTensor>& tensors) const {
    std::vector<std::pair<cdc::ArrayInfo, const void*>> arrays;
    for (const NamedTensor& t : tensors)
      arrays.push_back({{t.name, t.tensor.scalar_type() == at::kLong ? cdc::ElementType::int64 : cdc::ElementType::float32, t.tensor.sizes().vec()},
                        t.tensor.data_ptr()});
    cdc::write_safetensors(file(), arrays, Value::table());
  }
  std::shared_ptr<const cdc::Model> load(const std::string& parameters, bool head = false) {
    GraphStageContext context(stage(parameters, head));
    context.run();
    infos_ = context.infos_;
    return context.model_;
  }
  std::string message(const std::string& parameters, bool head = false) {
    return error_of([&] { load(parameters, head); });
  }
  static void expect_loaded(const cdc::Model& model, const std::vector<NamedTensor>& weights) {
    ASSERT_EQ(model.state.size(), weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_TRUE(at::equal(model.state[i].tensor, weights[i].tensor)) << model.state[i].name;
  }

  cdc::test::TemporaryFolder folder_;
  cdc::Plan plan_;
  std::vector<std::string> infos_;
};

TEST_F(LoadTest, ANodesTensorsAreFoundBehindTheirPrefix) {
  for (const char* start : {"", "module.", "state_dict.module.encoder_q."}) {
    std::vector<NamedTensor> all = weights(start);
    const std::vector<NamedTensor> own = all;
    if (*start != 0) all.push_back({"other.weight", at::zeros({3})});
    write(all);
    const auto model = load("node = \"encoder\"\n");
    EXPECT_EQ(model->state[0].name, "encoder.0.0.weight");
    expect_loaded(*model, own);
    EXPECT_TRUE(model->state[0].trainable);
    EXPECT_EQ(model->protocol.at("weights"), Value(file()));
    EXPECT_EQ(model->protocol.at("prefix"), Value(start));
    EXPECT_EQ(infos_.back(),
              "6 tensors (0.00 M numbers) of " + file() + ", prefix \"" + start + "\"; " + (*start != 0 ? "1" : "0") + " others there left out");
  }
}

TEST_F(LoadTest, APrefixChoosesAndStateDictNeedNotBeSaid) {
  std::vector<NamedTensor> all = weights("state_dict.module.encoder_q.");
  const std::vector<NamedTensor> own = all;
  for (const NamedTensor& t : weights("state_dict.module.encoder_k.")) all.push_back(t);
  all.push_back({"state_dict.module.encoder_q.fc.0.weight", at::zeros({1})});
  write(all);
  for (const char* prefix : {"module.encoder_q.", "state_dict.module.encoder_q."})
    expect_loaded(*load("node = \"encoder\"\nskip = [\"fc.\"]\nprefix = \"" + std::string(prefix) + "\"\n"), own);
  EXPECT_EQ(message("node = \"encoder\"\n"), "in " + file() +
                                                 " the graph's names stand behind 2 prefixes: 'state_dict.module.encoder_k.', "
                                                 "'state_dict.module.encoder_q.'; set 'prefix' to one of them");
  EXPECT_EQ(message("node = \"encoder\"\nprefix = \"modul.\"\n"),
            "no tensor in " + file() +
                " has a name that begins with prefix = \"modul.\"; they are called 'state_dict.module.encoder_q.0.1.num_batches_tracked', "
                "'state_dict.module.encoder_k.0.1.num_batches_tracked', 'state_dict.module.encoder_q.0.0.weight', ...");
}

TEST_F(LoadTest, AWholeGraphFromTheWeightsOfARun) {
  std::vector<NamedTensor> all = weights("encoder.");
  all.push_back({"head.centres", at::randn({2, 4})});
  write(all);
  expect_loaded(*load("", true), all);
  all.pop_back();
  expect_loaded(*load("node = \"encoder\"\n"), all);
}

TEST_F(LoadTest, WeightsServeAsThoseOfATrainedModel) {
  write(weights());
  const auto model = load("node = \"encoder\"\n");
  const auto session = cdc::make_graph_session(stage("node = \"encoder\"\n").graph, graph_registry());
  cdc::SessionOptions options;
  options.data = std::make_shared<cdc::test::Pixels>();
  session->build(options);
  const at::Tensor before = session->features("encoder", "features", 60);
  EXPECT_EQ(session->load_state(model->state, cdc::Names::all), 6U);
  EXPECT_FALSE(at::equal(session->features("encoder", "features", 60), before));
}

TEST_F(LoadTest, NumbersOfBatchesMayBeMissing) {
  std::vector<NamedTensor> all = weights();
  all.back().tensor = at::zeros({}, at::kLong);
  std::vector<NamedTensor> without(all.begin(), all.end() - 1);
  write(without);
  expect_loaded(*load("node = \"encoder\"\n"), all);
}

TEST_F(LoadTest, WhatDoesNotFitIsToldAtOnce) {
  std::vector<NamedTensor> all = weights("m.");
  all[0].tensor = at::zeros({4, 3, 3, 3});
  all[1].name = "m.0.1.gamma";
  all.push_back({"m.fc.weight", at::zeros({2})});
  write(all);
  EXPECT_EQ(
      message("node = \"encoder\"\n"),
      file() +
          " (prefix \"m.\"): the weights do not fit this graph: 1 missing: encoder.0.1.weight; 2 unexpected: encoder.0.1.gamma, encoder.fc.weight; 1 "
          "of another shape: encoder.0.0.weight is [4, 1, 3, 3] here, [4, 3, 3, 3] there; set 'node', 'prefix', 'skip' or the graph so that they "
          "agree");
}

TEST_F(LoadTest, FilesThatHoldNothingForTheGraph) {
  write({{"fc.gamma", at::zeros({1})}, {"fc.beta", at::zeros({1})}});
  EXPECT_EQ(
      message("node = \"encoder\"\n"),
      file() +
          " holds nothing for this graph: its tensors are called 'fc.gamma', 'fc.beta', the graph's '0.0.weight', '0.1.weight', '0.1.bias', ...; "
          "set 'node' and the graph's plugins to what it holds");
  write({});
  EXPECT_EQ(message("node = \"encoder\"\n"), file() + " holds no tensor; set 'path' to a file of weights");
  write(weights());
  EXPECT_EQ(message("node = \"views\"\n").substr(0, 40), "test.toml:13:1: error: node 'encoder' is");
  folder_.write("weights", "<html>");
  EXPECT_EQ(message("node = \"encoder\"\n").substr(0, 25 + file().size()), "cannot read the weights in " + file().substr(0, file().size() - 2));
}

TEST_F(LoadTest, WhatWouldHaveToBeRunIsNamed) {
  using namespace cdc::test::torch_file;
  const std::string w = storage("FloatStorage", "0", 36);
  std::vector<std::pair<std::string, std::string>> entries = {{"0.0.weight", tensor(w, 0, {4, 1, 3, 3}, {9, 9, 3, 1})}};
  for (const char* name : {"0.1.weight", "0.1.bias", "0.1.running_mean", "0.1.running_var"}) entries.emplace_back(name, tensor(w, 0, {4}, {1}));
  entries.emplace_back("scale", call(global("numpy.core.multiarray", "_reconstruct"), {}));
  const auto put = [&] {
    folder_.write("weights", saved(dictionary({{"args", call(global("argparse", "Namespace"), {})}, {"model", ordered(entries)}}),
                                   {{"0", std::string(144, '\0')}}));
  };
  put();
  EXPECT_EQ(
      message("node = \"encoder\"\n"),
      "in " + file() +
          " 'model.scale' is no tensor, but made by Python's numpy.core.multiarray._reconstruct, which is not run; save it as a tensor, or leave "
          "it out, skip = [\"scale\"]");
  EXPECT_EQ(load("node = \"encoder\"\nskip = [\"scale\"]\n")->state.size(), 6U);
}

TEST_F(LoadTest, TheFileIsPartOfTheKey) {
  const cdc::PlannedStage& planned = stage("node = \"encoder\"\n");
  const auto made = graph_registry().create(*planned.info, planned.parameters);
  const auto& load = dynamic_cast<const cdc::Stage&>(*made);
  EXPECT_EQ(error_of([&] { load.files(); }), "there is no file " + file() + ": get it, or set 'path' to where it is");
  write(weights());
  EXPECT_EQ(load.files(), std::vector<std::filesystem::path>{file()});
}

TEST_F(LoadTest, AGraphWithoutWeights) {
  write(weights());
  const std::string text = R"(
[stage.images]
plugin = "dataset.idx"
root = "/nowhere"
[stage.load]
plugin = "stage.load"
in.data = "images"
path = ")" + file() + "\"\n[stage.load.graph.views]\nplugin = \"augment.plain\"\n";
  for (const bool named : {false, true}) {
    plan_ =
        cdc::plan_text(text, "test.toml", named ? std::vector<std::string>{"stage.load.node=views"} : std::vector<std::string>{}, graph_registry());
    GraphStageContext context(plan_.stages.back());
    EXPECT_EQ(error_of([&] { context.run(); }), named ? "node 'views' has no weights" : "no node of the graph has weights");
  }
}

}  // namespace
