#include "torch/graph_session.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "cdc/random.hpp"
#include "cdc/sampler.hpp"
#include "data/batch_pipeline.hpp"
#include "graph/planner.hpp"
#include "torch/autocast.hpp"
#include "torch/built_node.hpp"
#include "torch/followers.hpp"
#include "torch/load_tensors.hpp"
#include "torch/reports.hpp"

namespace cdc {
namespace {

class Session final : public GraphSession {
 public:
  Session(std::shared_ptr<const PlannedGraph> graph, const Registry& registry);

  void build(const SessionOptions& options) override;
  std::vector<NamedTensor> state() override;
  std::size_t load_state(const std::vector<NamedTensor>& saved, Names names) override;
  void begin_training() override;
  void begin_epoch(std::int64_t epoch) override;
  void start(std::vector<std::int64_t> order, std::int64_t batch_size, bool training, std::int64_t epoch, std::int64_t first) override;
  bool next() override;
  double waited() const override { return pipeline_ ? pipeline_->seconds_waited() : 0; }
  const at::Tensor& indices() const override { return indices_; }
  void forward(const Position& position) override;
  const at::Tensor& output(const std::string& node, const std::string& port) const override { return slots_[slot_of(node, port)].value; }
  void after_step() override;
  std::string first_not_finite() const override;
  std::vector<std::pair<std::string, double>> reports() override { return reports_.means(); }
  void clear_reports() override { reports_.clear(); }
  Value report_state() override { return reports_.state(); }
  void restore_reports(const Value& state) override { reports_.restore(state); }
  at::Tensor features(const std::string& node, const std::string& port, std::int64_t batch_size,
                      const std::function<void(std::int64_t, std::int64_t)>& progress) override {
    return features_of_slot(slot_of(node, port), batch_size, progress);
  }

 private:
  class NodeStep;
  class NodeWholeSet;

  std::size_t slot_of(const std::string& node, const std::string& port) const;
  std::size_t node_of_slot(std::size_t slot) const;
  const BuiltNode* sampler_of(const BuiltNode& augment) const;
  void set_training(bool on);
  void take_batch(const RenderedBatch& batch, const std::vector<std::size_t>& augments, bool training);
  void run_nodes(const std::vector<bool>* mask);
  at::Tensor features_of_slot(std::size_t slot, std::int64_t batch_size, const std::function<void(std::int64_t, std::int64_t)>& progress);
  static std::vector<NamedTensor> tensors_of(const BuiltNode& n);
  void copy_to_followers();
  template <class F>
  void at_moment(std::int64_t epoch, const char* moment, F&& f);
  std::string doing() const;

  std::shared_ptr<const PlannedGraph> graph_;
  std::vector<BuiltNode> nodes_;
  std::vector<OutputSlot> slots_;
  SessionOptions options_;
  bool built_ = false, training_ = false, gradient_ = false;
  std::unique_ptr<BatchPipeline> pipeline_;
  std::vector<std::size_t> all_augments_;
  at::Tensor indices_;
  std::int64_t batch_number_ = 0;
  Position position_;
  Reports reports_;
  Followers followers_;
};

/// The present batch as one node sees it.
class Session::NodeStep final : public Step {
 public:
  NodeStep(Session& session, BuiltNode& node) : session_(session), node_(node) {}
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
    for (const auto& [name, slot] : node_.outputs) {
      if (name != port) continue;
      session_.slots_[slot] = {std::move(value), {}};
      return;
    }
    throw Error(fmt::format("it gave an output '{}' that it does not declare", port));
  }

