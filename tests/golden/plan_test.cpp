#include <gtest/gtest.h>

#include <algorithm>

#include "config/spec.hpp"
#include "golden/planning.hpp"
#include "graph/planner.hpp"

namespace {

using cdc::Plan;
using cdc::PlannedNode;
using cdc::PlannedStage;
using cdc::test::good_pipeline;
using cdc::test::registry;

Plan plan(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return cdc::plan_text(text, "pipelines/test.toml", overrides, registry());
}

const PlannedStage& stage(const Plan& plan, const std::string& name) {
  for (const PlannedStage& one : plan.stages)
    if (one.name == name) return one;
  throw std::runtime_error("no stage " + name);
}

std::int64_t size(const std::vector<std::pair<std::string, std::int64_t>>& sizes, const std::string& symbol) {
  for (const auto& [name, value] : sizes)
    if (name == symbol) return value;
  throw std::runtime_error("no size " + symbol);
}

/// The good pipeline with one text in place of another.
std::string changed(const std::string& from, const std::string& to) {
  std::string text = good_pipeline();
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("not in the text: " + from);
  return text.replace(at, from.size(), to);
}

std::string problem_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    plan(text, overrides);
  } catch (const cdc::ConfigError& e) {
    return e.what();
  }
  return "";
}

TEST(Plan, TakesTheGoodPipeline) {
  const Plan p = plan(good_pipeline());
  EXPECT_EQ(p.name, "good");
  EXPECT_EQ(p.seed, 7u);
  ASSERT_EQ(p.stages.size(), 6u);
  const PlannedStage& pretext = stage(p, "pretext");
  EXPECT_EQ(pretext.where.line, 10);
  EXPECT_EQ(pretext.parameter_where.at("epochs").line, 13);
  EXPECT_EQ(pretext.parameter_where.count("precision"), 0u);
  EXPECT_EQ(pretext.parameters.at("precision").as_string(), "auto");
  EXPECT_EQ(stage(p, "images").parameters.at("root").as_string(), "here/images");
  // An integer where a real is wanted is that real.
  EXPECT_TRUE(pretext.parameters.at("optimizer").at("lr").is_real());
  EXPECT_EQ(pretext.parameters.at("optimizer").at("nesterov").as_boolean(), false);
  // What is not given and has no default is not there.
  EXPECT_EQ(pretext.parameters.find("schedule"), nullptr);
}

TEST(Plan, ResolvesShortReferences) {
  const Plan p = plan(good_pipeline());
  const PlannedStage& pretext = stage(p, "pretext");
  const cdc::PlannedGraph& graph = *pretext.graph;
  EXPECT_EQ(graph.stage, "pretext");
  ASSERT_EQ(graph.nodes.size(), 9u);
  const PlannedNode& loss = graph.nodes[graph.node("loss")];
  ASSERT_EQ(loss.inputs.size(), 1u);
  ASSERT_EQ(loss.inputs[0].sources.size(), 2u);
  EXPECT_EQ(graph.nodes[loss.inputs[0].sources[1].index].name, "second");
  EXPECT_EQ(loss.inputs[0].sources[1].port, "loss");
  EXPECT_EQ(graph.nodes[pretext.ports.at("loss").index].name, "loss");
  EXPECT_EQ(pretext.ports.at("loss").port, "loss");
  EXPECT_EQ(pretext.parameters.at("loss").as_string(), "loss.loss");
  EXPECT_EQ(pretext.ports.count("prediction"), 0u);
  // Of several outputs of a stage the one of the type that is wanted.
  const PlannedStage& scores = stage(p, "scores");
  const auto prediction = std::find_if(scores.inputs.begin(), scores.inputs.end(), [](const auto& c) { return c.port == "prediction"; });
  ASSERT_EQ(prediction->sources.size(), 2u);
  EXPECT_EQ(p.stages[prediction->sources[1].index].name, "tune");
  EXPECT_EQ(prediction->sources[1].port, "assignment");
  EXPECT_THROW(graph.node("nobody"), cdc::Error);
}

