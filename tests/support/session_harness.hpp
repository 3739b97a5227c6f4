#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/random.hpp"
#include "cdc/session.hpp"
#include "graph/planner.hpp"
#include "plugin/registry.hpp"
#include "support/files.hpp"
#include "torch/graph_session.hpp"

namespace cdc::test {

/// Noise, and in it a bright bar that sample i has in place i % groups: images that fall into groups.
class Bars final : public Dataset {
 public:
  Bars(std::int64_t size, int channels, int height, int width, int groups = 3)
      : size_(size), channels_(channels), height_(height), width_(width), groups_(groups) {}
  std::int64_t size() const override { return size_; }
  int channels() const override { return channels_; }
  std::array<int, 2> image_size() const override { return {height_, width_}; }
  Image image(std::int64_t i) const override {
    const int bytes = height_ * width_ * channels_;
    std::shared_ptr<std::uint8_t> pixels(new std::uint8_t[static_cast<std::size_t>(bytes)], std::default_delete<std::uint8_t[]>());
    Random random(1, 0, static_cast<std::uint64_t>(i));
    const int bar = height_ * static_cast<int>(i % groups_) / groups_;
    for (int k = 0; k < bytes; ++k) {
      const int y = k / (width_ * channels_);
      pixels.get()[k] = static_cast<std::uint8_t>(random.below(60) + (y >= bar && y < bar + height_ / groups_ ? 180 : 0));
    }
    return {height_, width_, channels_, pixels};
  }
  const std::vector<std::int32_t>& labels() const override { return labels_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string split() const override { return "all"; }
  std::string sample_name(std::int64_t i) const override { return "bars#" + std::to_string(i); }

 private:
  std::int64_t size_;
  int channels_, height_, width_, groups_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_;
};

/// A graph of the built plugins and those of tests/plugins/moment_nodes.cpp at work on a data set, without the stage that trains it. `nodes` is TOML:
/// tables [NODE], of which "loss" gives the loss.
class SessionHarness {
 public:
  SessionHarness(const std::string& nodes, std::shared_ptr<const Dataset> data, std::uint64_t seed = 5) : samples_(data->size()) {
    std::string text =
        "[pipeline]\nname = \"test\"\nseed = 3\n[stage.images]\nplugin = \"dataset.idx\"\nroot = \"/nowhere\"\n"
        "[stage.train]\nplugin = \"stage.train\"\nin.data = \"images\"\nloss = \"loss\"\noptimizer = { plugin = \"optimizer.sgd\" }\n";
    for (std::size_t at = 0; at < nodes.size(); ++at) {
      const bool table = nodes[at] == '[' && (at == 0 || nodes[at - 1] == '\n');
      text += table ? "[stage.train.graph." : std::string(1, nodes[at]);
    }
    plan_ = plan_text(text, "test.toml", {}, registry());
    for (const PlannedStage& stage : plan_.stages)
      if (stage.graph) session_ = make_graph_session(stage.graph, registry());
    SessionOptions options;
    options.data = std::move(data);
    options.seed = seed;
    session_->build(options);
  }

  GraphSession& operator*() { return *session_; }
  GraphSession* operator->() { return session_.get(); }
  at::Tensor tensor(const std::string& name) {
    for (const NamedTensor& t : session_->state())
      if (t.name == name) return t.tensor;
    throw Error("no tensor " + name);
  }

  /// An epoch of plain gradient descent, in the order of the samples; `body(step)` between forward and backward. Returns the last loss.
  template <class Body>
  double epoch(std::int64_t number, std::int64_t batch_size, double lr, Body&& body) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(samples_));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
    const std::int64_t steps = samples_ / batch_size;
    if (number == 0) session_->begin_training();
    session_->begin_epoch(number);
    session_->start(order, batch_size, true, number, 0);
    double last = 0;
    for (std::int64_t step = 0; session_->next(); ++step) {
      session_->forward({true, number, number * steps + step, steps, 10});
      const at::Tensor loss = session_->output("loss", "loss");
      last = loss.item<double>();
      body(step);
      loss.backward();
      for (const NamedTensor& t : session_->state())
        if (t.trainable && t.tensor.grad().defined()) {
          t.tensor.detach().sub_(t.tensor.grad(), lr);
          t.tensor.mutable_grad() = at::Tensor();
        }
      session_->after_step();
    }
    return last;
  }
  double epoch(std::int64_t number, std::int64_t batch_size, double lr) {
    return epoch(number, batch_size, lr, [](std::int64_t) {});
  }

 private:
  static const Registry& registry() {
    static const Registry& all = *[] {
      auto* r = new Registry;  // lives to the end: its libraries do too
      r->load_folder(binary_folder() / "lib/cdc/plugins");
      r->load_library(binary_folder() / "lib/cdc/test_plugins/moment_nodes.so");
      return r;
    }();
    return all;
  }

  std::int64_t samples_;
  Plan plan_;
  std::unique_ptr<GraphSession> session_;
};

}  // namespace cdc::test
