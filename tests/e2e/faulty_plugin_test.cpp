// Plugins that end their process: what cdc-run says of whose code it was, and a sweep as the reason why a cell has failed.
#include "fake_sweep.hpp"
#include "small_pipeline.hpp"

namespace cdc::test {
namespace {

class FaultyPluginTest : public FakeSweep {
 protected:
  void SetUp() override {
    FakeSweep::SetUp();
    write_file(
        folder / "p.toml",
        "[pipeline]\nname = \"p\"\n[stage.data]\nplugin = \"faulty.data\"\n[stage.features]\nplugin = \"faulty.features\"\nin.data = \"data\"\n"
        "[stage.clusters]\nplugin = \"faulty.clusters\"\nin.features = \"features\"\n[stage.scores]\nplugin = \"faulty.scores\"\n"
        "in.prediction = \"clusters\"\n");
  }
};

TEST_F(FaultyPluginTest, ACellThatDiesSaysInWhoseCode) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer ends the process its own way";
#endif
  const ProcessResult r = sweep(
      "[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[variants.good]\n[variants.dies]\nstage.features.how = \"segv\"\n[variants.ends]\nstage.clusters.how "
      "= "
      "\"exit\"\n");
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(r.out.find("2 failed"), std::string::npos) << r.out;
  EXPECT_EQ(lines_with(r.err, "failed: dies,seed=0-"), 1) << r.err;
  EXPECT_EQ(lines_with(r.err, "cdc-run: died of SIGSEGV (memory that is not its own, at address 0x0) in stage 'features' (faulty.features of "), 1)
      << r.err;
  EXPECT_NE(r.err.find("(ended by signal 11)"), std::string::npos) << r.err;
  EXPECT_EQ(lines_with(r.err, "cdc-run: the program was ended, by exit(0), in stage 'clusters' (faulty.clusters of "), 1) << r.err;
  EXPECT_NE(r.err.find("(exit code 4)"), std::string::npos) << r.err;
}

/// Training with a node of tests/plugins/faulty_nodes.cpp that is wrong from the tenth step on.
class FaultyNodeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(nodes())) GTEST_SKIP() << "built without LibTorch";
    folder_ = fs::temp_directory_path() / ("cdc_faulty_node_" + std::to_string(::getpid()));
    write_small_set(folder_ / "data");
    write_file(folder_ / "n.toml", R"([pipeline]
name = "n"
[stage.images]
plugin = "dataset.idx"
root = "data"
split = "train+test"
[stage.train]
plugin = "stage.train"
in.data = "images"
loss = "loss"
epochs = 2
batch_size = 64
precision = "float32"
optimizer = { plugin = "optimizer.sgd", lr = 0.01 }
[stage.train.graph.views]
plugin = "test.views"
[stage.train.graph.map]
plugin = "test.linear"
in.images = "views"
[stage.train.graph.node]
plugin = "faulty.node"
in.features = "map"
at_step = 9
[stage.train.graph.loss]
plugin = "faulty.loss"
in.features = "node.out"
)");
  }
  void TearDown() override { fs::remove_all(folder_); }
  static fs::path nodes() { return binary_folder() / "lib/cdc/test_plugins/moment_nodes.so"; }
  ProcessResult run(const std::string& how, std::vector<std::string> more = {}) const {
    std::vector<std::string> command{
        binary_folder() / "bin/cdc-run", "n.toml", "--plugin", nodes().string(), "--threads", "1", "stage.train.graph.node.how=\"" + how + "\""};
    command.insert(command.end(), more.begin(), more.end());
    return run_process(command, folder_, {{"CDC_CACHE", "cache"}}, folder_);
  }
  fs::path folder_;
};

TEST_F(FaultyNodeTest, ANodeThatDiesIsToldWithEpochAndBatch) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer ends the process its own way";
#endif
  const std::string node = "in node 'node' (faulty.node of " + nodes().string() + ", n.toml:20:1), ";
  for (const auto& [how, code] : {std::pair("segv", 139), std::pair("throws where nobody may", 134), std::pair("exit", 4)}) {
    const ProcessResult r = run(how);
    EXPECT_EQ(r.code, code) << r.err;
    EXPECT_NE(r.err.find(node + "forward pass, epoch 2, batch 1; in stage 'train' (stage.train of "), std::string::npos) << r.err;
  }
  const ProcessResult r = run("dies in build");
  EXPECT_EQ(r.code, 139);
  EXPECT_NE(r.err.find(node + "making it; in stage 'train' (stage.train of "), std::string::npos) << r.err;
}

TEST_F(FaultyNodeTest, DetectAnomalyNamesTheNodeOfABackwardPass) {
  ProcessResult r = run("into the backward pass", {"--detect-anomaly"});
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(r.err.find("names the node whose forward pass it belongs to: the backward pass of ExpBackward0, which the forward pass of node 'node' "
                       "(faulty.node) made"),
            std::string::npos)
      << r.err;
  r = run("nan backward", {"--detect-anomaly"});
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(
      r.err.find("n.toml:20:1: node 'node' (faulty.node), epoch 2, batch 1: the backward pass of SqrtBackward0, which its forward pass made, is the "
                 "first that gives nan"),
      std::string::npos)
      << r.err;
}

TEST_F(FaultyNodeTest, MemoryThatRunsOutNamesWhatToLower) {
  const ProcessResult r = run("hungry");
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(
      r.err.find("; lower batch_size = 64 (n.toml:12:1), or evaluation_batch_size = 512 (its default), or batches_in_flight = 2 (its default), or "
                 "take a machine with more"),
      std::string::npos)
      << r.err;
}

}  // namespace
}  // namespace cdc::test