TEST(Plan, ANodeMayShareAnothers) {
  // Stated before the node that it shares, fed by other views.
  const Plan p = plan(changed("[stage.pretext.graph.encoder]", R"([stage.pretext.graph.small_views]
plugin = "augment.views"
size   = 16

[stage.pretext.graph.small_encoder]
shares    = "encoder"
in.images = "small_views"

[stage.pretext.graph.small_head]
shares      = "head"
in.features = "small_encoder"

[stage.pretext.graph.encoder])") +
                      R"(
[stage.more]
plugin = "stage.extract"
in.data = "images"
in.model = "pretext"
node = "small_head.cluster"
)");
  const cdc::PlannedGraph& graph = *stage(p, "more").model_graphs[0].second;
  const PlannedNode &small = graph.nodes[graph.node("small_encoder")], &encoder = graph.nodes[graph.node("encoder")];
  ASSERT_TRUE(small.shares.has_value());
  EXPECT_EQ(graph.nodes[*small.shares].name, "encoder");
  EXPECT_FALSE(encoder.shares.has_value());
  EXPECT_EQ(small.info, encoder.info);
  EXPECT_EQ(small.parameters, encoder.parameters);
  EXPECT_EQ(size(small.sizes, "D"), 64);
  EXPECT_EQ(size(small.sizes, "H"), 16);
  EXPECT_EQ(size(encoder.sizes, "H"), 32);
  EXPECT_EQ(size(graph.nodes[graph.node("small_head")].sizes, "K"), 10);
  // As resolved it says no more than the file did.
  EXPECT_EQ(p.resolved.at("stage").at("pretext").at("graph").at("small_encoder").to_json(),
            R"({"shares":"encoder","in":{"images":"small_views.views"}})");
  EXPECT_EQ(plan(cdc::to_toml(p.resolved, p.spec)).resolved, p.resolved);
}

TEST(Plan, ANodeMayFollowAnother) {
  const Plan p = plan(changed("[stage.pretext.graph.slow_head]\nplugin      = \"head.test\"", R"([stage.pretext.graph.slow_again]
shares    = "slow"
in.images = "views"

[stage.pretext.graph.watch]
plugin      = "watch.test"
in.features = "slow_again"

[stage.pretext.graph.slower]
follows      = "encoder"
momentum     = 0.9
momentum_end = 1
in.images    = "views"

[stage.pretext.graph.watch_too]
plugin      = "watch.test"
in.features = "slower"

[stage.pretext.graph.slow_head]
plugin      = "head.test")"));
  const cdc::PlannedGraph& graph = *stage(p, "pretext").graph;
  const auto node = [&](const char* name) { return graph.nodes[graph.node(name)]; };
  for (const auto& [name, momentum, end] : {std::tuple("slow", 0.99, 0.99), std::tuple("slower", 0.9, 1.0)}) {
    ASSERT_TRUE(node(name).follows.has_value()) << name;
    EXPECT_EQ(graph.nodes[node(name).follows->node].name, "encoder");
    EXPECT_EQ(node(name).follows->momentum, momentum);
    EXPECT_EQ(node(name).follows->momentum_end, end);
    EXPECT_EQ(node(name).parameters, node("encoder").parameters);
    EXPECT_EQ(size(node(name).sizes, "D"), 64);
  }
  EXPECT_EQ(graph.nodes[node("slow_again").shares.value()].name, "slow");
  EXPECT_FALSE(node("slow_again").follows.has_value());
  EXPECT_EQ(p.resolved.at("stage").at("pretext").at("graph").at("slow").to_json(),
            R"({"follows":"encoder","momentum":0.99,"momentum_end":0.99,"in":{"images":"views.views"}})");
  EXPECT_EQ(plan(cdc::to_toml(p.resolved, p.spec)).resolved, p.resolved);
}

TEST(Plan, AnAugmentationMayRenderWhatANodePicks) {
  const std::string text = R"([stage.images]
plugin = "dataset.test"
[stage.t]
plugin = "stage.train"
in.data = "images"
optimizer = { plugin = "optimizer.sgd", lr = 1.0 }
loss = "loss"
graph.views = { plugin = "augment.views" }
graph.encoder = { plugin = "backbone.test", in.images = "views" }
graph.neighbors = { plugin = "sampler.test", in.features = "encoder" }
graph.neighbor_views = { plugin = "augment.views", in.samples = "neighbors" }
graph.neighbor_encoder = { shares = "encoder", in.images = "neighbor_views" }
graph.head = { plugin = "head.test", clusters = 3, in.features = "neighbor_encoder" }
graph.loss = { plugin = "loss.test", in.cluster = "head" }
)";
  EXPECT_EQ(problem_of(text), "");
  std::string circle = text;
  circle.replace(circle.find("plugin = \"augment.views\" }"), 26, "plugin = \"augment.views\", in.samples = \"neighbors\" }");
  EXPECT_NE(problem_of(circle).find("read each other in a circle: 'views' -> 'encoder' -> 'neighbors' -> 'views'"), std::string::npos)
      << problem_of(circle);
  std::string wrong = text;
  wrong.replace(wrong.find("in.samples = \"neighbors\""), 24, "in.samples = \"encoder\"");
  EXPECT_NE(
      problem_of(wrong).find("input 'samples' of node 'neighbor_views' takes Samples, but 'encoder.features' gives Embeddings; Samples is given "
                             "by 'neighbors'"),
      std::string::npos)
      << problem_of(wrong);
}

