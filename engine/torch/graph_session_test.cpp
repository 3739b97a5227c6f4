#include "torch/graph_session.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>

#include "cdc/error.hpp"
#include "graph/planner.hpp"
#include "support/graph_stage.hpp"

namespace cdc {
namespace {

using test::graph_registry;
using test::Pixels;
using Context = test::GraphStageContext;

std::string pipeline(const std::string& train = "", const std::string& nodes = "", const std::string& loss = "") {
  return R"(
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
epochs = 3
batch_size = 8
precision = "float32"
optimizer = { plugin = "optimizer.adam", lr = 0.01 }
)" + train +
         R"(
[stage.train.graph.views]
plugin = "test.views"
[stage.train.graph.map]
plugin = "test.linear"
in.images = "views"
[stage.train.graph.momentum]
follows = "map"
in.images = "views"
momentum = 0.9
[stage.train.graph.queue]
plugin = "test.queue"
in.features = "momentum"
[stage.train.graph.centre]
plugin = "test.centre"
in.features = "map"
in.keys = "queue"
)" + nodes +
         R"(
[stage.train.graph.loss]
plugin = "test.sum"
in.terms = ["centre")" +
         loss + "]\n";
}

template <class F>
std::string thrown_by(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

class GraphSessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("cdc_session_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const PlannedStage& stage(const std::string& text) {
    plan_ = plan_text(text, "test.toml", {}, graph_registry());
    for (const PlannedStage& s : plan_.stages)
      if (s.name == "train") return s;
    throw Error("no stage");
  }
  std::unique_ptr<GraphSession> session(const std::string& text, std::uint64_t seed = 5) {
    auto s = make_graph_session(stage(text).graph, graph_registry());
    SessionOptions options;
    options.data = std::make_shared<Pixels>();
    options.seed = seed;
    s->build(options);
    return s;
  }
  std::string message(const std::string& text) {
    Context context(stage(text), folder_ / "checkpoint.h5");
    return thrown_by([&] { context.run(); });
  }

  Plan plan_;
  std::filesystem::path folder_;
};

const at::Tensor& find(const std::vector<NamedTensor>& all, const std::string& name) {
  for (const NamedTensor& t : all)
    if (t.name == name) return t.tensor;
  throw Error("no tensor " + name);
}

void expect_equal(const Model& a, const Model& b) {
  ASSERT_EQ(a.state.size(), b.state.size());
  for (std::size_t i = 0; i < a.state.size(); ++i) {
    EXPECT_EQ(a.state[i].name, b.state[i].name);
    EXPECT_TRUE(at::equal(a.state[i].tensor, b.state[i].tensor)) << a.state[i].name;
  }
}

TEST_F(GraphSessionTest, FeaturesOfTheWholeSetAreThePlainViewsInOrder) {
  const auto s = session(pipeline());
  const at::Tensor pixels = s->features("views", "views", 7);
  ASSERT_EQ(pixels.sizes(), (std::vector<std::int64_t>{60, 1, 4, 3}));
  const Pixels data;
  for (int i = 0; i < 60; ++i)
    for (int k = 0; k < 12; ++k) ASSERT_EQ(pixels[i][0].flatten()[k].item<float>(), static_cast<float>(data.image(i).pixels.get()[k]) / 255.0F);
  const at::Tensor expected = pixels.flatten(1).matmul(find(s->state(), "map.weight"));
  const at::Tensor features = s->features("map", "features", 60);
  EXPECT_TRUE(at::allclose(features, expected, 1e-6, 1e-6));
  EXPECT_FALSE(features.requires_grad());
}

TEST_F(GraphSessionTest, StatesNamedOnceAreAllThatIsKept) {
  const auto s = session(pipeline());
  std::vector<std::string> names;
  for (const NamedTensor& t : s->state()) names.push_back(t.name + (t.trainable ? "*" : ""));
  EXPECT_EQ(names, (std::vector<std::string>{"map.weight*", "momentum.weight", "queue.keys", "centre.centre", "centre.epochs"}));
}

