// Nodes that take plugin and parameters from another node of their graph.
#include <fmt/format.h>

#include <algorithm>

#include "config/suggest.hpp"
#include "graph/draft.hpp"

namespace cdc::planning {
namespace {

constexpr const char *kShares = "shares", *kFollows = "follows", *kMomentum = "momentum", *kMomentumEnd = "momentum_end";
/// Of a momentum encoder where the file gives none: BYOL's at the start (arXiv 2006.07733, section 3.2).
constexpr double kDefaultMomentum = 0.996;

/// A number from 0 to 1 under `key`; `otherwise` where there is none, or a wrong one, which is told.
double share_under(const Draft& node, const char* key, double otherwise, Problems& problems) {
  const Spec* given = node.spec->find(key);
  if (given == nullptr || given->is_told()) return otherwise;
  const Value value = given->value();
  const bool number = value.is_integer() || value.is_real();
  const double share = value.is_integer() ? static_cast<double>(value.as_integer()) : number ? value.as_real() : -1;
  if (share >= 0 && share <= 1) return share;
  problems.add(given->where, fmt::format("'{}' of {} must be a number from 0 to 1, the share of a weight that stays at a step; found {}", key,
                                         node.title(), value.to_json()));
  return otherwise;
}

/// The node that `key` of `node` names; nullptr where there is none, told.
const Draft* target_of(const GraphDraft& graph, const Draft& node, const char* key, const std::string& place, Problems& problems) {
  const Spec& given = *node.spec->find(key);
  if (!given.is_string()) {
    if (!given.is_told())
      problems.add(given.where, fmt::format("'{}' of {} must be the name of a node, found {}", key, node.title(), given.value().to_json()));
    return nullptr;
  }
  const auto target = std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const Draft& one) { return one.name == given.string(); });
  if (target == graph.nodes.end() || &*target == &node) {
    std::vector<std::string> names;
    for (const Draft& one : graph.nodes)
      if (&one != &node && !takes_after_another(*one.spec)) names.push_back(one.name);
    std::string hint = did_you_mean(given.string(), names);
    if (hint.empty()) hint = names.empty() ? "; there is no other" : there_are(names);
    problems.add(given.where,
                 fmt::format("{} {} '{}', but there is no other node '{}' in {}{}", node.title(), key, given.string(), given.string(), place, hint));
    return nullptr;
  }
  // One may share a node that follows (its other place), not a node that is itself only another place; and one follows what is trained.
  for (const char* further_key : {kShares, kFollows}) {
    const Spec* further = target->spec->find(further_key);
    if (further == nullptr || (key == kShares && further_key == kFollows)) continue;
    problems.add(given.where, fmt::format("{} {} '{}', which {} a node itself: name that one{}", node.title(), key, given.string(), further_key,
                                          further->is_string() ? fmt::format(", {} = \"{}\"", key, further->string()) : std::string()));
    return nullptr;
  }
  return &*target;
}

void read_relative(GraphDraft& graph, Draft& node, const std::string& place, Problems& problems) {
  const bool shares = node.spec->find(kShares) != nullptr;
  if (const Spec* both = node.spec->find(kFollows); shares && both != nullptr) {
    problems.add(both->key_where,
                 fmt::format("{} either shares a node, weights and all, or has weights of its own that follow it: remove 'shares' or "
                             "'follows'",
                             node.title()));
    return;
  }
  const char* key = shares ? kShares : kFollows;
  const Draft* target = target_of(graph, node, key, place, problems);
  if (target == nullptr) return;
  for (const auto& [name, entry] : node.spec->table) {
    if (name == key || name == "in" || (!shares && (name == kMomentum || name == kMomentumEnd))) continue;
    problems.add(entry.key_where,
                 fmt::format("{} has the plugin and the parameters of '{}', which it {}: remove '{}'", node.title(), target->name, key, name));
  }
  if (target->info == nullptr) return;  // told
  const ComponentInfo& info = *target->info;
  const auto refuse = [&](const char* why) {
    problems.add(node.spec->find(key)->where, fmt::format("{} cannot {} '{}' ('{}'), which {}: give it a plugin of its own", node.title(),
                                                          shares ? "share" : "follow", target->name, info.id, why));
  };
  if (std::any_of(info.inputs.begin(), info.inputs.end(), [](const PortInfo& p) { return p.type == PortType::samples; }))
    return refuse("renders views and has no weights");
  if (shares && std::any_of(info.states.begin(), info.states.end(), [](const StateInfo& s) { return !s.trainable; }))
    return refuse("keeps a state from batch to batch");
  const auto index = static_cast<std::size_t>(target - graph.nodes.data());
  if (shares) {
    node.shares = index;
  } else {
    const double momentum = share_under(node, kMomentum, kDefaultMomentum, problems);
    node.follows = Following{index, momentum, share_under(node, kMomentumEnd, momentum, problems)};
  }
  node.info = target->info;
  node.parameters = target->parameters;
  node.parameter_where = target->parameter_where;
  node.wrong = target->wrong;
  node.component = target->component;
}

}  // namespace

bool takes_after_another(const Spec& node) { return node.find(kShares) != nullptr || node.find(kFollows) != nullptr; }

void read_relatives(GraphDraft& graph, const std::string& place, Problems& problems) {
  // Those that follow first: a node may share one.
  for (const char* key : {kFollows, kShares})
    for (Draft& node : graph.nodes)
      if (node.spec->find(key) != nullptr && !node.shares && !node.follows && (key == kShares || node.spec->find(kShares) == nullptr))
        read_relative(graph, node, place, problems);
}

}  // namespace cdc::planning
