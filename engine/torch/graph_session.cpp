// The session as it is made, saved and loaded; session_batches.cpp has what it does with batches, session_passes.cpp its passes over the whole set.
#include "torch/graph_session.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <map>

#include "cdc/loss.hpp"
#include "graph/planner.hpp"
#include "torch/load_tensors.hpp"
#include "torch/session.hpp"

namespace cdc {

Session::Session(std::shared_ptr<const PlannedGraph> graph, const Registry& registry, bool detect_anomaly)
    : graph_(std::move(graph)), detect_anomaly_(detect_anomaly) {
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
    n.loss = dynamic_cast<Loss*>(n.component.get()) != nullptr;
    n.who = fmt::format("node '{}' ({} of {}{}{})", plan.name, plan.info->id, plan.info->library, plan.where.file.empty() ? "" : ", ",
                        plan.where.file.empty() ? "" : plan.where.text());
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

Session::~Session() {
  pipeline_.reset();
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    const AtWork work(nodes_[i].who.c_str(), "destroying it");
    nodes_[i].component.reset();
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

std::vector<std::string> Session::nodes_behind(const std::string& node) const {
  const std::vector<bool>& needs = nodes_[graph_->node(node)].needs;
  std::vector<bool> found = needs;
  for (std::size_t i = 0; i < needs.size(); ++i) {
    if (!needs[i]) continue;
    if (nodes_[i].shared) found[*nodes_[i].plan->shares] = true;
    if (nodes_[i].follows) found[nodes_[i].follows->node] = true;
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i] && nodes_[i].own() != nullptr) names.push_back(nodes_[i].plan->name);
  return names;
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
      at_node(n, "making it", [] { throw Error("the images of this data set may differ in size; set the node's parameter 'size'"); });
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
    n.check = NodeCheck(*n.plan, sizes[i]);
    if (n.shared) {
      n.trains = nodes_[*n.plan->shares].trains;
      continue;
    }
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
      const std::vector<NamedTensor> tensors = tensors_of(n);
      n.check.remember(tensors);
      n.trains = std::any_of(tensors.begin(), tensors.end(), [](const NamedTensor& t) { return t.trainable; });
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

void Session::check_weights(const BuiltNode& n) { n.check.weights_are_the_same(tensors_of(n)); }

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
    at_node(n, "since it was made", [&] { check_weights(n); });
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

std::unique_ptr<GraphSession> make_graph_session(std::shared_ptr<const PlannedGraph> graph, const Registry& registry, bool detect_anomaly) {
  return std::make_unique<Session>(std::move(graph), registry, detect_anomaly);
}

}  // namespace cdc