TEST_F(GraphSessionTest, ASharedNodeWorksInTwoPlacesAndIsKeptOnce) {
  const auto s = session(pipeline("", R"(
[stage.train.graph.plain]
plugin = "test.views"
count = 1
noise = 0.0
[stage.train.graph.plain_map]
shares = "map"
in.images = "plain"
[stage.train.graph.plain_centre]
plugin = "test.centre"
in.features = "plain_map"
)",
                                  R"(, "plain_centre")"));
  std::vector<std::string> names;
  for (const NamedTensor& t : s->state()) names.push_back(t.name);
  EXPECT_EQ(std::count(names.begin(), names.end(), "map.weight"), 1);
  EXPECT_EQ(std::count(names.begin(), names.end(), "plain_map.weight"), 0);
  s->begin_training();
  s->start({0, 1, 2, 3, 4, 5, 6, 7}, 8, true, 0, 0);
  ASSERT_TRUE(s->next());
  s->forward({true, 0, 0, 1, 1});
  const at::Tensor weight = find(s->state(), "map.weight");
  for (const auto& [views, map] : {std::pair("views", "map"), std::pair("plain", "plain_map")})
    EXPECT_TRUE(at::allclose(s->output(map, "features"), s->output(views, "views").flatten(2).matmul(weight))) << map;
  EXPECT_EQ(s->output("plain_map", "features").size(0), 1);
  EXPECT_EQ(s->output("map", "features").size(0), 2);
  // Both places pull at the one weight.
  s->output("map", "features").sum().backward();
  const at::Tensor first = weight.grad().clone();
  s->output("plain_map", "features").sum().backward();
  EXPECT_TRUE(
      at::allclose(weight.grad() - first, s->output("plain", "views").flatten(2).sum(c10::IntArrayRef({0, 1})).unsqueeze(1).expand_as(weight)));
}

TEST_F(GraphSessionTest, MomentsComeInTheirOrder) {
  const auto s = session(pipeline());
  s->begin_training();
  EXPECT_TRUE(at::equal(find(s->state(), "momentum.weight"), find(s->state(), "map.weight")));
  EXPECT_TRUE(at::allclose(find(s->state(), "centre.centre"), s->features("map", "features", 60).mean(0)));
  s->begin_epoch(0);
  EXPECT_EQ(find(s->state(), "centre.epochs").item<std::int64_t>(), 1);
  std::vector<std::int64_t> order(60);
  for (int i = 0; i < 60; ++i) order[static_cast<std::size_t>(i)] = 59 - i;
  s->start(order, 8, true, 0, 0);
  int batches = 0;
  for (; s->next(); ++batches) {
    EXPECT_EQ(s->indices()[0].item<std::int64_t>(), 59 - 8 * batches);
    s->forward({true, 0, batches, 7, 1});
    EXPECT_EQ(s->output("views", "views").sizes(), (std::vector<std::int64_t>{2, 8, 1, 4, 3}));
    const at::Tensor keys = s->output("momentum", "features")[0].clone();
    at::Tensor moved;
    {
      const at::NoGradGuard no_gradient;
      const at::Tensor weight = find(s->state(), "map.weight");
      weight.add_(0.1);
      moved = find(s->state(), "momentum.weight") * 0.9 + weight * 0.1;
    }
    s->after_step();
    EXPECT_TRUE(at::allclose(find(s->state(), "momentum.weight"), moved));
    const at::Tensor queue = find(s->state(), "queue.keys");
    EXPECT_EQ(queue.size(0), std::min(24, 8 * (batches + 1)));
    EXPECT_TRUE(at::equal(queue.slice(0, queue.size(0) - 8), keys));
  }
  EXPECT_EQ(batches, 7);  // the rest that does not fill a batch is left out
  ASSERT_EQ(s->reports().size(), 1U);
  EXPECT_EQ(s->reports()[0].first, "centre.distance");
}