TEST(Plan, SharesGraphs) {
  const Plan p = plan(good_pipeline());
  const PlannedStage &pretext = stage(p, "pretext"), &tune = stage(p, "tune"), &features = stage(p, "features");
  EXPECT_EQ(tune.graph->stage, "pretext");
  EXPECT_EQ(tune.graph->nodes[tune.ports.at("prediction").index].name, "head");
  ASSERT_EQ(tune.model_graphs.size(), 1u);
  EXPECT_EQ(tune.model_graphs[0].first, "weights");
  EXPECT_EQ(tune.model_graphs[0].second, pretext.graph);
  EXPECT_EQ(features.graph, nullptr);
  ASSERT_EQ(features.model_graphs.size(), 1u);
  EXPECT_EQ(features.model_graphs[0].first, "model");
  const cdc::PlannedGraph& of_features = *features.model_graphs[0].second;
  EXPECT_EQ(of_features.nodes[features.ports.at("node").index].name, "encoder");
  EXPECT_EQ(features.ports.at("node").port, "features");
}

TEST(Plan, AStageHasOfItsGraphWhatItsPortsNeed) {
  const Plan p = plan(good_pipeline());
  const auto names = [](const cdc::PlannedGraph& graph) {
    std::vector<std::string> all;
    for (const PlannedNode& node : graph.nodes) all.push_back(node.name);
    return all;
  };
  EXPECT_EQ(names(*stage(p, "pretext").graph),
            (std::vector<std::string>{"views", "encoder", "slow", "head", "slow_head", "codes", "first", "second", "loss"}));
  // Its loss is 'first': the momentum encoder gives its codes, 'second' and the sum are for others.
  const cdc::PlannedGraph& tune = *stage(p, "tune").graph;
  EXPECT_EQ(names(tune), (std::vector<std::string>{"views", "encoder", "slow", "head", "slow_head", "codes", "first"}));
  EXPECT_EQ(tune.nodes[tune.node("slow")].follows->node, tune.node("encoder"));
  EXPECT_EQ(tune.nodes[tune.node("first")].inputs[2].sources[0].index, tune.node("codes"));
  EXPECT_EQ(names(*stage(p, "features").model_graphs[0].second), (std::vector<std::string>{"views", "encoder"}));
}

TEST(Plan, StageMayTakeAModelsGraphOrOneOfItsOwn) {
  const std::string text = std::string(good_pipeline()) + R"(
[stage.untrained]
plugin  = "stage.extract"
in.data = "images"
graph   = "pretext"
node    = "slow"

[stage.pixels]
plugin  = "stage.extract"
in.data = "images"
node    = "plain"
graph.plain = { plugin = "augment.views" }
)";
  const Plan p = plan(text);
  const PlannedStage &untrained = stage(p, "untrained"), &pixels = stage(p, "pixels");
  EXPECT_EQ(untrained.graph->stage, "pretext");
  EXPECT_TRUE(untrained.model_graphs.empty());
  EXPECT_EQ(untrained.graph->nodes[untrained.ports.at("node").index].name, "slow");
  EXPECT_EQ(pixels.graph->stage, "pixels");
  EXPECT_EQ(pixels.ports.at("node").port, "views");
}

