// Nodes that break their word, through stage.train. They are in tests/plugins/faulty_nodes.cpp.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "graph/planner.hpp"
#include "support/errors.hpp"
#include "support/graph_stage.hpp"

namespace cdc {
namespace {

using test::graph_registry;

constexpr const char* kOptimizer = "{ plugin = \"optimizer.sgd\", lr = 0.01 }";

/// A graph of views, a linear map, what the test is about, and a loss.
struct Graph {
  std::string views = "plugin = \"test.views\"", node = "", loss = "plugin = \"faulty.loss\"", optimizer = kOptimizer, stage = "";

  std::string text() const {
    return "[pipeline]\nname = \"test\"\nseed = 3\n[stage.images]\nplugin = \"dataset.idx\"\nroot = \"/nowhere\"\n[stage.train]\nplugin = "
           "\"stage.train\"\n"
           "in.data = \"images\"\nloss = \"loss\"\nepochs = 2\nbatch_size = 8\nevaluation_batch_size = 16\nprecision = \"float32\"\noptimizer = " +
           optimizer + "\n" + stage + "\n[stage.train.graph.views]\n" + views +
           "\n[stage.train.graph.map]\nplugin = \"test.linear\"\nin.images = \"views\"\n" +
           "[stage.train.graph.node]\nplugin = \"faulty.node\"\nin.features = \"map\"\ndim = 3\n" + node + "\n[stage.train.graph.loss]\n" + loss +
           "\nin.features = \"node.out\"\n";
  }
};

/// What training says, without the place in the file; "" where it ends well.
std::string said(const Graph& graph) {
  const Plan plan = plan_text(graph.text(), "test.toml", {}, graph_registry());
  for (const PlannedStage& stage : plan.stages) {
    if (stage.name != "train") continue;
    const std::filesystem::path checkpoint = std::filesystem::temp_directory_path() / ("cdc_node_check_" + std::to_string(::getpid()) + ".h5");
    std::string what;
    try {
      test::GraphStageContext(stage, checkpoint).run();
    } catch (const Error& e) {
      what = e.what();
    }
    std::filesystem::remove(checkpoint);
    return what;
  }
  return "no stage";
}

std::string of_node(const std::string& how, const std::string& more = "") {
  return said({"plugin = \"test.views\"", "how = \"" + how + "\"\n" + more});
}
std::string of_loss(const std::string& how) {
  Graph graph;
  graph.loss += "\nhow = \"" + how + "\"";
  return said(graph);
}

/// The message is the node's, at that moment, and blames its plugin's library.
void expect(const std::string& message, const std::string& node, const std::string& when, const std::string& what) {
  const std::string whole = ": node '" + node + "' (faulty." + node + "), " + when + ": " + what + "; the plugin is faulty (" +
                            (test::binary_folder() / "lib/cdc/test_plugins/moment_nodes.so").string() + ")";
  EXPECT_EQ(message.find("test.toml:"), 0u) << message;
  EXPECT_NE(message.find(whole), std::string::npos) << message << "\nis not\n" << whole;
}

TEST(NodeCheck, WhatIsRightPasses) {
  EXPECT_EQ(of_node("no"), "");
  Graph whole;
  whole.optimizer = "{ plugin = \"faulty.optimizer\" }\nschedule = { plugin = \"faulty.schedule\" }";
  whole.views = "plugin = \"faulty.views\"";
  EXPECT_EQ(said(whole), "");
}

TEST(NodeCheck, OutputsAreOfTheDeclaredSizes) {
  const std::string declared = "its output 'out' is declared [V, B, D] = [2, 8, 3], floating point, on cpu, but it gave ";
  expect(of_node("merged views"), "node", "epoch 1, batch 1", declared + "[16, 3], float32, on cpu");
  expect(of_node("a row less"), "node", "epoch 1, batch 1", declared + "[2, 7, 3], float32, on cpu");
  expect(of_node("a column more"), "node", "epoch 1, batch 1", declared + "[2, 8, 4], float32, on cpu");
  expect(of_node("a row less", "at_step = 10"), "node", "epoch 2, batch 4", declared + "[2, 7, 3], float32, on cpu");
}

TEST(NodeCheck, OutputsAreOfTheDeclaredTypeAndOnTheDevice) {
  const std::string declared = "its output 'out' is declared [V, B, D] = [2, 8, 3], floating point, on cpu, but it gave [2, 8, 3], ";
  expect(of_node("whole numbers"), "node", "epoch 1, batch 1", declared + "int64, on cpu");
  expect(of_node("elsewhere"), "node", "epoch 1, batch 1", declared + "float32, on meta");
  expect(of_node("double codes"), "node", "epoch 1, batch 1",
         "its output 'codes' is declared [V, B, K] = [2, 8, 3], float32, on cpu, but it gave [2, 8, 3], float64, on cpu");
}

TEST(NodeCheck, EvaluationIsCheckedWithItsOneView) {
  Graph graph;
  graph.node = "how = \"a row less in evaluation\"";
  graph.stage = "score_every = 1\nscore_features = \"node.out\"\nscore_clusters = 2";
  expect(said(graph), "node", "batch 1 of a pass over the whole set",
         "its output 'out' is declared [V, B, D] = [1, 16, 3], floating point, on cpu, but it gave [1, 15, 3], float32, on cpu");
}

TEST(NodeCheck, ALossIsOneFloat32WithAGradient) {
  const std::string declared = "its output 'loss' is declared [] = [], float32, on cpu, but it gave ";
  expect(of_loss("a row"), "loss", "epoch 1, batch 1", declared + "[8], float32, on cpu");
  expect(of_loss("float64"), "loss", "epoch 1, batch 1", declared + "[], float64, on cpu");
  expect(of_loss("nothing"), "loss", "epoch 1, batch 1", "it gave a tensor that holds nothing for its output 'loss'");
  expect(of_loss("detached"), "loss", "epoch 1, batch 1",
         "its loss has no gradient although its inputs have one, so that nothing would be trained by it: it was detached, or computed under "
         "at::NoGradGuard");
}

TEST(NodeCheck, InputsStayAsTheyAre) {
  const std::string wrote =
      "it wrote into its input 'features', which others read too, the backward pass among them: clone() it first, or take "
      "operations whose names do not end in '_'";
  expect(of_node("into its input"), "node", "epoch 1, batch 1", wrote);
  expect(of_loss("into its input"), "loss", "epoch 1, batch 1", wrote);
}

TEST(NodeCheck, OutputsAreGivenOnceAndInTime) {
  expect(of_node("twice"), "node", "epoch 1, batch 1", "it gave its output 'out' twice in one forward pass");
  expect(of_node("nothing"), "node", "epoch 1, batch 1", "it gave a tensor that holds nothing for its output 'out'");
  expect(of_node("output after the step"), "node", "epoch 1, batch 1", "it gave its output 'out' in after_step(), when all have read it");
}

TEST(NodeCheck, AnOutputThatTheStageAsksForIsThere) {
  Graph graph;
  graph.stage = "score_every = 1\nscore_clusters = 2\nscore_features = \"node.out\"";
  graph.node = "how = \"no\"";
  EXPECT_EQ(said(graph), "");
  // The scores of a node that gives none of its outputs.
  const Plan plan = plan_text(Graph{"plugin = \"test.views\"", "how = \"no output\""}.text(), "test.toml", {}, graph_registry());
  for (const PlannedStage& stage : plan.stages) {
    if (!stage.graph) continue;
    const auto session = make_graph_session(stage.graph, graph_registry());
    SessionOptions options;
    options.data = std::make_shared<test::Pixels>();
    session->build(options);
    expect(test::error_of([&] { session->features("node", "out", 16); }), "node", "batch 1 of a pass over the whole set",
           "it did not give its output 'out'");
    EXPECT_NE(test::error_of([&] { session->features("loss", "loss", 16); }).find("its input 'features' was not given by node 'node'"),
              std::string::npos);
  }
}

TEST(NodeCheck, WhatHasNoRowASampleIsNoFeature) {
  const Plan plan = plan_text(Graph().text(), "test.toml", {}, graph_registry());
  for (const PlannedStage& stage : plan.stages) {
    if (!stage.graph) continue;
    const auto session = make_graph_session(stage.graph, graph_registry());
    SessionOptions options;
    options.data = std::make_shared<test::Pixels>();
    session->build(options);
    EXPECT_NE(
        test::error_of([&] {
          session->features("loss", "loss", 16);
        }).find("its output 'loss' is wanted for each sample of the whole set, but it gave [] for a batch of 16: name an output of sizes V,B,..."),
        std::string::npos);
  }
}

TEST(NodeCheck, WeightsStayTheTensorsThatTheOptimizerHas) {
  const std::string remedy = ", so that the optimizer goes on with the former one: write new values into it, with copy_() under at::NoGradGuard";
  expect(of_node("replaced before training"), "node", "before training", "it replaced its trained tensor 'weight'" + remedy);
  expect(of_node("replaced"), "node", "epoch 1, batch 1", "it replaced its trained tensor 'weight'" + remedy);
  expect(of_node("resized"), "node", "epoch 1, batch 1", "it resized its trained tensor 'weight' from [4, 3] to [1, 1]" + remedy);
  expect(
      of_node("detached"), "node", "epoch 1, batch 1",
      "it has weights to train, but none of its outputs has a gradient, so that they would never change: leave out detach() and at::NoGradGuard, or "
      "state no_gradient() in describe() and its tensors by state()");
}

TEST(NodeCheck, ViewsAreFiniteWholeAndWithinTheirMemory) {
  const auto views = [](const std::string& how) {
    Graph graph;
    graph.views = "plugin = \"faulty.views\"\nhow = \"" + how + "\"";
    return said(graph);
  };
  const std::string node = ": node 'views' (faulty.views of ";
  const std::pair<const char*, const char*> all[] = {{"nan", "number 2 of the 12 that it rendered is nan"},
                                                     {"beyond", "it wrote to place 13 of a view of 12 numbers: beyond its memory"},
                                                     {"before", "it wrote to place -1 of a view of 12 numbers: beyond its memory"},
                                                     {"not all", "it left number 12 of the 12 that it is to render as it was"},
                                                     {"throws", "no colors left"}};
  for (const auto& [how, what] : all) {
    const std::string message = views(how);
    EXPECT_EQ(message.find("pixels#"), 0u) << message;
    EXPECT_NE(message.find(node), std::string::npos) << message;
    EXPECT_NE(message.find(what), std::string::npos) << message;
  }
  EXPECT_EQ(views("nan").find("pixels#5: "), 0u);
}

TEST(NodeCheck, MemoryThatRunsOutIsANodesToo) {
  EXPECT_NE(of_node("hungry").find("node 'node' (faulty.node), epoch 1, batch 1: "), std::string::npos);
}

}  // namespace
}  // namespace cdc