TEST_F(GraphSessionTest, MomentumGoesToItsEndAlongACosine) {
  std::string text = pipeline();
  text.replace(text.find("momentum = 0.9"), 14, "momentum = 0.5\nmomentum_end = 1");
  const auto s = session(text);
  s->begin_training();
  s->start({0, 1, 2, 3, 4, 5, 6, 7}, 8, true, 0, 0);
  ASSERT_TRUE(s->next());
  for (const auto& [step, momentum] : {std::pair(0, 0.5), std::pair(3, 0.75), std::pair(6, 1.0)}) {
    s->forward({true, 0, step, 3, 2});
    const at::Tensor before = find(s->state(), "momentum.weight").clone();
    at::Tensor weight;
    {
      const at::NoGradGuard no_gradient;
      weight = find(s->state(), "map.weight").add_(0.1);
    }
    s->after_step();
    EXPECT_TRUE(at::allclose(find(s->state(), "momentum.weight"), before * momentum + weight * (1 - momentum))) << step;
  }
}

TEST_F(GraphSessionTest, OnlyWhatHasWeightsIsFollowed) {
  const auto s = make_graph_session(stage(pipeline("", R"(
[stage.train.graph.nothing]
plugin = "test.throws"
when = "nothing"
in.features = "map"
[stage.train.graph.shadow]
follows = "nothing"
in.features = "map"
)",
                                                   R"(, "nothing", "shadow")"))
                                        .graph,
                                    graph_registry());
  SessionOptions options;
  options.data = std::make_shared<Pixels>();
  EXPECT_NE(thrown_by([&] {
              s->build(options);
            }).find("node 'shadow' (test.throws), making it: it follows 'nothing', which has no weights: give it a plugin of its own"),
            std::string::npos);
}

TEST_F(GraphSessionTest, ImagesOfManySizesNeedTheNodesParameter) {
  class Photographs final : public Pixels {
   public:
    std::array<int, 2> image_size() const override { return {0, 0}; }
  };
  const auto s = make_graph_session(stage(pipeline()).graph, graph_registry());
  SessionOptions options;
  options.data = std::make_shared<Photographs>();
  EXPECT_NE(thrown_by([&] { s->build(options); }).find("node 'views' (test.views), making it: the images of this data set may differ in size; set the "
                                                       "node's parameter 'size'"),
            std::string::npos);
}

TEST_F(GraphSessionTest, AnAugmentationRendersWhatASamplerPicks) {
  const std::string text = pipeline("", R"(
[stage.train.graph.next]
plugin = "test.next"
in.features = "map"
[stage.train.graph.next_views]
plugin = "test.views"
in.samples = "next"
count = 1
noise = 0.0
[stage.train.graph.next_map]
shares = "map"
in.images = "next_views"
[stage.train.graph.next_centre]
plugin = "test.centre"
in.features = "next_map"
)",
                                    R"(, "next_centre")");
  const auto s = session(text);
  s->begin_training();
  const auto first_pixels = [&](std::int64_t epoch) {
    s->start({0, 1, 2, 3, 4, 5, 58, 59}, 8, true, epoch, 0);
    EXPECT_TRUE(s->next());
    s->forward({true, epoch, 0, 1, 2});
    return s->output("next_views", "views")[0].flatten(1).clone();
  };
  const at::Tensor own = first_pixels(0), next = first_pixels(1);
  EXPECT_TRUE(at::equal(next.slice(0, 0, 5), own.slice(0, 1, 6)));
  EXPECT_TRUE(at::equal(next[6], own[7]));
  EXPECT_TRUE(at::equal(next[7], own[0])) << "the last one's next is the first";
  // A pass over the whole set looks at each sample itself.
  EXPECT_TRUE(at::allclose(s->features("next_map", "features", 60), s->features("map", "features", 60)));
  std::string wrong = text;
  wrong.replace(wrong.find("plugin = \"test.next\""), 20, "plugin = \"test.next\"\nby = 777");
  const auto bad = session(wrong);
  bad->begin_training();
  bad->start({0, 1, 2, 3, 4, 5, 6, 7}, 8, true, 1, 0);
  EXPECT_NE(thrown_by([&] { bad->next(); }).find("sample 777 of a data set of 60 was picked in its place"), std::string::npos);
}

