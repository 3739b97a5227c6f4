#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/session.hpp"
#include "cdc/stage.hpp"
#include "graph/plan.hpp"
#include "plugin/registry.hpp"
#include "support/files.hpp"
#include "torch/graph_session.hpp"

namespace cdc::test {

/// 60 grey images of 4 x 3 pixels.
class Pixels : public Dataset {
 public:
  std::int64_t size() const override { return 60; }
  int channels() const override { return 1; }
  std::array<int, 2> image_size() const override { return {4, 3}; }
  Image image(std::int64_t i) const override {
    std::shared_ptr<std::uint8_t> pixels(new std::uint8_t[12], std::default_delete<std::uint8_t[]>());
    for (int k = 0; k < 12; ++k) pixels.get()[k] = static_cast<std::uint8_t>((i * 37 + k * 11 + i * k) % 256);
    return {4, 3, 1, pixels};
  }
  const std::vector<std::int32_t>& labels() const override { return labels_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string split() const override { return "all"; }
  std::string sample_name(std::int64_t i) const override { return "pixels#" + std::to_string(i); }

 private:
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_;
};

/// The plugins of this build, and the tests' own nodes.
inline const Registry& graph_registry() {
  static const Registry* all = [] {
    auto* r = new Registry;  // libraries stay to the end of the process
    const std::filesystem::path lib = binary_folder() / "lib/cdc";
    r->load_folder(lib / "plugins");
    r->load_library(lib / "test_plugins" / "moment_nodes.so");
    return r;
  }();
  return *all;
}

/// Runs a stage that has a graph outside of a pipeline: its data are Pixels, and what it says and gives is kept.
class GraphStageContext final : public StageContext {
 public:
  explicit GraphStageContext(const PlannedStage& stage, std::filesystem::path checkpoint = {}) : stage_(stage), checkpoint_(std::move(checkpoint)) {}
  void run() {
    const auto stage = graph_registry().create(*stage_.info, stage_.parameters);
    dynamic_cast<Stage&>(*stage).run(*this);
  }
  const std::string& name() const override { return stage_.name; }
  const std::string& pipeline() const override { return pipeline_; }
  const std::string& key() const override { return key_; }
  std::uint64_t seed() const override { return 5; }
  int threads() const override { return threads_; }
  const std::string& device() const override { return device_; }
  bool stopping() const override { return ++polls_ == stop_at_; }
  void info(const std::string& text) override { infos_.push_back(text); }
  void warn(const std::string& text) override { warnings_.push_back(text); }
  void progress(const Progress&) override {}
  void metric(Value line) override { lines_.push_back(std::move(line)); }
  void metrics(const std::vector<Value>& lines) override { lines_ = lines; }
  void summary(std::string_view key, Value value) override { summary_[key] = std::move(value); }
  std::filesystem::path checkpoint_path() const override { return checkpoint_; }
  void spent_before(double seconds) override { spent_before_ = seconds; }
  std::pair<std::string, std::string> port(std::string_view parameter) const override {
    const auto found = stage_.ports.find(std::string(parameter));
    if (found == stage_.ports.end()) return {};
    return {stage_.graph->nodes[found->second.index].name, found->second.port};
  }
  std::unique_ptr<GraphSession> session(std::string_view) override { return make_graph_session(stage_.graph, graph_registry(), detect_anomaly_); }

  const PlannedStage& stage_;
  bool detect_anomaly_ = false;
  std::filesystem::path checkpoint_;
  std::string device_ = "cpu", pipeline_ = "test", key_ = "0123456789abcdef";
  double spent_before_ = 0;
  int threads_ = 1;
  int stop_at_ = -1;
  mutable int polls_ = 0;
  std::shared_ptr<const Model> weights_;
  std::vector<std::string> infos_, warnings_;
  std::vector<Value> lines_;
  Value summary_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Assignment> assignment_;

 protected:
  std::shared_ptr<const void> input(std::string_view port, std::size_t) const override {
    if (port == "weights") return weights_;
    return std::make_shared<const Pixels>();
  }
  std::size_t connections_of(std::string_view port) const override { return port == "weights" && !weights_ ? 0 : 1; }
  std::string source_of(std::string_view, std::size_t) const override { return "pretext"; }
  void output(std::string_view port, std::shared_ptr<const void> artifact) override {
    if (port == "assignment") assignment_ = std::static_pointer_cast<const Assignment>(artifact);
    if (port == "model") model_ = std::static_pointer_cast<const Model>(artifact);
  }
};

}  // namespace cdc::test
