// Schedules, optimizers and losses that break their word, and backward passes that fail, through stage.train. The plugins are in
// tests/plugins/faulty_nodes.cpp.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "graph/planner.hpp"
#include "support/errors.hpp"
#include "support/graph_stage.hpp"

namespace cdc {
namespace {

std::string said(const std::string& train, const std::string& node = "", bool detect_anomaly = false,
                 const std::string& loss = "plugin = \"faulty.loss\"\nin.features = \"node.out\"") {
  const std::string text =
      "[pipeline]\nname = \"test\"\nseed = 3\n[stage.images]\nplugin = \"dataset.idx\"\nroot = \"/nowhere\"\n[stage.train]\nplugin = "
      "\"stage.train\"\n"
      "in.data = \"images\"\nepochs = 2\nbatch_size = 8\nprecision = \"float32\"\n" +
      train +
      "\n[stage.train.graph.views]\nplugin = \"test.views\"\n[stage.train.graph.map]\nplugin = \"test.linear\"\nin.images = \"views\"\n"
      "[stage.train.graph.node]\nplugin = \"faulty.node\"\nin.features = \"map\"\ndim = 3\n" +
      node + "\n[stage.train.graph.loss]\n" + loss + "\n";
  const Plan plan = plan_text(text, "test.toml", {}, test::graph_registry());
  for (const PlannedStage& stage : plan.stages) {
    if (stage.name != "train") continue;
    const std::filesystem::path checkpoint = std::filesystem::temp_directory_path() / ("cdc_step_check_" + std::to_string(::getpid()) + ".h5");
    std::string what;
    try {
      test::GraphStageContext context(stage, checkpoint);
      context.detect_anomaly_ = detect_anomaly;
      context.run();
    } catch (const Error& e) {
      what = e.what();
    }
    std::filesystem::remove(checkpoint);
    return what;
  }
  return "no stage";
}

constexpr const char* kSgd = "loss = \"loss\"\noptimizer = { plugin = \"optimizer.sgd\", lr = 0.01 }\n";

TEST(StepCheck, WhatIsRightPasses) {
  EXPECT_EQ(said(kSgd), "");
  EXPECT_EQ(said("loss = \"loss\"\noptimizer = { plugin = \"faulty.optimizer\" }\nschedule = { plugin = \"faulty.schedule\", value = 0.0 }\n"), "");
  EXPECT_EQ(said(kSgd, "", true), "") << "backward passes that are followed";
}

TEST(StepCheck, AScheduleThatIsNoFactorIsTold) {
  const auto schedule = [](const std::string& what) {
    return said(std::string(kSgd) + "schedule = { plugin = \"faulty.schedule\", " + what + " }\n");
  };
  const std::string remedy = " as the factor of the learning rate at epoch 1, batch 1: it is 0 or more; mend its plugin, or set another 'schedule'";
  EXPECT_EQ(schedule("value = -0.5"), "the schedule gives -0.5" + remedy);
  EXPECT_EQ(schedule("how = \"nan\""), "the schedule gives nan" + remedy);
}

TEST(StepCheck, AnOptimizerThatTrainsOtherTensorsIsTold) {
  EXPECT_EQ(said("loss = \"loss\"\noptimizer = { plugin = \"faulty.optimizer\", how = \"replaces\" }\n"),
            "the optimizer changed no parameter at epoch 1, batch 1 although there are gradients: it writes into the tensors that setup() gave it, "
            "not into "
            "others in their place; if it does, raise the learning rate");
}

TEST(StepCheck, ALossOfNoWeightIsTold) {
  const std::string message = said(kSgd,
                                   "[stage.train.graph.target]\nplugin = \"assign.softmax\"\nin.logits = \"logits\"\n[stage.train.graph.logits]\n"
                                   "plugin = \"head.linear\"\nclusters = 3\nin.features = \"node.out\"\n",
                                   false, "plugin = \"faulty.code_loss\"\nin.codes = \"target\"");
  EXPECT_EQ(message,
            "the loss, 'loss.loss', depends on no weight that is trained: connect it to nodes that have some, and look for a node on the way "
            "that states no_gradient() or detaches what it gives");
}

TEST(StepCheck, ABackwardPassThatFailsTellsHowToFindTheNode) {
  const std::string broken = "how = \"into the backward pass\"\nat_step = 9\n", message = said(kSgd, broken);
  EXPECT_EQ(message.find("the backward pass failed at epoch 2, batch 3: one of the variables needed for gradient computation has been modified"), 0u)
      << message;
  EXPECT_NE(message.find("; cdc-run --detect-anomaly names the node whose forward pass it belongs to"), std::string::npos) << message;
}

TEST(StepCheck, AFollowedBackwardPassNamesTheNodeThatGaveNan) {
  const std::string nan = "how = \"nan backward\"\nat_step = 9\n";
  EXPECT_NE(said(kSgd, nan).find("the loss is nan at epoch 2, batch 4; the first value that is not finite came from node 'map' (test.linear)"),
            std::string::npos);
  const std::string followed = said(kSgd, nan, true);
  EXPECT_EQ(followed.find("test.toml:"), 0u) << followed;
  EXPECT_NE(followed.find(
                ": node 'node' (faulty.node), epoch 2, batch 3: the backward pass of SqrtBackward0, which its forward pass made, is the first that "
                "gives nan: look for a square root, a logarithm or a quotient at 0 there"),
            std::string::npos)
      << followed;
}

}  // namespace
}  // namespace cdc