TEST_F(GraphSessionTest, GradientsPassWhereANodeWithoutThemAskedForFullPrecisionFirst) {
  std::string text = pipeline();
  text.replace(text.find("in.features = \"momentum\""), 24, "in.features = \"map\"");
  text.replace(text.find("[stage.train.graph.momentum]"), text.find("[stage.train.graph.queue]") - text.find("[stage.train.graph.momentum]"), "");
  auto s = make_graph_session(stage(text).graph, graph_registry());
  SessionOptions options;
  options.data = std::make_shared<Pixels>();
  options.bfloat16 = true;
  s->build(options);
  s->begin_training();
  s->start({0, 1, 2, 3, 4, 5, 6, 7}, 8, true, 0, 0);
  ASSERT_TRUE(s->next());
  s->forward({true, 0, 0, 1, 1});
  EXPECT_EQ(s->output("map", "features").scalar_type(), at::kBFloat16);
  s->output("loss", "loss").backward();
  const at::Tensor gradient = find(s->state(), "map.weight").grad();
  ASSERT_TRUE(gradient.defined());
  EXPECT_GT(gradient.abs().max().item<float>(), 0.0F);
}

TEST_F(GraphSessionTest, WeightsDependOnSeedAndNameAlone) {
  const at::Tensor weight = find(session(pipeline())->state(), "map.weight").clone();
  const std::string more =
      "[stage.train.graph.other]\nplugin = \"test.linear\"\nin.images = \"views\"\n[stage.train.graph.other_centre]\n"
      "plugin = \"test.centre\"\nin.features = \"other\"\n";
  EXPECT_TRUE(at::equal(weight, find(session(pipeline("", more, ", \"other_centre\""))->state(), "map.weight")));
  EXPECT_FALSE(at::equal(weight, find(session(pipeline(), 6)->state(), "map.weight")));
}

TEST_F(GraphSessionTest, ATrainingStoppedAnywhereEndsWithTheSameBits) {
  const PlannedStage& planned = stage(pipeline());
  Context whole(planned, folder_ / "whole.h5");
  whole.run();
  ASSERT_TRUE(whole.model_);
  for (const int stop : {1, 5, 7, 8, 20}) {
    const std::filesystem::path checkpoint = folder_ / ("stop" + std::to_string(stop) + ".h5");
    Context first(planned, checkpoint);
    first.stop_at_ = stop;
    EXPECT_THROW(first.run(), Stopped);
    Context second(planned, checkpoint);
    second.threads_ = 2;  // goes on with the threads that it began with
    second.run();
    ASSERT_TRUE(second.model_);
    expect_equal(*whole.model_, *second.model_);
    EXPECT_EQ(second.warnings_.size(), 1U);
    ASSERT_EQ(whole.lines_.size(), second.lines_.size());
    for (std::size_t i = 0; i < whole.lines_.size(); ++i) {
      EXPECT_EQ(whole.lines_[i].at("loss"), second.lines_[i].at("loss"));
      EXPECT_EQ(whole.lines_[i].at("centre.distance"), second.lines_[i].at("centre.distance"));
    }
    EXPECT_EQ(whole.summary_, second.summary_);
  }
}

