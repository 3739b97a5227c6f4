// The pipeline as a whole: its tables, stages, graphs, and what they have to do with each other.
#include <fmt/format.h>

#include <algorithm>

#include "config/suggest.hpp"
#include "graph/draft.hpp"
#include "plugin/parameter.hpp"

namespace cdc::planning {
namespace {

std::vector<const Draft*> pointers(const std::vector<StageDraft>& drafts) {
  std::vector<const Draft*> out;
  for (const StageDraft& one : drafts) out.push_back(&one);
  return out;
}

std::vector<const Draft*> pointers(const std::vector<Draft>& drafts) {
  std::vector<const Draft*> out;
  for (const Draft& one : drafts) out.push_back(&one);
  return out;
}

Scope scope_of(const PipelineDraft& draft, const GraphDraft& graph) {
  return {pointers(graph.nodes), fmt::format("the graph of stage '{}'", draft.stages[graph.owner].name)};
}

void read_settings(PipelineDraft& draft, const Spec& table, Problems& problems) {
  if (!table.is_table()) {
    problems.add(table.where, "'pipeline' must be a table: write [pipeline], and under it name = \"...\" and seed = ...");
    return;
  }
  for (const auto& [key, value] : table.table) {
    if (key == "name") {
      const std::string text = value.is_string() ? value.string() : value.typed;
      if (!value.is_string() && text.empty() && !value.is_told())
        problems.add(value.where, fmt::format("'name' must be a string, found {}: write it in quotes, name = \"...\"", shown_value(value.value())));
      else if (!is_name(text))
        problems.add(value.where, "'name' must be a string of letters, digits, '_' and '-' (at most 100 of them): it names the run directories");
      else
        draft.name = text;
    } else if (key == "seed") {
      if (value.type != Value::Type::integer || value.scalar.as_integer() < 0)
        problems.add(value.where, fmt::format("'seed' must be an integer from 0 to 2^63-1, found {}", shown_value(value.value())));
      else
        draft.seed = static_cast<std::uint64_t>(value.scalar.as_integer());
    } else {
      std::string hint = misplaced_hint(key);
      if (hint.empty()) hint = did_you_mean(key, {"name", "seed"});
      if (hint.empty()) hint = "; its keys are 'name' and 'seed'";
      problems.add(value.key_where, fmt::format("[pipeline] has no key '{}'{}", key, hint));
    }
  }
}

/// The table [stage.NAME.graph]: nodes, their parameters and wires.
void read_graph(PipelineDraft& draft, std::size_t owner, const Spec& table, const Registry& registry, Problems& problems) {
  GraphDraft graph;
  graph.owner = owner;
  for (const auto& [name, spec] : table.table) {
    const std::string header = fmt::format("{}.graph.{}", draft.stages[owner].header, name);
    if (!spec.is_table()) {
      problems.add(spec.key_where, fmt::format("'{}' is no node: a node is a table, [{}], with plugin = \"FAMILY.NAME\"", name, header));
      continue;
    }
    Draft& node = graph.nodes.emplace_back();
    node.name = name;
    node.kind = Kind::node;
    node.header = header;
    node.spec = &spec;
    check_name(node, problems);
    if (!takes_after_another(spec)) read_part(node, registry, problems);
  }
  if (table.table.empty())
    problems.add(table.where, fmt::format("the graph of stage '{}' has no nodes: add tables [{}.graph.NODE]", draft.stages[owner].name,
                                          draft.stages[owner].header));
  read_relatives(graph, scope_of(draft, graph).place, problems);
  for (const Draft& node : graph.nodes) graph.broken = graph.broken || node.info == nullptr;
  const std::size_t before = problems.all.size();
  const Scope scope = scope_of(draft, graph);
  for (Draft& node : graph.nodes) read_wires(node, scope, problems);
  graph.order = sorted_by_wires(pointers(graph.nodes), problems);
  graph.broken = graph.broken || problems.all.size() > before;
  draft.stages[owner].graph = draft.graphs.size();
  draft.graphs.push_back(std::move(graph));
}

/// `graph = "STAGE"`.
void share_graphs(PipelineDraft& draft, Problems& problems) {
  std::vector<std::string> with_graph;
  for (const StageDraft& stage : draft.stages)
    if (stage.graph) with_graph.push_back(stage.name);
  for (StageDraft& stage : draft.stages) {
    const Spec* given = stage.spec->find("graph");
    if (given == nullptr || !given->is_string() || stage.info == nullptr || !stage.info->has_graph) continue;
    const auto owner = std::find_if(draft.stages.begin(), draft.stages.end(), [&](const StageDraft& s) { return s.name == given->string(); });
    if (owner != draft.stages.end() && owner->graph && draft.graphs[*owner->graph].owner == static_cast<std::size_t>(owner - draft.stages.begin())) {
      stage.graph = owner->graph;
      continue;
    }
    draft.broken = true;
    std::string hint = did_you_mean(given->string(), with_graph);
    if (hint.empty()) hint = with_graph.empty() ? "; no stage has one" : fmt::format("; there is that of {}", quoted_list(with_graph));
    problems.add(given->where, fmt::format("graph = \"{}\" names no stage with a graph of its own{}", given->string(), hint));
  }
}

/// The input whose model brings the graph of this stage, so that it needs none of its own; nullptr where there is no such input. Connected or not.
const PortInfo* graph_input(const StageDraft& stage) {
  for (const ParameterInfo& p : stage.info->parameters)
    if (p.type == ParameterType::port && !p.graph_of.empty()) return stage.info->input(p.graph_of);
  return nullptr;
}

void read_graphs(PipelineDraft& draft, const Registry& registry, Problems& problems) {
  for (std::size_t i = 0; i < draft.stages.size(); ++i) {
    StageDraft& stage = draft.stages[i];
    const Spec* given = stage.spec->find("graph");
    if (stage.info == nullptr) {
      // Its plugin is not known, but its nodes are looked at all the same.
      if (given != nullptr && given->is_table()) {
        read_graph(draft, i, *given, registry, problems);
        draft.graphs.back().broken = true;
      }
      draft.broken = true;
      continue;
    }
    if (!stage.info->has_graph) {
      if (given != nullptr)
        problems.add(given->key_where, fmt::format("'{}' takes no graph of nodes: remove it from stage '{}'{}", stage.info->id, stage.name,
                                                   removal_hint(stage, *given, "graph")));
      continue;
    }
    if (given == nullptr) {
      const PortInfo* model = graph_input(stage);
      if (model != nullptr && (stage.wire(model->name) != nullptr || stage.wrong_inputs.count(model->name) != 0)) continue;
      problems.add(stage.spec->where,
                   fmt::format("{} ('{}') needs a graph of nodes: add tables [{}.graph.NODE], or take that of another stage, graph = \"STAGE\"{}",
                               stage.title(), stage.info->id, stage.header,
                               model == nullptr ? std::string() : fmt::format(", or that which made a model, in.{} = \"STAGE\"", model->name)));
      draft.broken = true;
    } else if (given->is_table()) {
      read_graph(draft, i, *given, registry, problems);
    } else if (!given->is_string()) {
      problems.add(given->where,
                   fmt::format("'graph' must be tables [{}.graph.NODE], or the name of another stage, graph = \"STAGE\"", stage.header));
      draft.broken = true;
    }
  }
  share_graphs(draft, problems);
}

/// Port parameters: which node of which graph they mean.
void read_ports(PipelineDraft& draft, Problems& problems) {
  for (StageDraft& stage : draft.stages) {
    if (stage.info == nullptr) continue;
    for (const PortInfo& input : stage.info->inputs) {
      const Wire* wire = input.type == PortType::model ? stage.wire(input.name) : nullptr;
      if (wire == nullptr) continue;
      for (const Source& source : wire->sources)
        if (const auto& graph = draft.stages[source.index].graph) stage.model_graphs.emplace_back(input.name, *graph);
    }
    for (const ParameterInfo& p : stage.info->parameters) {
      if (p.type == ParameterType::port && stage.wrong.count(p.name) != 0) draft.broken = true;
      const Value* given = p.type == ParameterType::port ? stage.parameters.find(p.name) : nullptr;
      if (given == nullptr || given->as_string().empty()) continue;
      const std::string text = given->as_string();
      const Spec* spec = stage.spec->find(p.name);
      const Location where = spec == nullptr ? stage.spec->where : spec->where;
      std::optional<std::size_t> graph = stage.graph;
      const Wire* wire = p.graph_of.empty() ? nullptr : stage.wire(p.graph_of);
      if (!p.graph_of.empty() && stage.wrong_inputs.count(p.graph_of) != 0) {
        draft.broken = true;
        continue;
      }
      if (!p.graph_of.empty() && wire == nullptr && !stage.info->has_graph)
        problems.add(where,
                     fmt::format("'{}' of {} names a node of the graph that made its input '{}', which is not connected: write in.{} = \"STAGE\"",
                                 p.name, stage.title(), p.graph_of, p.graph_of));
      if (wire != nullptr) {
        const StageDraft& maker = draft.stages[wire->sources.front().index];
        graph = maker.graph;
        if (!graph && maker.info != nullptr && !maker.info->has_graph)
          problems.add(where, fmt::format("'{}' of {} names a node of the graph that made its input '{}', but {} ('{}') has no graph", p.name,
                                          stage.title(), p.graph_of, maker.title(), maker.info->id));
      }
      if (!graph) {
        draft.broken = true;
        continue;
      }
      GraphDraft& target = draft.graphs[*graph];
      if (target.nodes.empty()) {
        draft.broken = true;
        continue;
      }
      std::optional<Source> source =
          resolve_reference(scope_of(draft, target), text, where, p.port_type, fmt::format("'{}' of {}", p.name, stage.title()), nullptr, problems);
      if (!source) {
        draft.broken = true;
        continue;
      }
      target.named.insert(source->index);
      stage.parameters[p.name] = target.nodes[source->index].name + "." + source->port;
      stage.port_graph[p.name] = *graph;
      stage.ports[p.name] = std::move(*source);
    }
  }
}

}  // namespace

void read_pipeline(PipelineDraft& draft, const Spec& spec, const std::string& default_name, const Registry& registry, Problems& problems) {
  draft.name = default_name;
  if (const Spec* sweep = spec.find("sweep"); sweep != nullptr && spec.find("stage") == nullptr) {
    problems.add(sweep->key_where, "this is a sweep, not a pipeline: cdc-sweep runs it");
    return;
  }
  for (const auto& [key, value] : spec.table) {
    if (key == "pipeline") {
      read_settings(draft, value, problems);
    } else if (key != "stage") {
      std::string hint = did_you_mean(key, {"pipeline", "stage", "extends", "remove"});
      problems.add(value.key_where, fmt::format("there is no table or key '{}' at the top of a pipeline file{}", key,
                                                hint.empty() ? "; there are [pipeline] and [stage.NAME]" : hint));
    }
  }
  const Spec* stages = spec.find("stage");
  if (stages == nullptr || !stages->is_table() || stages->table.empty()) {
    problems.add(stages == nullptr ? spec.where : stages->where,
                 "the pipeline has no stages: add tables [stage.NAME], each with plugin = \"FAMILY.NAME\"");
    return;
  }
  draft.stages.reserve(stages->table.size());
  for (const auto& [name, table] : stages->table) {
    if (!table.is_table()) {
      problems.add(table.key_where, fmt::format("'{}' is no stage: a stage is a table, [stage.{}], with plugin = \"FAMILY.NAME\"", name, name));
      continue;
    }
    StageDraft& stage = draft.stages.emplace_back();
    stage.name = name;
    stage.kind = Kind::stage;
    stage.header = "stage." + name;
    stage.spec = &table;
    check_name(stage, problems);
    read_part(stage, registry, problems);
    read_prefix(stage, problems);
  }
  const Scope scope{pointers(draft.stages), "the pipeline"};
  for (StageDraft& stage : draft.stages) read_wires(stage, scope, problems);
  draft.order = sorted_by_wires(pointers(draft.stages), problems);
  read_graphs(draft, registry, problems);
  read_ports(draft, problems);
}

void find_dead_nodes(PipelineDraft& draft, Problems& problems) {
  if (draft.broken) return;  // what names nothing real may have been meant for a node that looks dead
  for (const GraphDraft& graph : draft.graphs) {
    if (graph.broken) continue;
    if (draft.stages[graph.owner].ports.empty()) continue;  // it takes from its graph what it likes
    std::vector<std::size_t> alive(graph.named.begin(), graph.named.end());
    for (std::size_t i = 0; i < graph.nodes.size(); ++i)
      if (graph.nodes[i].info->outputs.empty()) alive.push_back(i);  // does its work by itself
    std::set<std::size_t> seen(alive.begin(), alive.end());
    const auto reach = [&](std::size_t i) {
      if (seen.insert(i).second) alive.push_back(i);
    };
    for (std::size_t head = 0; head < alive.size(); ++head) {
      const Draft& node = graph.nodes[alive[head]];
      for (const Wire& wire : node.wires)
        for (const Source& source : wire.sources) reach(source.index);
      if (node.shares) reach(*node.shares);  // whose weights it takes
      if (node.follows) reach(node.follows->node);
    }
    for (std::size_t i = 0; i < graph.nodes.size(); ++i)
      if (seen.count(i) == 0)
        problems.add(graph.nodes[i].spec->where, fmt::format("{} is dead: no output of it reaches a loss, a prediction or another port that a stage "
                                                             "names, and no node that does shares or follows "
                                                             "it. Connect it, or remove it",
                                                             graph.nodes[i].title()));
  }
}

}  // namespace cdc::planning
