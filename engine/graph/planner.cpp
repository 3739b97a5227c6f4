#include "graph/planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cdc/error.hpp"
#include "config/spec.hpp"
#include "graph/draft.hpp"

namespace cdc {
namespace {

using planning::Draft;
using planning::GraphDraft;
using planning::PipelineDraft;
using planning::StageDraft;

/// Where each draft stands in the plan.
std::vector<std::size_t> places(const std::vector<std::size_t>& order) {
  std::vector<std::size_t> out(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) out[order[i]] = i;
  return out;
}

std::vector<Connection> connections(const Draft& draft, const std::vector<std::size_t>& place) {
  std::vector<Connection> out;
  for (const planning::Wire& wire : draft.wires) {
    Connection& connection = out.emplace_back();
    connection.port = wire.port;
    for (const Source& source : wire.sources) connection.sources.push_back({place[source.index], source.port});
  }
  return out;
}

std::shared_ptr<PlannedGraph> planned(const GraphDraft& graph, const std::string& stage) {
  auto out = std::make_shared<PlannedGraph>();
  out->stage = stage;
  const std::vector<std::size_t> place = places(graph.order);
  for (const std::size_t i : graph.order) {
    const Draft& draft = graph.nodes[i];
    PlannedNode& node = out->nodes.emplace_back();
    node.name = draft.name;
    node.info = draft.info;
    node.where = draft.spec->where;
    node.parameter_where = draft.parameter_where;
    node.parameters = draft.parameters;
    node.inputs = connections(draft, place);
    node.sizes = draft.sizes;
    if (draft.shares) node.shares = place[*draft.shares];
    if (draft.follows) node.follows = {place[draft.follows->node], draft.follows->momentum, draft.follows->momentum_end};
  }
  return out;
}

/// The nodes of a graph that those at `named` need, and, `with_writers`, those without outputs, which do their work by themselves.
std::shared_ptr<const PlannedGraph> needed_part(const std::shared_ptr<const PlannedGraph>& whole, const std::set<std::size_t>& named,
                                                bool with_writers) {
  const std::vector<PlannedNode>& nodes = whole->nodes;
  std::set<std::size_t> needed;
  const auto need = [&](std::size_t i, const auto& self) -> void {
    if (!needed.insert(i).second) return;
    for (const Connection& c : nodes[i].inputs)
      for (const Source& source : c.sources) self(source.index, self);
    if (nodes[i].shares) self(*nodes[i].shares, self);
    if (nodes[i].follows) self(nodes[i].follows->node, self);
  };
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (named.count(i) != 0 || (with_writers && nodes[i].info->outputs.empty())) need(i, need);
  if (needed.size() == nodes.size()) return whole;
  std::vector<std::size_t> place(nodes.size());
  auto out = std::make_shared<PlannedGraph>();
  out->stage = whole->stage;
  for (const std::size_t i : needed) {
    place[i] = out->nodes.size();
    out->nodes.push_back(nodes[i]);
  }
  for (PlannedNode& node : out->nodes) {
    for (Connection& c : node.inputs)
      for (Source& source : c.sources) source.index = place[source.index];
    if (node.shares) node.shares = place[*node.shares];
    if (node.follows) node.follows->node = place[node.follows->node];
  }
  return out;
}

/// Leaves of the graphs of a stage what its ports name: what another stage that uses the same graph needs beyond that is neither run here nor part of
/// its key.
void keep_what_is_named(PlannedStage& stage) {
  const auto keep = [&](std::shared_ptr<const PlannedGraph>& graph, const std::string& model_input) {
    std::set<std::size_t> named;
    const auto of_this_graph = [&](const std::string& port) {
      const std::string& input = stage.info->parameter(port)->graph_of;
      const bool of_model = std::any_of(stage.model_graphs.begin(), stage.model_graphs.end(), [&](const auto& one) { return one.first == input; });
      return (of_model ? input : std::string()) == model_input;
    };
    for (const auto& [port, source] : stage.ports)
      if (of_this_graph(port)) named.insert(source.index);
    if (named.empty()) return;
    const auto part = needed_part(graph, named, graph->stage == stage.name);
    for (auto& [port, source] : stage.ports)
      if (of_this_graph(port)) source.index = part->node(graph->nodes[source.index].name);
    graph = part;
  };
  if (stage.graph) keep(stage.graph, "");
  for (auto& [input, graph] : stage.model_graphs) keep(graph, input);
}

/// A stage's or node's table with every parameter written out.
template <class Drafts>
Value resolved_part(const Draft& draft, const Drafts& all) {
  Value out = Value::table();
  if (draft.shares) {
    out["shares"] = all[*draft.shares].name;
  } else if (draft.follows) {
    out["follows"] = all[draft.follows->node].name;
    out["momentum"] = draft.follows->momentum;
    out["momentum_end"] = draft.follows->momentum_end;
  } else {
    out["plugin"] = draft.info->id;
  }
  Value in = Value::table();
  for (const planning::Wire& wire : draft.wires) {
    Value list = Value::array();
    for (const Source& source : wire.sources) list.push_back(all[source.index].name + "." + source.port);
    in[wire.port] = draft.info->input(wire.port)->list ? list : list.as_array().front();
  }
  if (!in.as_table().empty()) out["in"] = std::move(in);
  if (draft.shares || draft.follows) return out;
  for (const auto& [name, value] : draft.parameters.as_table()) out[name] = value;
  return out;
}

Value resolved(const PipelineDraft& draft) {
  Value out = Value::table();
  out["pipeline"]["name"] = draft.name;
  out["pipeline"]["seed"] = static_cast<std::int64_t>(draft.seed);
  Value stages = Value::table();
  for (std::size_t i = 0; i < draft.stages.size(); ++i) {
    const StageDraft& stage = draft.stages[i];
    Value table = resolved_part(stage, draft.stages);
    if (!stage.prefix.empty()) table[planning::kPrefix] = stage.prefix;
    if (stage.graph) {
      const GraphDraft& graph = draft.graphs[*stage.graph];
      if (graph.owner != i) {
        table["graph"] = draft.stages[graph.owner].name;
      } else {
        Value nodes = Value::table();
        for (const Draft& node : graph.nodes) nodes[node.name] = resolved_part(node, graph.nodes);
        table["graph"] = std::move(nodes);
      }
    }
    stages.as_table().emplace_back(stage.name, std::move(table));  // names differ: no need to look for one among thousands
  }
  out["stage"] = std::move(stages);
  return out;
}

Plan finished(PipelineDraft& draft, const std::string& file) {
  Plan plan;
  plan.name = draft.name;
  plan.seed = draft.seed;
  plan.file = file;
  plan.resolved = resolved(draft);
  for (GraphDraft& graph : draft.graphs) graph.planned = planned(graph, draft.stages[graph.owner].name);
  const std::vector<std::size_t> place = places(draft.order);
  for (const std::size_t i : draft.order) {
    const StageDraft& from = draft.stages[i];
    PlannedStage& stage = plan.stages.emplace_back();
    stage.name = from.name;
    stage.info = from.info;
    stage.where = from.spec->where;
    stage.parameter_where = from.parameter_where;
    stage.parameters = from.parameters;
    stage.prefix = from.prefix;
    stage.inputs = connections(from, place);
    if (from.graph) stage.graph = draft.graphs[*from.graph].planned;
    for (const auto& [input, graph] : from.model_graphs) stage.model_graphs.emplace_back(input, draft.graphs[graph].planned);
    for (const auto& [name, source] : from.ports)
      stage.ports[name] = {places(draft.graphs[from.port_graph.at(name)].order)[source.index], source.port};
    stage.sizes = from.sizes;
    keep_what_is_named(stage);
  }
  return plan;
}

std::string default_name(const std::string& file) {
  std::string name = std::filesystem::path(file).stem().string();
  for (char& c : name)
    if (!planning::is_name(std::string(1, c))) c = '_';
  return planning::is_name(name) ? name : "pipeline";
}

}  // namespace

std::size_t PlannedGraph::node(const std::string& name) const {
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].name == name) return i;
  throw Error(fmt::format("there is no node '{}' in the graph of stage '{}'", name, stage));
}