TEST_F(GraphSessionTest, OfSeveralRestartsTheOneOfLeastLossIsKept) {
  Context single(stage(pipeline()), folder_ / "single.h5");
  single.run();
  const PlannedStage& planned = stage(pipeline("restarts = 4\n"));
  Context whole(planned, folder_ / "whole.h5");
  whole.run();
  const Value& losses = whole.summary_.at("restart_losses");
  ASSERT_EQ(losses.as_array().size(), 4U);
  EXPECT_EQ(losses.as_array()[0], single.lines_.back().at("loss"));  // the first restart is what one alone would be
  std::set<double> distinct;
  std::size_t least = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    distinct.insert(losses.as_array()[i].as_real());
    if (losses.as_array()[i].as_real() < losses.as_array()[least].as_real()) least = i;
  }
  EXPECT_EQ(distinct.size(), 4U);
  EXPECT_EQ(whole.summary_.at("restart").as_integer(), static_cast<std::int64_t>(least) + 1);
  ASSERT_EQ(whole.lines_.size(), 12U);
  EXPECT_EQ(whole.lines_[least * 3 + 2].at("loss"), losses.as_array()[least]);
  EXPECT_EQ(whole.lines_[4].at("restart").as_integer(), 2);
  EXPECT_EQ(whole.model_->protocol.at("chosen_by").as_string(), "least loss");
  // The weights are those of that restart: another stopped anywhere in the four ends with the same.
  for (const int stop : {3, 22, 30, 50, 80}) {
    const std::filesystem::path checkpoint = folder_ / ("stop" + std::to_string(stop) + ".h5");
    Context first(planned, checkpoint), second(planned, checkpoint);
    first.stop_at_ = stop;
    EXPECT_THROW(first.run(), Stopped) << stop;
    second.run();
    ASSERT_TRUE(second.model_);
    expect_equal(*whole.model_, *second.model_);
    EXPECT_EQ(whole.summary_, second.summary_) << stop;
    ASSERT_EQ(whole.lines_.size(), second.lines_.size());
    for (std::size_t i = 0; i < whole.lines_.size(); ++i) EXPECT_EQ(whole.lines_[i].at("loss"), second.lines_[i].at("loss"));
  }
}

TEST_F(GraphSessionTest, ADamagedCheckpointIsSaidAndTrainingStartsOver) {
  const PlannedStage& planned = stage(pipeline());
  Context whole(planned, folder_ / "whole.h5");
  whole.run();
  std::filesystem::resize_file(folder_ / "whole.h5", std::filesystem::file_size(folder_ / "whole.h5") / 2);
  Context again(planned, folder_ / "whole.h5");
  again.run();
  ASSERT_EQ(again.warnings_.size(), 1U);
  EXPECT_NE(again.warnings_[0].find("the checkpoint cannot be used, training starts over"), std::string::npos) << again.warnings_[0];
  expect_equal(*whole.model_, *again.model_);
}

TEST_F(GraphSessionTest, StartsFromAnothersWeights) {
  const PlannedStage& planned = stage(pipeline());
  Context pretext(planned, folder_ / "a.h5");
  pretext.run();
  Context next(planned, folder_ / "b.h5");
  auto weights = std::make_shared<Model>();
  weights->state.push_back({"map.weight", find(pretext.model_->state, "map.weight"), true, true});
  weights->state.push_back({"unknown.weight", at::zeros({1}), true, true});
  next.weights_ = weights;
  next.run();
  EXPECT_NE(next.infos_[0].find("1 of 5 tensors taken"), std::string::npos) << next.infos_[0];
  EXPECT_FALSE(at::equal(find(pretext.model_->state, "map.weight"), find(next.model_->state, "map.weight")));
}

