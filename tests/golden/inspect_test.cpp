// cdc-inspect as a user runs it. A copy of the program stands in a folder of its own, so that the plugins beside it are known.
#include <gtest/gtest.h>
#include <unistd.h>

#include "cdc/value.hpp"
#include "golden/planning.hpp"
#include "support/process.hpp"

namespace {

namespace fs = std::filesystem;
using cdc::Value;
using cdc::test::ProcessResult;

class Inspect : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("cdc_inspect_test." + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "bin");
    fs::create_directories(folder_ / "lib/cdc/plugins");
    fs::copy_file(cdc::test::binary_folder() / "bin/cdc-inspect", folder_ / "bin/cdc-inspect");
    fs::copy_file(cdc::test::test_plugins(), folder_ / "lib/cdc/plugins/test.so");
  }
  void TearDown() override { fs::remove_all(folder_); }
  ProcessResult run(std::vector<std::string> arguments, const std::string& path = "") {
    arguments.insert(arguments.begin(), (folder_ / "bin/cdc-inspect").string());
    return cdc::test::run_process(arguments, folder_, {{"CDC_PLUGIN_PATH", path}});
  }
  fs::path folder_;
};

TEST_F(Inspect, ListsPluginsByFamily) {
  const ProcessResult result = run({});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("backbone\n  backbone.test    A backbone.\n\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("\n\nstage\n  stage.extract    Features of a node.\n"), std::string::npos) << result.out;
}

TEST_F(Inspect, DescribesAPlugin) {
  const std::string library = "\nLibrary: " + fs::canonical(folder_ / "lib/cdc/plugins/test.so").string() + "\n";
  EXPECT_EQ(run({"head.test"}).out, R"(head.test (node, version 1)
  A head.

Parameters
  clusters      integer, required, at least 2
                Number of clusters
  over          integer, default 0, at least 0
                Number of clusters of the second head, 0: none
  instance_dim  integer, default 128, at least 1
                Width of the instance part

Inputs
  features  Embeddings [V, B, F]
            Features

Outputs
  cluster   Logits [V, B, K]
            Cluster logits
  instance  Embeddings [V, B, D]
            Instance part
  second    Logits [V, B, J], only under a condition: set over = NUMBER
            Logits of the second head

Sizes that it fixes: K = clusters, D = instance_dim, J = over
)" + library);
  EXPECT_EQ(run({"stage.train"}).out, R"(stage.train (stage, version 1)
  Trains nothing.
  Takes a graph of nodes: [stage.NAME.graph.NODE], or graph = "STAGE".

Parameters
  epochs      integer, default 1, at least 1
              Epochs
  batch_size  integer, default 256, 1 to 4096
              Images a step
  precision   string, default "auto", 'auto', 'float32' or 'bfloat16'
              Precision
  log         boolean, default false, without effect on the result
              Write more lines
  loss        port of type Scalar of the graph, required
              What is minimised
  prediction  port of the graph, optional
              What tells the clusters
  optimizer   optimizer plugin, required
              The optimiser
  schedule    schedule plugin, optional
              The schedule

Inputs
  data     Dataset [N, C, H, W]
           The images
  weights  Model [], optional
           Weights to start from

Outputs
  model       Model []
              The model
  assignment  Assignment [N, K], only under a condition: set prediction = "NODE"
              The clusters
)" + library);
  const std::string data = run({"dataset.test"}).out;
  EXPECT_NE(data.find("  splits    list of strings, default [\"train\"], 'train' or 'test', 1 to 2 elements\n"), std::string::npos) << data;
  EXPECT_NE(data.find("  Made anew in each run, not cached.\n"), std::string::npos) << data;
  EXPECT_NE(run({"metric.test"}).out.find("  Draws no random numbers: one result serves every seed.\n"), std::string::npos);
}

TEST_F(Inspect, PrintsJson) {
  const ProcessResult one = run({"cluster.test", "--json"});
  ASSERT_EQ(one.code, 0) << one.err;
  const Value info = Value::from_json(one.out);
  EXPECT_EQ(info.at("id").as_string(), "cluster.test");
  EXPECT_EQ(info.at("version").as_integer(), 3);
  const Value& clusters = info.at("parameters").as_array().at(0);
  EXPECT_EQ(clusters.at("name").as_string(), "clusters");
  EXPECT_EQ(clusters.at("type").as_string(), "integer");
  EXPECT_EQ(clusters.at("minimum").as_real(), 2);
  EXPECT_TRUE(clusters.at("required").as_boolean());
  EXPECT_EQ(clusters.find("default"), nullptr);
  EXPECT_EQ(info.at("parameters").as_array().at(1).at("default").as_real(), 1e-4);
  EXPECT_EQ(info.at("inputs").as_array().at(0).at("type").as_string(), "Features");
  EXPECT_EQ(info.at("sizes").as_array().at(0).at("parameter").as_string(), "clusters");

  const ProcessResult all = run({"--json"});
  ASSERT_EQ(all.code, 0) << all.err;
  const Value list = Value::from_json(all.out);
  ASSERT_EQ(list.as_array().size(), cdc::test::registry().all().size());
  EXPECT_EQ(list.as_array().front().at("id").as_string(), "assign.codes");
}

TEST_F(Inspect, FindsPlugins) {
  // Beside the program, and in the folders of CDC_PLUGIN_PATH.
  fs::create_directories(folder_ / "more");
  fs::copy_file(cdc::test::binary_folder() / "tests/bad_plugins/bad_fine.so", folder_ / "more/fine.so");
  ProcessResult result = run({}, ":" + (folder_ / "more").string() + ":" + (folder_ / "lib/cdc/plugins").string());
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("  bad.wrong "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("  head.test "), std::string::npos) << result.out;
  // Nothing beside the program: beside the engine's library.
  fs::copy_file(cdc::test::binary_folder() / "lib/libcdc_core.so", folder_ / "lib/libcdc_core.so");
  fs::create_directories(folder_ / "elsewhere/bin");
  fs::rename(folder_ / "bin/cdc-inspect", folder_ / "elsewhere/bin/cdc-inspect");
  result = cdc::test::run_process({(folder_ / "elsewhere/bin/cdc-inspect").string()}, folder_,
                                  {{"CDC_PLUGIN_PATH", ""}, {"LD_LIBRARY_PATH", (folder_ / "lib").string()}});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("  head.test "), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("  bad.wrong "), std::string::npos) << result.out;
}

TEST_F(Inspect, SaysWhatIsWrong) {
  ProcessResult result = run({"head.tset"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err, "error: there is no plugin 'head.tset'; did you mean 'head.test'?\n");
  result = run({"nothing.of_the_kind"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err,
            "error: there is no plugin 'nothing.of_the_kind'; cdc-inspect without an argument lists all; CDC_PLUGIN_PATH, which names folders of "
            "further plugins, is not set\n");
  EXPECT_EQ(run({"--jsn"}).code, 2);
  EXPECT_EQ(run({"--help"}).code, 0);
  const fs::path bad = cdc::test::binary_folder() / "tests/bad_plugins";
  result = run({}, bad.string());
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err.find("error: plugin library " + fs::canonical(bad).string()), 0u) << result.err;
}

}  // namespace