 private:
  Session& session_;
  BuiltNode& node_;
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

Session::Session(std::shared_ptr<const PlannedGraph> graph, const Registry& registry) : graph_(std::move(graph)) {
  std::map<std::pair<std::size_t, std::string>, std::size_t> where;
  std::vector<std::shared_ptr<Component>> components(graph_->nodes.size());
  for (std::size_t i = 0; i < components.size(); ++i)
    if (const PlannedNode& plan = graph_->nodes[i]; !plan.shares) components[i] = registry.create(*plan.info, plan.parameters);
  for (std::size_t i = 0; i < graph_->nodes.size(); ++i) {
    const PlannedNode& plan = graph_->nodes[i];
    BuiltNode n;
    n.plan = &plan;
    n.component = components[plan.shares.value_or(i)];
    n.shared = plan.shares.has_value();
    n.follows = plan.shares ? graph_->nodes[*plan.shares].follows : plan.follows;
    n.node = dynamic_cast<Node*>(n.component.get());
    n.augment = dynamic_cast<Augment*>(n.component.get());
    if (n.node == nullptr && n.augment == nullptr)
      throw Error(fmt::format("{} is neither a cdc::Node nor a cdc::Augment: rebuild its plugin", n.label()));
    n.needs.assign(graph_->nodes.size(), false);
    n.needs[i] = true;
    for (const Connection& c : plan.inputs) {
      auto& [port, slots] = n.inputs.emplace_back(c.port, std::vector<std::size_t>{});
      for (const Source& s : c.sources) {
        slots.push_back(where.at({s.index, s.port}));
        for (std::size_t k = 0; k < i; ++k) n.needs[k] = n.needs[k] || nodes_[s.index].needs[k];
      }
    }
    for (const PortInfo& p : plan.info->outputs) {
      where[{i, p.name}] = slots_.size();
      n.outputs.emplace_back(p.name, slots_.size());
      slots_.emplace_back();
    }
    if (n.augment != nullptr) all_augments_.push_back(i);
    nodes_.push_back(std::move(n));
  }
}

std::size_t Session::slot_of(const std::string& node, const std::string& port) const {
  const BuiltNode& n = nodes_[graph_->node(node)];
  for (const auto& [name, slot] : n.outputs)
    if (name == port) return slot;
  throw Error(fmt::format("{} has no output '{}'", n.label(), port));
}

std::size_t Session::node_of_slot(std::size_t slot) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    for (const auto& output : nodes_[i].outputs)
      if (output.second == slot) return i;
  throw Error("no such slot");
}

void Session::build(const SessionOptions& options) {
  if (built_) throw Error("a session is built once");
  built_ = true;
  options_ = options;
  if (options.threads > 0) at::set_num_threads(options.threads);
  const std::array<int, 2> image = options.data->image_size();
  std::vector<std::pair<std::string, std::int64_t>> known;
  for (const std::size_t i : all_augments_) {
    BuiltNode& n = nodes_[i];
    n.seed = seed_of(options.seed, n.plan->name);
    at_node(n, "making it", [&] { n.size = n.augment->output_size(image[0], image[1]); });
    if (n.size[0] <= 0 || n.size[1] <= 0)
      at_node(n, "making it", [] { throw Error("the images of this data set differ in size; set the node's parameter 'size'"); });
    known.emplace_back(n.plan->name + ".V", n.augment->views());
    known.emplace_back(n.plan->name + ".C", options.data->channels());
    known.emplace_back(n.plan->name + ".H", n.size[0]);
    known.emplace_back(n.plan->name + ".W", n.size[1]);
  }
  const auto sizes = resolve_sizes(*graph_, known);
  const c10::Device device(options.device);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    BuiltNode& n = nodes_[i];
    if (n.node == nullptr) continue;
    n.seed = seed_of(options.seed, n.plan->name);
    if (n.shared) continue;
    at_node(n, "making it", [&] {
      at::manual_seed(n.seed);
      n.node->build({sizes[i], n.plan->name, n.seed});
      if (!device.is_cpu()) n.node->move_to(device);
      for (const StateInfo& s : n.plan->info->states) {
        at::Tensor& tensor = s.tensor(*n.component);
        if (!tensor.defined()) throw Error(fmt::format("its build() left the state '{}' without a tensor", s.name));
        tensor = tensor.detach().to(device).requires_grad_(s.trainable && !n.follows);
      }
      if (n.follows && tensors_of(n).empty())
        throw Error(fmt::format("it follows '{}', which has no weights: give it a plugin of its own", graph_->nodes[n.follows->node].name));
    });
  }
  for (const BuiltNode& n : nodes_)
    if (n.own() != nullptr && n.follows) followers_.add(*n.follows, tensors_of(n), tensors_of(nodes_[n.follows->node]));
}

/// The tensors of a node, by their names within it. Those of a follower are nobody's to train.
std::vector<NamedTensor> Session::tensors_of(const BuiltNode& n) {
  std::vector<NamedTensor> all;
  for (const StateInfo& s : n.plan->info->states) {
    const at::Tensor& tensor = s.tensor(*n.component);
    all.push_back({s.name, tensor, s.trainable, tensor.dim() > 1});
  }
  for (NamedTensor& t : n.node->module_state()) all.push_back(std::move(t));
  if (n.follows)
    for (NamedTensor& t : all) t.trainable = false;
  return all;
}

/// Each follower's weights as those that they follow, buffers included.
void Session::copy_to_followers() {
  const at::NoGradGuard no_gradient;
  for (BuiltNode& n : nodes_) {
    if (n.own() == nullptr || !n.follows) continue;
    const std::vector<NamedTensor> to = tensors_of(n), from = tensors_of(nodes_[n.follows->node]);
    for (std::size_t i = 0; i < to.size(); ++i) to[i].tensor.copy_(from[i].tensor);
  }
}

std::vector<NamedTensor> Session::state() {
  std::vector<NamedTensor> all;
  for (BuiltNode& n : nodes_) {
    if (n.own() == nullptr) continue;
    for (NamedTensor& t : tensors_of(n)) {
      t.name = n.plan->name + "." + t.name;
      all.push_back(std::move(t));
    }
  }
  return all;
}

std::size_t Session::load_state(const std::vector<NamedTensor>& saved, Names names) {
  const at::NoGradGuard no_gradient;
  std::map<std::string, const at::Tensor*> theirs;
  for (const NamedTensor& t : saved) theirs[t.name] = &t.tensor;
  for (BuiltNode& n : nodes_)
    if (n.own() != nullptr)
      for (const StateInfo& s : n.plan->info->states) {
        if (s.trainable) continue;
        const auto found = theirs.find(n.plan->name + "." + s.name);
        if (found == theirs.end()) continue;
        at::Tensor& ours = s.tensor(*n.component);
        if (ours.sizes() != found->second->sizes()) ours = ours.new_empty(found->second->sizes(), found->second->scalar_type());
      }
  return load_tensors(state(), saved, names);
}

