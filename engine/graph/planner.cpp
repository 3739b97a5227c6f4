#include "graph/planner.hpp"

#include <fmt/format.h>

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
    stages[stage.name] = std::move(table);
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
    stage.inputs = connections(from, place);
    if (from.graph) stage.graph = draft.graphs[*from.graph].planned;
    for (const auto& [input, graph] : from.model_graphs) stage.model_graphs.emplace_back(input, draft.graphs[graph].planned);
    for (const auto& [name, source] : from.ports)
      stage.ports[name] = {places(draft.graphs[from.port_graph.at(name)].order)[source.index], source.port};
    stage.sizes = from.sizes;
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

}  // namespace cdc