TEST(Plan, UnifiesSizes) {
  const Plan p = plan(good_pipeline());
  const cdc::PlannedGraph& graph = *stage(p, "pretext").graph;
  const auto of = [&](const std::string& node, const std::string& symbol) { return size(graph.nodes[graph.node(node)].sizes, symbol); };
  EXPECT_EQ(of("views", "V"), 2);
  EXPECT_EQ(of("views", "C"), 3);  // from the data set, through the stage's input
  EXPECT_EQ(of("encoder", "C"), 3);
  EXPECT_EQ(of("encoder", "H"), 32);
  EXPECT_EQ(of("head", "F"), 64);
  EXPECT_EQ(of("codes", "K"), 10);
  EXPECT_EQ(of("first", "V"), 2);
  EXPECT_EQ(of("first", "D"), 128);
  EXPECT_EQ(of("first", "B"), 0);
  // Two heads of 10 and 30 clusters in one list: the list alone has that size.
  EXPECT_EQ(of("second", "K"), 0);
  EXPECT_EQ(size(stage(p, "kmeans").sizes, "K"), 12);
}

TEST(Plan, PutsThingsInOrder) {
  // Loss first, views last: sorted by what reads what, and otherwise as the file has it.
  const Plan p = plan(R"(
[stage.scores]
plugin = "metric.test"
in.prediction = "b"
in.data = "images"
[stage.b]
plugin = "cluster.test"
in.features = "f"
clusters = 3
[stage.f]
plugin = "stage.extract"
in.data = "images"
in.model = "t"
node = "encoder"
[stage.t]
plugin = "stage.train"
in.data = "images"
optimizer = { plugin = "optimizer.sgd", lr = 1.0 }
loss = "loss"
[stage.t.graph.loss]
plugin = "loss.test"
in.cluster = "head"
[stage.t.graph.head]
plugin = "head.test"
in.features = "encoder"
clusters = 3
[stage.t.graph.encoder]
plugin = "backbone.test"
in.images = "views"
[stage.t.graph.views]
plugin = "augment.views"
[stage.images]
plugin = "dataset.test"
)");
  std::string stages, nodes;
  for (const PlannedStage& one : p.stages) stages += one.name + " ";
  for (const PlannedNode& one : stage(p, "t").graph->nodes) nodes += one.name + " ";
  EXPECT_EQ(stages, "images t f b scores ");
  EXPECT_EQ(nodes, "views encoder head loss ");
  EXPECT_EQ(p.name, "test");  // of the file
  EXPECT_EQ(p.seed, 0u);
  for (std::size_t i = 0; i < p.stages.size(); ++i)
    for (const cdc::Connection& connection : p.stages[i].inputs)
      for (const cdc::Source& source : connection.sources) EXPECT_LT(source.index, i);
}

TEST(Plan, Overrides) {
  const Plan p = plan(good_pipeline(), {"stage.pretext.epochs=5", "stage.pretext.graph.views.size=16", "stage.pretext.optimizer.lr=0.5",
                                        "stage.images.root=over there", "pipeline.seed=9", "stage.images.splits=[\"train\",\"test\"]",
                                        "stage.pretext.schedule={plugin=\"schedule.cosine\",warmup_epochs=2}", "stage.tune.prediction=head.second"});
  EXPECT_EQ(p.seed, 9u);
  const PlannedStage& pretext = stage(p, "pretext");
  EXPECT_EQ(pretext.parameters.at("epochs").as_integer(), 5);
  EXPECT_EQ(pretext.parameter_where.at("epochs").text(), "command line:1:15");
  EXPECT_EQ(pretext.graph->nodes[pretext.graph->node("views")].parameters.at("size").as_integer(), 16);
  EXPECT_EQ(pretext.parameters.at("optimizer").at("lr").as_real(), 0.5);
  EXPECT_EQ(pretext.parameters.at("optimizer").at("momentum").as_real(), 0.9);
  EXPECT_EQ(pretext.parameters.at("schedule").at("warmup_epochs").as_real(), 2.0);
  EXPECT_EQ(stage(p, "images").parameters.at("root").as_string(), "over there");
  EXPECT_EQ(stage(p, "images").parameters.at("splits").as_array().size(), 2u);
  EXPECT_EQ(stage(p, "tune").ports.at("prediction").port, "second");
}