void Session::set_training(bool on) {
  for (BuiltNode& n : nodes_)
    if (n.node != nullptr) n.node->train(on);
}

std::string Session::doing() const {
  if (!position_.training) return fmt::format("batch {} of a pass over the whole set", batch_number_ + 1);
  return fmt::format("epoch {}, batch {}", position_.epoch + 1, batch_number_ + 1);
}

void Session::start(std::vector<std::int64_t> order, std::int64_t batch_size, bool training, std::int64_t epoch, std::int64_t first) {
  training_ = training;
  set_training(training);
  BatchRequest request;
  request.data = options_.data;
  for (const std::size_t i : all_augments_) {
    request.augments.push_back(nodes_[i].augment);
    request.sizes.push_back(nodes_[i].size);
    request.picks.emplace_back();
    if (const BuiltNode* sampler = sampler_of(nodes_[i]); sampler != nullptr && training)
      request.picks.back() = [sampler](std::int64_t at_epoch, std::int64_t sample) {
        std::int64_t picked = -1;
        at_node(*sampler, "picking a sample", [&] { picked = static_cast<const Sampler*>(sampler->node)->pick(sampler->seed, at_epoch, sample); });
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
    slots_[n.outputs[0].second] = {std::move(x), {}};
  }
}

void Session::run_nodes(const std::vector<bool>* mask) {
  gradient_ = at::GradMode::is_enabled();
  Autocast autocast(options_.bfloat16, options_.device != "cpu");
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    BuiltNode& n = nodes_[i];
    if (n.node == nullptr || (mask != nullptr && !(*mask)[i])) continue;
    const std::optional<at::NoGradGuard> no_gradient =
        n.plan->info->no_gradient || n.follows ? std::optional<at::NoGradGuard>(std::in_place) : std::optional<at::NoGradGuard>();
    autocast.enable(!n.plan->info->full_precision);
    try {
      NodeStep step(*this, n);
      n.node->forward(step);
    } catch (...) {
      at_node(n, doing(), [] { throw; });
    }
  }
}

void Session::forward(const Position& position) {
  position_ = position;
  run_nodes(nullptr);
}

void Session::after_step() {
  const at::NoGradGuard no_gradient;
  followers_.move(position_);
  for (BuiltNode& n : nodes_) {
    if (n.own() == nullptr) continue;
    at_node(n, doing(), [&] {
      NodeStep step(*this, n);
      n.node->after_step(step);
    });
  }
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

at::Tensor Session::features_of_slot(std::size_t slot, std::int64_t batch_size, const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const at::NoGradGuard no_gradient;
  const std::vector<bool>& mask = nodes_[node_of_slot(slot)].needs;
  BatchRequest request;
  request.data = options_.data;
  std::vector<std::size_t> augments;
  for (const std::size_t i : all_augments_) {
    if (!mask[i]) continue;
    augments.push_back(i);
    request.augments.push_back(nodes_[i].augment);
    request.sizes.push_back(nodes_[i].size);
  }
  request.order.resize(static_cast<std::size_t>(options_.data->size()));
  std::iota(request.order.begin(), request.order.end(), 0);
  request.batch_size = batch_size;
  request.seed = options_.seed;
  request.batches_in_flight = options_.batches_in_flight;
  set_training(false);
  position_ = {};
  const std::int64_t total = options_.data->size();
  std::int64_t done = 0;
  at::Tensor all;
  BatchPipeline pipeline(std::move(request));
  for (RenderedBatch batch; pipeline.next(batch);) {
    for (OutputSlot& s : slots_) s = {};
    take_batch(batch, augments, false);
    run_nodes(&mask);
    const at::Tensor rows = slots_[slot].value.detach()[0];  // the only view
    if (!all.defined()) {
      std::vector<std::int64_t> shape = rows.sizes().vec();
      shape[0] = total;
      all = at::empty(shape, at::kFloat);
    }
    all.narrow(0, done, rows.size(0)).copy_(rows);
    done += rows.size(0);
    if (progress) progress(done, total);
  }
  for (OutputSlot& s : slots_) s = {};
  return all;
}

std::string Session::first_not_finite() const {
  for (const BuiltNode& n : nodes_)
    for (const auto& [port, slot] : n.outputs) {
      const at::Tensor& t = slots_[slot].value;
      if (t.defined() && t.is_floating_point() && !t.isfinite().all().item<bool>()) return fmt::format("{}, output '{}'", n.label(), port);
    }
  return {};
}

}  // namespace

std::unique_ptr<GraphSession> make_graph_session(std::shared_ptr<const PlannedGraph> graph, const Registry& registry) {
  return std::make_unique<Session>(std::move(graph), registry);
}

}  // namespace cdc
