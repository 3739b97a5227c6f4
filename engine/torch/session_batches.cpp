// The session while batches go through it: what nodes see of a batch and of the whole set.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cdc/random.hpp"
#include "cdc/sampler.hpp"
#include "torch/anomaly.hpp"
#include "torch/autocast.hpp"
#include "torch/session.hpp"

namespace cdc {

/// The present batch as one node sees it.
class Session::NodeStep final : public Step {
 public:
  /// @param forward outputs may be given
  NodeStep(Session& session, BuiltNode& node, bool forward) : session_(session), node_(node), forward_(forward), given_(node.outputs.size()) {}
  bool training() const override { return session_.position_.training; }
  std::int64_t epoch() const override { return session_.position_.epoch; }
  std::int64_t step() const override { return session_.position_.step; }
  std::int64_t steps_per_epoch() const override { return session_.position_.steps_per_epoch; }
  std::int64_t epochs() const override { return session_.position_.epochs; }
  const at::Tensor& indices() const override { return session_.indices_; }
  at::Generator generator() override {
    // Evaluation has streams of its own: a pass over the whole set must not depend on when it is made.
    const auto step = static_cast<std::uint64_t>(training() ? session_.position_.step : -1 - session_.batch_number_);
    return at::make_generator<at::CPUGeneratorImpl>(Random(node_.seed, step).next64());
  }
  void report(const char* name, const at::Tensor& value) override {
    if (training()) session_.reports_.add(node_.plan->name + "." + name, value);
  }
  void nothing_counts(const std::string& why) override {
    if (training()) session_.nothing_counted_.push_back(fmt::format("{}: {}", node_.label(), why));
  }

 protected:
  const at::Tensor& input(std::string_view port, std::size_t i) const override {
    for (const auto& [name, slots] : node_.inputs) {
      if (name != port) continue;
      if (i >= slots.size()) break;
      OutputSlot& slot = session_.slots_[slots[i]];
      if (!slot.value.defined()) {
        const BuiltNode& source = session_.nodes_[session_.node_of_slot(slots[i])];
        throw Error(fmt::format("its input '{}' was not given by {}", port, source.label()));
      }
      if (!node_.plan->info->full_precision || !slot.value.is_floating_point() || slot.value.scalar_type() == at::kFloat) return slot.value;
      if (!slot.float32.defined()) {
        // The copy is for all who want one: the first of them may be a node without gradients.
        const at::AutoGradMode mode(session_.gradient_);
        slot.float32 = slot.value.to(at::kFloat);
        slot.float32_version = static_cast<std::int64_t>(slot.float32._version());
      }
      return slot.float32;
    }
    throw Error(fmt::format("it asked for connection {} of its input '{}', which is not connected", i, port));
  }
  std::size_t connections(std::string_view port) const override {
    for (const auto& [name, slots] : node_.inputs)
      if (name == port) return slots.size();
    return 0;
  }
  void output(std::string_view port, at::Tensor value) override {
    const auto faulty = [&] { return fmt::format("; the plugin is faulty ({})", node_.plan->info->library); };
    for (std::size_t i = 0; i < node_.outputs.size(); ++i) {
      if (node_.outputs[i].first != port) continue;
      if (!forward_) throw Error(fmt::format("it gave its output '{}' in after_step(), when all have read it{}", port, faulty()));
      if (given_[i]) throw Error(fmt::format("it gave its output '{}' twice in one forward pass{}", port, faulty()));
      if (!value.defined()) throw Error(fmt::format("it gave a tensor that holds nothing for its output '{}'{}", port, faulty()));
      given_[i] = true;
      session_.slots_[node_.outputs[i].second].take(std::move(value));
      return;
    }
    throw Error(fmt::format("it gave an output '{}' that it does not declare", port));
  }

 private:
  Session& session_;
  BuiltNode& node_;
  bool forward_;
  std::vector<bool> given_;  ///< [outputs]
};

/// The whole set as one node sees it; features are computed once a moment.
class Session::NodeWholeSet final : public WholeSet {
 public:
  NodeWholeSet(Session& session, const BuiltNode& node, std::int64_t epoch, std::map<std::size_t, at::Tensor>& computed)
      : session_(session), node_(node), epoch_(epoch), computed_(computed) {}
  std::int64_t size() const override { return session_.options_.data->size(); }
  std::int64_t epoch() const override { return epoch_; }
  std::uint64_t seed() const override { return Random(node_.seed, static_cast<std::uint64_t>(epoch_), 1).next64(); }