TEST(Plan, ResolvedTextGivesTheSamePlan) {
  const Plan p = plan(good_pipeline(), {"stage.images.root='a $${odd} \"text\"'"});
  EXPECT_EQ(stage(p, "images").parameters.at("root").as_string(), "a ${odd} \"text\"");
  const std::string text = cdc::to_toml(p.resolved);
  const Plan again = plan(text);
  EXPECT_EQ(again.resolved, p.resolved) << text;
  EXPECT_EQ(cdc::to_toml(again.resolved), text);
  // With comments that say where values come from it is the same.
  const std::string told = cdc::to_toml(p.resolved, p.spec);
  EXPECT_NE(told.find("epochs = 20  # pipelines/test.toml:13\n"), std::string::npos) << told;
  EXPECT_NE(told.find("precision = \"auto\"  # default\n"), std::string::npos) << told;
  EXPECT_NE(told.find("optimizer.nesterov = false  # default\n"), std::string::npos) << told;
  EXPECT_NE(told.find("  # command line\n"), std::string::npos) << told;
  EXPECT_EQ(plan(told).resolved, p.resolved) << told;
  ASSERT_EQ(again.stages.size(), p.stages.size());
  for (std::size_t i = 0; i < p.stages.size(); ++i) {
    EXPECT_EQ(again.stages[i].name, p.stages[i].name);
    EXPECT_EQ(again.stages[i].parameters, p.stages[i].parameters);
    EXPECT_EQ(again.stages[i].sizes, p.stages[i].sizes);
  }
}

TEST(Plan, SameSettingsGiveTheSameParameters) {
  EXPECT_EQ(stage(plan(changed("lr = 1,", "lr = 1.0,")), "pretext").parameters, stage(plan(good_pipeline()), "pretext").parameters);
  EXPECT_EQ(stage(plan(changed("node     = \"encoder\"", "node     = \"encoder.features\"")), "features").parameters,
            stage(plan(good_pipeline()), "features").parameters);
}

TEST(Plan, FollowedNodeIsAlive) {
  // Only 'slow' reaches a loss; 'encoder' is followed.
  const std::string text = R"([stage.images]
plugin = "dataset.test"
[stage.t]
plugin = "stage.train"
in.data = "images"
optimizer = { plugin = "optimizer.sgd", lr = 1.0 }
loss = "loss"
graph.views = { plugin = "augment.views" }
graph.encoder = { plugin = "backbone.test", in.images = "views" }
graph.slow = { follows = "encoder", in.images = "views" }
graph.head = { plugin = "head.test", clusters = 3, in.features = "slow" }
graph.loss = { plugin = "loss.test", in.cluster = "head" }
graph.watch = { plugin = "watch.test", in.features = "head" }
)";
  EXPECT_EQ(problem_of(text), "");
}

TEST(Plan, StageThatNamesNoPortKeepsItsWholeGraph) {
  const std::string text = R"([stage.images]
plugin = "dataset.test"
[stage.visit]
plugin = "stage.visit"
in.data = "images"
graph.views = { plugin = "augment.views" }
graph.encoder = { plugin = "backbone.test", in.images = "views" }
)";
  EXPECT_EQ(problem_of(text), "");
  EXPECT_NE(problem_of(text, {"stage.visit.only=views"}).find("test.toml:7:17: error: node 'encoder' is dead"), std::string::npos)
      << problem_of(text, {"stage.visit.only=views"});
}

TEST(Plan, ReadsFiles) {
  const auto file = std::filesystem::path(testing::TempDir()) / "cdc_plan_test.toml";
  cdc::test::write_file(file, good_pipeline());
  EXPECT_EQ(cdc::plan_pipeline(file, {}, registry()).file, file.string());
  std::filesystem::remove(file);
  const std::vector<std::pair<std::filesystem::path, std::string>> bad = {
      {file, "cannot be opened (No such file or directory): check its name and that it may be read"},
      {testing::TempDir(), "is a folder: name a file in it"},
      {"/dev/zero", "is a device or socket, which may never end: name a regular file"}};
  for (const auto& [name, problem] : bad) {
    try {
      cdc::plan_pipeline(name, {}, registry());
      FAIL();
    } catch (const cdc::ConfigError& e) {
      EXPECT_EQ(std::string(e.what()), name.string() + ":1:1: error: the pipeline file " + problem);
    }
  }
}

