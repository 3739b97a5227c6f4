// stage.train on a short training: what is evaluated, what is told of weights that are not trained, and of steps in which nothing counts.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "cdc/error.hpp"
#include "graph/planner.hpp"
#include "support/errors.hpp"
#include "support/graph_stage.hpp"
#include "support/stage_harness.hpp"

namespace {

using cdc::test::error_of;
using Context = cdc::test::GraphStageContext;

/// `train`: parameters of the stage; `nodes`: tables [NODE] after those of views, map and head.
std::string pipeline(const std::string& train, const std::string& nodes) {
  std::string text = R"(
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
batch_size = 30
precision = "float32"
)" + train + "\n";
  const std::string all = R"(
[views]
plugin = "test.views"
[map]
plugin = "test.linear"
in.images = "views"
[head]
plugin = "head.mlp"
in.features = "map"
clusters = 3
hidden = 8
batch_norm = true
)" + nodes;
  for (std::size_t at = 0; at < all.size(); ++at)
    text += all[at] == '[' && (at == 0 || all[at - 1] == '\n') ? std::string("[stage.train.graph.") : std::string(1, all[at]);
  return text;
}

constexpr const char* kSgd = "optimizer = { plugin = \"optimizer.sgd\", lr = 0.05, momentum = 0.9, weight_decay = 0.01 }\n";
constexpr const char* kInformation = "[loss]\nplugin = \"loss.mutual_information\"\nin.logits = \"head\"\n";

class TrainTest : public ::testing::Test {
 protected:
  const cdc::PlannedStage& stage(const std::string& text) {
    plans_.push_back(std::make_unique<cdc::Plan>(cdc::plan_text(text, "test.toml", {}, cdc::test::graph_registry())));
    for (const cdc::PlannedStage& s : plans_.back()->stages)
      if (s.name == "train") return s;
    throw cdc::Error("no stage");
  }
  /// With a checkpoint of its own, unless one is named.
  Context context(const std::string& text, const std::string& checkpoint = {}) {
    return Context(stage(text), folder_.path() / (checkpoint.empty() ? "own" + std::to_string(plans_.size()) + ".h5" : checkpoint));
  }

  std::vector<std::unique_ptr<cdc::Plan>> plans_;
  cdc::test::TemporaryFolder folder_;
};

at::Tensor tensor(const std::vector<cdc::NamedTensor>& all, const std::string& name) {
  for (const cdc::NamedTensor& t : all)
    if (t.name == name) return t.tensor;
  throw cdc::Error("no tensor " + name);
}

bool any_has(const std::vector<std::string>& texts, const std::string& part) {
  for (const std::string& text : texts)
    if (text.find(part) != std::string::npos) return true;
  return false;
}

/// What the hidden layer of `head` sees of the whole set, [60, 8].
at::Tensor hidden_of(const cdc::Model& model, const std::string& head) {
  const cdc::test::Pixels data;
  at::Tensor x = at::empty({60, 12});
  for (int i = 0; i < 60; ++i)
    for (int k = 0; k < 12; ++k) x[i][k] = static_cast<float>(data.image(i).pixels.get()[k]) / 255.0F;
  return x.matmul(tensor(model.state, "map.weight")).matmul(tensor(model.state, head + ".hidden.0.weight").t());
}

bool same_bits(const cdc::Model& a, const cdc::Model& b) {
  bool same = a.state.size() == b.state.size();
  for (std::size_t i = 0; same && i < a.state.size(); ++i) same = at::equal(a.state[i].tensor, b.state[i].tensor);
  return same;
}

TEST_F(TrainTest, AfterAShortTrainingBatchStatisticsAreThoseOfTheSet) {
  const std::string nodes = std::string(R"([momentum]
follows = "head"
in.features = "map"
momentum = 0.5
[target]
plugin = "assign.softmax"
in.logits = "momentum"
[agreement]
plugin = "loss.kl"
in.prediction = "head"
in.target = "target"
[information]
plugin = "loss.mutual_information"
in.logits = "head"
[loss]
plugin = "loss.sum"
in.losses = ["agreement", "information"]
)");
  const std::string train = std::string("prediction = \"head\"\nepochs = 2\n") + kSgd;
  Context estimated = context(pipeline(train, nodes)), running = context(pipeline(train + "batch_statistics = \"running\"\n", nodes));
  estimated.run();
  running.run();
  for (const std::string head : {"head", "momentum"}) {  // a momentum encoder's are its own
    const at::Tensor seen = hidden_of(*estimated.model_, head);
    const at::Tensor variance = (seen.view({2, 30, 8}).var(1).mean(0) + seen.var(0)) / 2;  // of batches that are drawn at random: near both
    EXPECT_TRUE(at::allclose(tensor(estimated.model_->state, head + ".hidden.1.running_mean"), seen.mean(0), 1e-4, 1e-6)) << head;
    EXPECT_TRUE(at::allclose(tensor(estimated.model_->state, head + ".hidden.1.running_var"), variance, 0.1, 1e-6)) << head;
    EXPECT_FALSE(at::allclose(tensor(running.model_->state, head + ".hidden.1.running_var"), variance, 0.3, 1e-6)) << head;
    EXPECT_EQ(tensor(estimated.model_->state, head + ".hidden.1.num_batches_tracked").item<std::int64_t>(), 4) << "as training left it";
  }
  for (const cdc::NamedTensor& t : estimated.model_->state)
    EXPECT_TRUE(t.name.find("running_") != std::string::npos || at::equal(t.tensor, tensor(running.model_->state, t.name))) << t.name;
  EXPECT_TRUE(any_has(estimated.infos_,
                      "the statistics of 2 batch-normalization layers are re-estimated over the set: the running ones are of 4 steps, "
                      "too few"));
  EXPECT_EQ(estimated.model_->protocol.at("batch_statistics").as_string(), "re-estimated");
  EXPECT_EQ(running.model_->protocol.find("batch_statistics"), nullptr);
}