namespace {

Plan plan_spec(std::optional<Spec> spec, const std::string& file, const Registry& registry, planning::Problems& problems) {
  if (!spec) throw ConfigError(std::move(problems.all));
  PipelineDraft draft;
  planning::read_pipeline(draft, *spec, default_name(file), registry, problems);
  planning::check_sizes(draft, problems);
  planning::find_dead_nodes(draft, problems);
  if (!problems.all.empty()) throw ConfigError(std::move(problems.all));
  Plan plan = finished(draft, file);
  planning::check_scores(plan, problems);
  if (!problems.all.empty()) throw ConfigError(std::move(problems.all));
  plan.spec = std::move(*spec);
  return plan;
}

}  // namespace

Plan plan_text(const std::string& text, const std::string& name, const std::vector<std::string>& overrides, const Registry& registry) {
  planning::Problems problems;
  return plan_spec(read_spec(text, name, overrides, problems.all), name, registry, problems);
}

Plan plan_pipeline(const std::filesystem::path& file, const std::vector<std::string>& overrides, const Registry& registry) {
  planning::Problems problems;
  return plan_spec(read_spec_file(file, overrides, problems.all), file.string(), registry, problems);
}

Plan plan_changed_pipeline(const std::filesystem::path& file, const std::vector<Override>& overrides, const Registry& registry) {
  planning::Problems problems;
  return plan_spec(read_changed_file(file, overrides, problems.all), file.string(), registry, problems);
}

}  // namespace cdc
