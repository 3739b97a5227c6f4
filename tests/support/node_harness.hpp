#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cdc/error.hpp"
#include "cdc/node.hpp"
#include "plugin/registry.hpp"
#include "support/files.hpp"

namespace cdc::test {

/// Runs one node of the built plugins by itself, as the executor does: parameters as in a file, sizes as unified, inputs by port.
///     NodeHarness loss("loss.ntxent", R"({"tau": 0.2})");
///     loss.input("embedding", z);
///     loss.forward();
///     loss.output("loss")
class NodeHarness final : public Step, public WholeSet {
 public:
  using Sizes = std::vector<std::pair<std::string, std::int64_t>>;

  NodeHarness(const std::string& id, const std::string& parameters_json = "{}", const Sizes& sizes = {}, std::uint64_t seed = 1) {
    info_ = plugins().find(id);
    if (!info_) throw Error("no plugin '" + id + "' in the built ones");
    component_ = plugins().create(*info_, Value::from_json(parameters_json));
    component_->check();
    node_ = dynamic_cast<Node*>(component_.get());
    if (!node_) throw Error("'" + id + "' is no node");
    BuildContext context;
    context.sizes = sizes;
    for (const SizeInfo& s : info_->sizes)
      if (const std::int64_t value = s.value(*component_)) context.sizes.emplace_back(s.symbol, value);
    context.name = "node";
    context.seed = seed;
    node_->build(context);
  }

  /// The plugins of this build.
  static const Registry& plugins() {
    static const Registry& all = *[] {
      auto* r = new Registry;  // lives to the end: its libraries do too
      r->load_folder(binary_folder() / "lib/cdc/plugins");
      return r;
    }();
    return all;
  }

  using Step::input;
  void input(const std::string& port, at::Tensor value) { inputs_[port] = {std::move(value)}; }
  void inputs(const std::string& port, std::vector<at::Tensor> values) { inputs_[port] = std::move(values); }
  /// What WholeSet gives for a port.
  void whole_set(const std::string& port, at::Tensor features) { features_[port] = std::move(features); }

  void forward() {
    outputs_.clear();
    reasons_.clear();
    if (info_->full_precision)
      for (auto& [port, tensors] : inputs_)
        for (at::Tensor& t : tensors)
          if (t.is_floating_point()) t = t.to(at::kFloat);
    const at::AutoGradMode grad(!info_->no_gradient && training_);
    node_->train(training_);
    node_->forward(*this);
  }
  void after_step() {
    const at::NoGradGuard guard;
    node_->after_step(*this);
    ++step_;
  }
  void begin_training() { node_->begin_training(*this); }
  void begin_epoch() { node_->begin_epoch(*this); }

  const at::Tensor& output(const std::string& port) const { return outputs_.at(port); }
  /// All tensors of the node: stated ones, then the module's.
  std::vector<NamedTensor> state() {
    std::vector<NamedTensor> all;
    for (const StateInfo& s : info_->states) all.push_back({s.name, s.tensor(*component_), s.trainable, true});
    for (NamedTensor& t : node_->module_state()) all.push_back(std::move(t));
    return all;
  }
  Node& node() { return *node_; }
  const ComponentInfo& info() const { return *info_; }
  void set_training(bool on) { training_ = on; }
  void set_indices(at::Tensor indices) { indices_ = std::move(indices); }
  void set_epoch(std::int64_t epoch) { epoch_ = epoch; }
  const std::map<std::string, at::Tensor>& reports() const { return reports_; }
  /// What the last forward() said by nothing_counts().
  const std::vector<std::string>& reasons() const { return reasons_; }

  bool training() const override { return training_; }
  std::int64_t epoch() const override { return epoch_; }
  std::int64_t step() const override { return step_; }
  std::int64_t steps_per_epoch() const override { return 10; }
  std::int64_t epochs() const override { return 10; }
  const at::Tensor& indices() const override { return indices_; }
  at::Generator generator() override { return at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(step_)); }
  void report(const char* name, const at::Tensor& value) override { reports_[name] = value.detach(); }
  void nothing_counts(const std::string& why) override { reasons_.push_back(why); }
  std::int64_t size() const override { return features_.empty() ? 0 : features_.begin()->second.size(0); }
  std::uint64_t seed() const override { return 1; }

 protected:
  const at::Tensor& input(std::string_view port, std::size_t i) const override {
    const auto found = inputs_.find(std::string(port));
    if (found == inputs_.end()) throw Error("the test gives no input '" + std::string(port) + "'");
    return found->second.at(i);
  }
  std::size_t connections(std::string_view port) const override {
    const auto found = inputs_.find(std::string(port));
    return found == inputs_.end() ? 0 : found->second.size();
  }
  void output(std::string_view port, at::Tensor value) override { outputs_[std::string(port)] = std::move(value); }
  at::Tensor features_of(std::string_view port) override { return features_.at(std::string(port)); }

 private:
  const ComponentInfo* info_ = nullptr;
  std::shared_ptr<Component> component_;
  Node* node_ = nullptr;
  std::map<std::string, std::vector<at::Tensor>> inputs_;
  std::map<std::string, at::Tensor> outputs_, reports_, features_;
  std::vector<std::string> reasons_;
  at::Tensor indices_;
  bool training_ = true;
  std::int64_t epoch_ = 0, step_ = 0;
};

}  // namespace cdc::test