TEST_F(GraphSessionTest, WeightsThatDoNotFitAreSaid) {
  const auto s = session(pipeline());
  const auto message = [&](const std::vector<NamedTensor>& saved, Names names) { return thrown_by([&] { s->load_state(saved, names); }); };
  EXPECT_EQ(message({{"map.weight", at::zeros({12, 5}), true, true}}, Names::common),
            "the weights do not fit this graph: 1 of another shape: map.weight is [12, 4] here, [12, 5] there");
  EXPECT_EQ(message({{"map.weight", at::zeros({12, 5}), true, true}, {"map.bias", at::zeros({4}), true, true}}, Names::all),
            "the weights do not fit this graph: 4 missing: momentum.weight, queue.keys, centre.centre, centre.epochs; 1 unexpected: map.bias; 1 of "
            "another shape: map.weight is [12, 4] here, [12, 5] there");
  EXPECT_EQ(
      message({{"layer", at::zeros({12, 4}), true, true}}, Names::common),
      "none of the weights has a name that this graph knows; they are called layer; here: map.weight, momentum.weight, queue.keys, centre.centre, "
      "centre.epochs");
  // For a graph of which another stage trained more: all of its own must be there.
  std::vector<NamedTensor> more = session(pipeline())->state();
  more.push_back({"further.weight", at::zeros({2}), true, true});
  EXPECT_EQ(message(more, Names::ours), "no error");
  EXPECT_NE(message(more, Names::all).find("graph: 1 unexpected: further.weight"), std::string::npos);
  more.erase(more.begin());
  EXPECT_NE(message(more, Names::ours).find("graph: 1 missing: map.weight"), std::string::npos);
}

TEST_F(GraphSessionTest, ExceptionsOfAPluginNameNodePluginAndBatch) {
  const auto thrown = [&](const std::string& what, const std::string& when) {
    return message(
        pipeline("", "[stage.train.graph.bad]\nplugin = \"test.throws\"\nin.features = \"map\"\nwhat = \"" + what + "\"\nwhen = \"" + when + "\"\n",
                 ", \"bad\""));
  };
  const auto expect = [](const std::string& text, const std::string& part) { EXPECT_NE(text.find(part), std::string::npos) << text; };
  expect(thrown("standard", "forward"), "test.toml:");
  expect(thrown("standard", "forward"), "node 'bad' (test.throws), epoch 1, batch 2: the disk is on fire");
  expect(thrown("error", "build"), "node 'bad' (test.throws), making it: set 'tau' above 0");
  expect(thrown("own", "after_step"), "node 'bad' (test.throws), epoch 1, batch 1: an exception of unknown type was thrown");
  expect(thrown("torch", "begin_epoch"), "node 'bad' (test.throws), at the start of an epoch: mat1 and mat2 shapes cannot be multiplied");
  expect(thrown("standard", "nothing"), "node 'loss' (test.sum), epoch 1, batch 1: its input 'terms' was not given by node 'bad' (test.throws)");
}

TEST_F(GraphSessionTest, ALossThatIsNotFiniteNamesTheNode) {
  std::string text = pipeline();
  text += "nan_at = 9\n";
  const std::string said = message(text);
  EXPECT_NE(said.find("the loss is nan at epoch 2, batch 3; the first value that is not finite came from node 'loss' (test.sum), output 'loss'"),
            std::string::npos)
      << said;
}

TEST_F(GraphSessionTest, MistakesThatOnlyTheDataShow) {
  const std::string said = message(pipeline("checkpoint_seconds = 1\n") + "");
  EXPECT_EQ(said, "no error");
  std::string text = pipeline();
  text.replace(text.find("batch_size = 8"), 14, "batch_size = 80");
  EXPECT_EQ(message(text), "batch_size = 80 is more than the data set's 60 images; make it smaller");
}

TEST(Device, UnknownOnesAreRefusedNamingWhatThereIs) {
  EXPECT_EQ(check_device("cpu"), "cpu");
  try {
    check_device("gpu7");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("there is no device 'gpu7' here; there is: cpu"), std::string::npos) << e.what();
  }
}

TEST(Precision, AutoTakesWhatTheProcessorHas) {
  EXPECT_EQ(resolve_precision("float32", "cpu"), "float32");
  EXPECT_EQ(resolve_precision("bfloat16", "cpu"), "bfloat16");
  EXPECT_EQ(resolve_precision("auto", "cpu"), __builtin_cpu_supports("avx512bf16") ? "bfloat16" : "float32");
  EXPECT_THROW(resolve_precision("half", "cpu"), Error);
}

}  // namespace
}  // namespace cdc