 protected:
  at::Tensor features_of(std::string_view port) override {
    for (const auto& [name, slots] : node_.inputs) {
      if (name != port || slots.empty()) continue;
      at::Tensor& known = computed_[slots[0]];
      if (!known.defined()) known = session_.features_of_slot(slots[0], session_.options_.evaluation_batch_size, {});
      return known;
    }
    throw Error(fmt::format("it asked for features of its input '{}', which is not connected", port));
  }

 private:
  Session& session_;
  const BuiltNode& node_;
  std::int64_t epoch_;
  std::map<std::size_t, at::Tensor>& computed_;
};

void Session::set_training(bool on) {
  for (BuiltNode& n : nodes_)
    if (n.node != nullptr) n.node->train(on);
}

std::string Session::doing() const {
  if (!position_.training) return fmt::format("batch {} of a pass over the whole set", batch_number_ + 1);
  return fmt::format("epoch {}, batch {}", position_.epoch + 1, batch_number_ + 1);
}

void Session::start(std::vector<std::int64_t> order, std::int64_t batch_size, bool training, std::int64_t epoch, std::int64_t first) {
  training_ = weights_due_ = training;
  set_training(training);
  BatchRequest request;
  request.data = options_.data;
  for (const std::size_t i : all_augments_) {
    request.augments.push_back(nodes_[i].augment);
    request.sizes.push_back(nodes_[i].size);
    request.names.push_back(nodes_[i].who);
    request.picks.emplace_back();
    if (const BuiltNode* sampler = sampler_of(nodes_[i]); sampler != nullptr && training)
      request.picks.back() = [sampler, size = options_.data->size()](std::int64_t at_epoch, std::int64_t sample) {
        std::int64_t picked = -1;
        at_node(*sampler, "picking a sample", [&] {
          picked = static_cast<const Sampler*>(sampler->node)->pick(sampler->seed, at_epoch, sample);
          if (picked < 0 || picked >= size) throw Error(fmt::format("sample {} of a data set of {} was picked in its place", picked, size));
        });
        return picked;
      };
  }
  request.order = std::move(order);
  request.batch_size = batch_size;
  request.training = training;
  request.seed = options_.seed;
  request.epoch = epoch;
  request.first_batch = first;
  request.batches_in_flight = options_.batches_in_flight;
  pipeline_.reset();  // its work ends before the next one's begins
  pipeline_ = std::make_unique<BatchPipeline>(std::move(request));
}

/// The node that picks what an augment node renders; nullptr where it renders the batch's own samples.
const BuiltNode* Session::sampler_of(const BuiltNode& augment) const {
  for (const auto& [port, slots] : augment.inputs)
    if (port == Augment::kSamples.name) return &nodes_[node_of_slot(slots.front())];
  return nullptr;
}

bool Session::next() {
  for (OutputSlot& s : slots_) s = {};  // frees the last step's activations before this one's are made
  RenderedBatch batch;
  if (!pipeline_ || !pipeline_->next(batch)) return false;
  take_batch(batch, all_augments_, training_);
  return true;
}

void Session::take_batch(const RenderedBatch& batch, const std::vector<std::size_t>& augments, bool training) {
  batch_number_ = batch.number;
  const auto samples = static_cast<std::int64_t>(batch.samples.size());
  indices_ = at::empty({samples}, at::kLong);
  std::copy(batch.samples.begin(), batch.samples.end(), indices_.data_ptr<std::int64_t>());
  const c10::Device device(options_.device);
  for (std::size_t a = 0; a < augments.size(); ++a) {
    const BuiltNode& n = nodes_[augments[a]];
    const std::shared_ptr<float> memory = batch.views[a];
    const std::int64_t views = training ? n.augment->views() : 1;
    at::Tensor x = at::from_blob(
        memory.get(), {views, samples, options_.data->channels(), n.size[0], n.size[1]}, [memory](void*) {}, at::kFloat);
    if (!device.is_cpu()) x = x.to(device);
    slots_[n.outputs[0].second].take(std::move(x));
  }
}

void Session::run_nodes(const std::vector<bool>* mask) {
  gradient_ = at::GradMode::is_enabled();
  const CheckedBatch batch{position_.training, gradient_, indices_.size(0), c10::Device(options_.device)};
  const char* const pass = position_.training ? "forward pass" : "forward pass over the whole set";
  const std::int64_t epoch = position_.training ? position_.epoch : -1;
  Autocast autocast(options_.bfloat16, options_.device != "cpu");
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    BuiltNode& n = nodes_[i];
    if (n.node == nullptr || (mask != nullptr && !(*mask)[i])) continue;
    const std::optional<at::NoGradGuard> no_gradient =
        n.plan->info->no_gradient || n.follows ? std::optional<at::NoGradGuard>(std::in_place) : std::optional<at::NoGradGuard>();
    autocast.enable(!n.plan->info->full_precision);
    try {
      const AtWork work(n.who.c_str(), pass, epoch, batch_number_);
      NodeStep step(*this, n, true);
      const std::size_t said = nothing_counted_.size();
      n.node->forward(step);
      const bool constant = nothing_counted_.size() > said;  // as Step::nothing_counts() has it
      n.check.forward_is_sound(n.inputs, n.outputs, slots_, batch, n.trains && !n.follows, n.loss && !constant);
      if (detect_anomaly_ && gradient_) watch_backward(n, outputs_of(n), doing());
    } catch (...) {
      at_node(n, doing(), [] { throw; });
    }
  }
}