TEST_F(TrainTest, ALongTrainingKeepsItsRunningStatistics) {
  for (const int epochs : {21, 22}) {  // 42 and 44 steps
    const std::string train = "prediction = \"head\"\nepochs = " + std::to_string(epochs) + "\n" + kSgd;
    Context by_itself = context(pipeline(train, kInformation)), running = context(pipeline(train + "batch_statistics = \"running\"\n", kInformation)),
            always = context(pipeline(train + "batch_statistics = \"reestimated\"\n", kInformation));
    by_itself.run();
    running.run();
    always.run();
    EXPECT_EQ(same_bits(*by_itself.model_, *running.model_), epochs == 22);
    EXPECT_EQ(same_bits(*by_itself.model_, *always.model_), epochs == 21);
    EXPECT_EQ(by_itself.model_->protocol.find("batch_statistics") == nullptr, epochs == 22);
  }
}

TEST_F(TrainTest, StoppedAnywhereAShortTrainingEndsWithTheSameBitsAndLookingChangesNothing) {
  const std::string train = std::string("prediction = \"head\"\nepochs = 2\n") + kSgd, looking = train + "score_every = 1\n";
  Context whole = context(pipeline(train, kInformation)), looked = context(pipeline(looking, kInformation));
  whole.run();
  looked.run();
  EXPECT_TRUE(same_bits(*whole.model_, *looked.model_));
  EXPECT_EQ(whole.assignment_->cluster, looked.assignment_->cluster);
  for (int stop = 1; stop <= looked.polls_; ++stop) {
    const std::string checkpoint = "stop" + std::to_string(stop) + ".h5";
    Context first = context(pipeline(looking, kInformation), checkpoint), second = context(pipeline(looking, kInformation), checkpoint);
    first.stop_at_ = stop;
    EXPECT_THROW(first.run(), cdc::Stopped) << stop;
    second.run();
    EXPECT_TRUE(same_bits(*looked.model_, *second.model_)) << stop;
    EXPECT_EQ(looked.assignment_->cluster, second.assignment_->cluster) << stop;
    ASSERT_EQ(second.lines_.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(second.lines_[i].at("confidence"), looked.lines_[i].at("confidence")) << stop;
  }
  EXPECT_GE(looked.polls_, 12) << "the statistics' passes can be stopped too";
}

TEST_F(TrainTest, ClustersMuchEmptierThanTrainingsAreToldOf) {
  const std::string train = std::string("prediction = \"head\"\nepochs = 2\n") + kSgd;
  Context estimated = context(pipeline(train, kInformation)), running = context(pipeline(train + "batch_statistics = \"running\"\n", kInformation));
  estimated.run();
  running.run();
  EXPECT_FALSE(any_has(estimated.warnings_, "emptier"));
  EXPECT_TRUE(any_has(running.warnings_,
                      "the clusters of the result are much emptier than those of training: entropy 0.00, 2 of 3 clusters empty, where "
                      "epoch 2 had "))
      << (running.warnings_.empty() ? "no warning" : running.warnings_.front());
  EXPECT_TRUE(any_has(running.warnings_, "Train for more steps, or set batch_statistics = \"auto\""));
}

// ---- weights that the loss does not reach --------------------------------------------------------------------------------------------

constexpr const char* kOther = "[other]\nplugin = \"head.mlp\"\nin.features = \"map\"\nclusters = 3\nhidden = 4\n";

TEST_F(TrainTest, APredictionThatTheLossDoesNotReachIsAnError) {
  const std::string text = pipeline(std::string("prediction = \"other\"\nepochs = 2\n") + kSgd, std::string(kOther) + kInformation);
  Context lost = context(text);
  EXPECT_EQ(error_of([&] { lost.run(); }),
            "the prediction 'other.logits' is not trained: no parameter of node 'other' got a gradient in the first epoch, and clusters would be "
            "those of weights "
            "drawn at random. Let the loss 'loss.loss' depend on it, name another 'prediction', or give trained weights as in.weights");
  ASSERT_EQ(lost.warnings_.size(), 1U);
  EXPECT_EQ(lost.warnings_[0],
            "4 of 10 parameters got no gradient in the first step, and stay as they began: other.hidden.0.weight, other.hidden.0.bias, "
            "other.output.weight, other.output.bias. The loss 'loss.loss' does not depend on them: connect their nodes to it, or leave them out");
  // One that was trained before may stay as it is.
  Context given = context(text);
  auto weights = std::make_shared<cdc::Model>();
  weights->state.push_back({"other.output.weight", at::ones({3, 4}), true, true});
  given.weights_ = weights;
  given.run();
  EXPECT_TRUE(any_has(given.warnings_, "4 of 10 parameters got no gradient in the first step"));
}

TEST_F(TrainTest, EachParameterReachedIsNothingToTell) {
  Context fine = context(pipeline(std::string("prediction = \"head\"\nepochs = 2\n") + kSgd, kInformation));
  fine.run();
  EXPECT_FALSE(any_has(fine.warnings_, "gradient"));
}

TEST_F(TrainTest, GradientsOfZeroAreTold) {
  const std::string two =
      "[information]\nplugin = \"loss.mutual_information\"\nin.logits = \"head\"\n[none]\nplugin = \"loss.mutual_information\"\n"
      "in.logits = \"other\"\n[loss]\nplugin = \"loss.sum\"\nin.losses = [\"information\", \"none\"]\n";
  Context some = context(pipeline(std::string("prediction = \"head\"\nepochs = 1\n") + kSgd, kOther + two + "weights = [1.0, 0.0]\n"));
  some.run();
  EXPECT_TRUE(any_has(some.warnings_,
                      "4 of 10 parameters had a gradient of exactly 0 in all of the first epoch: other.hidden.0.weight, other.hidden.0.bias, "));
  Context all = context(pipeline(std::string("prediction = \"head\"\nepochs = 1\n") + kSgd, kOther + two + "weights = [0.0, 0.0]\n"));
  EXPECT_EQ(error_of([&] { all.run(); }),
            "the gradient of every parameter was 0 in all of the first epoch, and nothing was learned: the loss 'loss.loss' does not change with the "
            "weights");
}

// ---- steps in which nothing counts ----------------------------------------------------------------------------------------------------

TEST_F(TrainTest, AnEpochInWhichNoSampleIsConfidentStopsWithTheThreshold) {
  const std::string nodes =
      "[codes]\nplugin = \"assign.confident\"\nin.logits = \"head\"\n[loss]\nplugin = \"loss.cross_entropy\"\n"
      "in.logits = \"head\"\nin.codes = \"codes\"\n";
  Context unsure = context(pipeline(std::string("prediction = \"head\"\nepochs = 3\n") + kSgd, nodes));
  const std::string said = error_of([&] { unsure.run(); });
  EXPECT_NE(
      said.find("no sample counted in any of the 2 steps of epoch 1, and nothing was learned: node 'codes' (assign.confident): no probability is "
                "above threshold = 0.99; the greatest of the epoch is 0."),
      std::string::npos)
      << said;
  EXPECT_NE(said.find("; node 'loss' (loss.cross_entropy): no row of its input 'codes' has a code"), std::string::npos) << said;
}

TEST_F(TrainTest, AStepInWhichNothingCountsMovesNoWeight) {
  const auto text = [](int idle_from) {
    return pipeline(std::string("epochs = 1\n") + kSgd,
                    "[information]\nplugin = \"loss.mutual_information\"\nin.logits = \"head\"\n[loss]\nplugin = \"test.sum\"\nin.terms = "
                    "[\"information\"]\nidle_from = " +
                        std::to_string(idle_from) + "\n");
  };
  Context first = context(text(1), "checkpoint.h5"), rest = context(text(1), "checkpoint.h5"), usual = context(text(-1));
  first.stop_at_ = 1;
  EXPECT_THROW(first.run(), cdc::Stopped);
  cdc::Value header;
  std::vector<cdc::NamedTensor> after_first;
  ASSERT_TRUE(cdc::load_tensors((folder_.path() / "checkpoint.h5").string(), "checkpoint", header, after_first));
  rest.run();
  usual.run();
  EXPECT_TRUE(at::equal(tensor(rest.model_->state, "map.weight"), tensor(after_first, "map.weight"))) << "neither momentum nor weight decay";
  EXPECT_FALSE(at::equal(tensor(usual.model_->state, "map.weight"), tensor(after_first, "map.weight")));
  EXPECT_EQ(rest.lines_[0].at("idle_steps").as_integer(), 1);
  EXPECT_EQ(rest.lines_[0].at("loss").as_real(), header.at("loss_sum").as_real()) << "the mean is over the steps that count";
  EXPECT_TRUE(any_has(rest.warnings_, "in 1 of 2 steps of epoch 1 no sample counted, and no weight was changed: node 'loss' (test.sum): it rests"));
  EXPECT_EQ(usual.lines_[0].find("idle_steps"), nullptr);
}

}  // namespace