TEST(Plan, AnExtendingFileGivesThePlanOfTheFlatOne) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "cdc_plan_test_extends";
  std::filesystem::create_directories(folder);
  cdc::test::write_file(folder / "base.toml", good_pipeline());
  cdc::test::write_file(folder / "extending.toml", R"(extends = "base.toml"
remove  = ["stage.tune.schedule"]
[pipeline]
seed = 8
[stage.pretext.graph.head]
clusters = 11
[stage.pretext.graph.slow_head]
clusters = 11
[stage.again]
plugin      = "cluster.test"
in.features = "features"
clusters    = 3
)");
  std::string flat = changed("seed = 7", "seed = 8") + "[stage.again]\nplugin = \"cluster.test\"\nin.features = \"features\"\nclusters = 3\n";
  for (std::size_t at = 0; (at = flat.find("clusters    = 10", at)) != std::string::npos;) flat.replace(at, 16, "clusters = 11");
  flat.replace(flat.find("clusters     = 10"), 17, "clusters = 11");
  flat.erase(flat.find("[stage.tune.schedule]"), std::string("[stage.tune.schedule]\nplugin = \"schedule.cosine\"\n").size());
  const Plan extending = cdc::plan_pipeline(folder / "extending.toml", {}, registry());
  EXPECT_EQ(extending.resolved, plan(flat).resolved);
  EXPECT_EQ(cdc::to_toml(extending.resolved), cdc::to_toml(plan(flat).resolved));
  EXPECT_EQ(stage(extending, "pretext").parameter_where.at("epochs").file, (folder / "base.toml").string());
  EXPECT_EQ(extending.file, (folder / "extending.toml").string());
  std::filesystem::remove_all(folder);
}

TEST(ResolveSizes, TakesSizesOfTheData) {
  const Plan p = plan(changed("channels = 3", "channels = 0"));
  const cdc::PlannedGraph& graph = *stage(p, "pretext").graph;
  EXPECT_EQ(size(graph.nodes[graph.node("encoder")].sizes, "C"), 0);
  const auto sizes = cdc::resolve_sizes(graph, {{"views.C", 1}, {"views.h", 28}, {"views.w", 28}});
  ASSERT_EQ(sizes.size(), graph.nodes.size());
  EXPECT_EQ(size(sizes[graph.node("encoder")], "C"), 1);
  EXPECT_EQ(size(sizes[graph.node("encoder")], "H"), 32);
  EXPECT_EQ(size(sizes[graph.node("views")], "h"), 28);
  EXPECT_EQ(size(sizes[graph.node("slow_head")], "F"), 64);
}

TEST(ResolveSizes, OtherDataMayHaveOtherSizesWhereTheFileFixesNone) {
  const Plan p = plan(good_pipeline());  // its data have 3 channels
  const cdc::PlannedGraph& graph = *stage(p, "pretext").graph;
  EXPECT_EQ(size(cdc::resolve_sizes(graph, {{"views.C", 1}})[graph.node("encoder")], "C"), 1);
}

TEST(ResolveSizes, RefusesDataThatDoNotFit) {
  const Plan p = plan(changed("width     = 64", "width     = 64\nchannels = 3"));
  const cdc::PlannedGraph& graph = *stage(p, "pretext").graph;
  const auto problem = [&](const std::string& name, std::int64_t value) -> std::string {
    try {
      cdc::resolve_sizes(graph, {{name, value}});
    } catch (const cdc::Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(problem("views.C", 1),
            "pipelines/test.toml:17:1: error: sizes do not fit: the data give 1 for size C of node 'views', which has to be 3 ('channels' of node "
            "'encoder', "
            "pipelines/test.toml:25:1)");
  EXPECT_EQ(problem("views.C", 3), "");
  EXPECT_EQ(problem("views.Z", 3), "node 'views' has no size 'Z'");
  EXPECT_EQ(problem("nobody.C", 3), "there is no node 'nobody' in the graph of stage 'pretext'");
}

}  // namespace
