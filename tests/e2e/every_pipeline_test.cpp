// Every file of pipelines/, shrunk to a data set of 576 small images: it runs to its end, and ends the same when it is killed on the way.
#include <cctype>
#include <cstdlib>
#include <sstream>
#include <tuple>

#include "artifact/safetensors.hpp"
#include "config/spec.hpp"
#include "e2e/small_pipeline.hpp"
#include "graph/planner.hpp"

namespace cdc::test {
namespace {

/// Makes parameters small that say how much there is of something.
void shrink_parameters(Value& part) {
  for (const auto& [name, most] :
       {std::pair("clusters", 4), std::pair("hidden", 16), std::pair("dim", 8), std::pair("instance_dim", 8), std::pair("queue_size", 128),
        std::pair("negatives", 16), std::pair("restarts", 2), std::pair("pca_dim", 4), std::pair("neighbors", 3)})
    if (Value* const given = part.find(name); given != nullptr && given->is_integer() && given->as_integer() > most) *given = most;
}

void shrink_node(Value& node, const std::string& plugin) {
  if (plugin.rfind("backbone.", 0) == 0 || plugin == "head.decoder") {
    Value small = Value::table();
    small["plugin"] = plugin == "head.decoder" ? "head.decoder" : "backbone.convnet";
    small["in"] = node.at("in");
    for (const auto& [name, numbers] :
         {std::pair("channels", std::vector{4, 8}), std::pair("kernels", std::vector{3, 3}), std::pair("strides", std::vector{2, 2})}) {
      small[name] = Value::array();
      for (const int n : numbers) small[name].push_back(n);
    }
    node = small;
    return;
  }
  shrink_parameters(node);
  if (plugin == "memory.queue" || plugin == "memory.code_queue") node["size"] = 96;
  if (plugin == "assign.confident") node["threshold"] = 0.05;  // so short a training is sure of nothing
  if (plugin.rfind("augment.", 0) == 0) {
    node["size"] = node.at("size").as_integer() > 0 && node.at("size").as_integer() < 28 ? 14 : 28;
    for (const char* name : {"mean", "std"}) {
      node[name] = Value::array();
      node[name].push_back(0.5);
    }
  }
}

/// Weights of the backbone that shrink_node() puts in place.
void write_weights(const fs::path& file) {
  Random random(3);
  std::vector<ArrayInfo> arrays;
  for (const auto& [layer, in, out] : {std::tuple("0", 1, 4), std::tuple("1", 4, 8)}) {
    arrays.push_back({std::string(layer) + ".0.weight", ElementType::float32, {out, in, 3, 3}});
    for (const char* name : {"weight", "bias", "running_mean", "running_var"})
      arrays.push_back({std::string(layer) + ".1." + name, ElementType::float32, {out}});
  }
  std::vector<std::vector<float>> numbers;
  std::vector<std::pair<ArrayInfo, const void*>> all;
  for (const ArrayInfo& array : arrays) {
    numbers.emplace_back(array.bytes() / sizeof(float));
    for (float& n : numbers.back()) n = static_cast<float>(random.uniform(0.1, 1));
    all.emplace_back(array, numbers.back().data());
  }
  write_safetensors(file, all, Value::table());
}

void shrink_stage(Value& stage, const fs::path& data) {
  const std::string plugin = stage.at("plugin").as_string();
  if (plugin.rfind("dataset.", 0) == 0) {
    stage = Value::table();
    stage["plugin"] = "dataset.idx";
    stage["root"] = data.string();
    stage["split"] = "train+test";
    return;
  }
  if (plugin == "stage.load") {
    stage["path"] = (data / "weights.safetensors").string();
    stage["prefix"] = "auto";
  }
  shrink_parameters(stage);
  if (plugin == "cluster.spectral") stage["neighbors"] = 100;  // fewer leave the set's classes unconnected
  if (plugin == "stage.train") {
    stage["epochs"] = 2;
    stage["batch_size"] = 64;
    stage["checkpoint_seconds"] = 0.0;  // one after each step
  }
  if (Value* const graph = stage.find("graph"); graph != nullptr && graph->is_table())
    for (auto& [name, node] : graph->as_table())
      if (const Value* id = node.find("plugin"); id != nullptr) shrink_node(node, std::string(id->as_string()));
}

/// Stems of the files of pipelines/, but of what is in its folders.
std::vector<std::string> pipelines() {
  std::vector<std::string> stems;
  std::error_code ignored;
  const char* const source = std::getenv("CDC_SOURCE_DIR");  // these are named before any test runs
  if (source == nullptr) return stems;
  for (fs::directory_iterator it(fs::path(source) / "pipelines", ignored), end; !ignored && it != end; it.increment(ignored))
    if (it->path().extension() == ".toml") stems.push_back(it->path().stem());
  std::sort(stems.begin(), stems.end());
  return stems;
}

class EveryPipeline : public SmallPipeline, public ::testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    SmallPipeline::SetUp();
    registry_.load_folder(binary_folder() / "lib/cdc/plugins");
    write_weights(folder_ / "data/weights.safetensors");
  }
  /// Writes the small form of a pipeline, and makes it the one that cdc_run() runs.
  void take(const fs::path& pipeline) {
    Value resolved = plan_pipeline(pipeline, {}, registry_).resolved;
    resolved["pipeline"]["name"] = "small";
    for (auto& [name, stage] : resolved["stage"].as_table()) shrink_stage(stage, folder_ / "data");
    write_file(file_, to_toml(resolved));
  }
  /// A whole one: what a kill left half-written is called otherwise.
  bool has_checkpoint() const {
    std::error_code ignored;
    for (fs::directory_iterator it(folder_ / cache_ / "checkpoints", ignored), end; !ignored && it != end; it.increment(ignored))
      if (it->path().extension() == ".h5") return true;
    return false;
  }
  /// Loss and reports of each epoch of each stage.
  std::vector<std::string> epochs() const {
    std::vector<std::string> all;
    std::istringstream lines(read_file(folder_ / "runs" / "small" / "latest" / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const Value v = Value::from_json(line);
      if (v.find("epoch") == nullptr) continue;
      Value kept = Value::table();
      for (const auto& [key, value] : v.as_table())
        if (key != "seconds" && key != "images_per_second" && key != "waiting_share" && key != "time") kept[key] = value;
      all.push_back(kept.to_json());
    }
    return all;
  }

  Registry registry_;
};

TEST_P(EveryPipeline, EndsTheSameWhenItIsKilledOnTheWay) {
  take(source_folder() / "pipelines" / (GetParam() + ".toml"));
  cache_ = "whole";
  const ProcessResult whole = cdc_run();
  ASSERT_EQ(whole.code, 0) << whole.err;
  const std::string expected = without_times(summary());
  const std::vector<std::string> expected_epochs = epochs();

  fs::remove_all(folder_ / "runs");
  cache_ = "killed";
  Random random(static_cast<std::uint64_t>(::getpid()));
  bool to_go_on_from = false;
  for (int kill = 0; kill < (expected_epochs.empty() ? 0 : 2); ++kill) {
    Process p(command({}), folder_, environment_, folder_);
    // At some moment of the training, once there is something to go on from.
    p.reaches([&] { return has_checkpoint(); });
    if (!p.ended_within(std::chrono::milliseconds(static_cast<std::int64_t>(random.uniform(0, 150))))) p.signal(SIGKILL);
    to_go_on_from = p.wait().code == 128 + SIGKILL && has_checkpoint();
  }
  const ProcessResult last = cdc_run();
  ASSERT_EQ(last.code, 0) << last.out << last.err;
  // Where the kill came between a result and the end of its checkpoint, the result is there.
  if (to_go_on_from) {
    EXPECT_TRUE(last.out.find("goes on at") != std::string::npos || last.out.find("cached") != std::string::npos) << last.out;
  }
  EXPECT_EQ(without_times(summary()), expected);
  EXPECT_EQ(epochs(), expected_epochs);
}

INSTANTIATE_TEST_SUITE_P(Pipelines, EveryPipeline, ::testing::ValuesIn(pipelines()), [](const auto& one) {
  std::string name = one.param;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
});

}  // namespace
}  // namespace cdc::test