std::vector<at::Tensor> Session::outputs_of(const BuiltNode& n) const {
  std::vector<at::Tensor> all;
  for (const auto& output : n.outputs) all.push_back(slots_[output.second].value);
  return all;
}

void Session::forward(const Position& position) {
  position_ = position;
  nothing_counted_.clear();
  run_nodes(nullptr);
  AtWork::now("after the forward pass", position.training ? position.epoch : -1, batch_number_);
}

const at::Tensor& Session::output(const std::string& node, const std::string& port) const {
  const at::Tensor& value = slots_[slot_of(node, port)].value;
  if (value.defined()) return value;
  const BuiltNode& n = nodes_[graph_->node(node)];
  at_node(n, doing(), [&] { throw Error(fmt::format("it did not give its output '{}'; the plugin is faulty ({})", port, n.plan->info->library)); });
  return value;
}

void Session::after_step() {
  const at::NoGradGuard no_gradient;
  followers_.move(position_);
  for (BuiltNode& n : nodes_) {
    if (n.own() == nullptr) continue;
    at_node(n, doing(), [&] {
      NodeStep step(*this, n, false);
      n.node->after_step(step);
      if (weights_due_) check_weights(n);
    });
  }
  weights_due_ = false;
  AtWork::now("after a step", position_.training ? position_.epoch : -1, batch_number_);
}

template <class F>
void Session::at_moment(std::int64_t epoch, const char* moment, F&& f) {
  const at::NoGradGuard no_gradient;
  std::map<std::size_t, at::Tensor> computed;
  for (BuiltNode& n : nodes_) {
    if (n.own() == nullptr || n.follows) continue;  // what a follower is, it has from the other
    at_node(n, moment, [&] {
      NodeWholeSet set(*this, n, epoch, computed);
      f(*n.node, set);
      check_weights(n);
    });
  }
}

void Session::begin_training() {
  copy_to_followers();  // who looks at their features before training finds weights there
  at_moment(0, "before training", [](Node& n, WholeSet& set) { n.begin_training(set); });
  copy_to_followers();
}

void Session::begin_epoch(std::int64_t epoch) {
  at_moment(epoch, "at the start of an epoch", [](Node& n, WholeSet& set) { n.begin_epoch(set); });
}

std::string Session::first_not_finite() const {
  for (const BuiltNode& n : nodes_)
    for (const auto& [port, slot] : n.outputs) {
      const at::Tensor& t = slots_[slot].value;
      if (t.defined() && t.is_floating_point() && !t.isfinite().all().item<bool>()) return fmt::format("{}, output '{}'", n.label(), port);
    }
  return {};
}

}  // namespace cdc
