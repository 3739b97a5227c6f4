// Sizes at load: between stages, in every graph, and of a graph with the data of each stage that uses it.
#include <fmt/format.h>

#include <algorithm>

#include "cdc/error.hpp"
#include "graph/draft.hpp"
#include "graph/planner.hpp"
#include "graph/sizes.hpp"

namespace cdc::planning {
namespace {

SizedPart sized(const Draft& draft, Problems& problems) {
  SizedPart part;
  part.title = draft.title();
  part.name = draft.name;
  part.info = draft.info;
  part.where = draft.spec->where;
  part.kin = draft.shares ? draft.shares : draft.follows ? std::optional(draft.follows->node) : std::nullopt;
  if (draft.info == nullptr) return part;
  for (const Wire& wire : draft.wires)
    for (std::size_t i = 0; i < wire.sources.size(); ++i) part.wires.push_back({draft.info->input(wire.port), wire.sources[i], wire.where[i]});
  for (const SizeInfo& size : draft.info->sizes) {
    // What a wrong parameter would have made of it is not known.
    if (draft.component == nullptr || (size.parameter.empty() ? !draft.wrong.empty() : draft.wrong.count(size.parameter) != 0)) continue;
    const Location where = size.parameter.empty() ? draft.spec->where : draft.parameter_location(size.parameter);
    std::int64_t value = 0;
    try {
      value = size.value(*draft.component);
    } catch (const std::exception& e) {
      problems.add(where, fmt::format("{} ('{}'): {}", draft.title(), draft.info->id, e.what()));
      continue;
    }
    if (value < 0) problems.add(where, fmt::format("size {} of {} is {}: a size is at least 1", size.symbol, draft.title(), value));
    if (value <= 0) continue;
    const std::string what = size.parameter.empty() ? draft.title() : fmt::format("'{}' of {}", size.parameter, draft.title());
    part.fixed.push_back({size.symbol, value, fmt::format("{}, {}", what, where.text())});
  }
  return part;
}

/// What the data of a stage fix of a graph's samples ports.
std::vector<KnownSize> data_sizes(const StageDraft& stage, const GraphDraft& graph) {
  std::vector<KnownSize> known;
  for (const PortInfo& input : stage.info->inputs) {
    const Wire* wire = input.type == PortType::dataset ? stage.wire(input.name) : nullptr;
    if (wire == nullptr) continue;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      if (graph.nodes[i].info == nullptr) continue;
      for (const PortInfo& port : graph.nodes[i].info->inputs) {
        if (port.type != PortType::samples) continue;
        // Samples are [B, C, h, w], a data set [N, C, H, W]: a batch is no data set, the rest is the same.
        for (std::size_t k = 1; k < std::min(port.sizes.size(), input.sizes.size()); ++k)
          for (const auto& [symbol, value] : stage.sizes)
            if (symbol == input.sizes[k])
              known.push_back(
                  {i, port.sizes[k], value, fmt::format("the data of {} ({})", stage.title(), stage.size_origin.at(symbol)), wire->where.front()});
      }
    }
    break;  // the first data set is the one that the graph's batches are made of
  }
  return known;
}

}  // namespace

void check_sizes(PipelineDraft& draft, Problems& problems) {
  std::vector<SizedPart> stages;
  for (const StageDraft& stage : draft.stages) stages.push_back(sized(stage, problems));
  SolvedSizes solved = solve_sizes(stages, {});
  for (Diagnostic& one : solved.problems) problems.all.push_back(std::move(one));
  for (std::size_t i = 0; i < draft.stages.size(); ++i) {
    draft.stages[i].sizes = std::move(solved.of[i]);
    draft.stages[i].size_origin = std::move(solved.origin[i]);
  }

  for (std::size_t g = 0; g < draft.graphs.size(); ++g) {
    GraphDraft& graph = draft.graphs[g];
    std::vector<SizedPart> nodes;
    for (const Draft& node : graph.nodes) nodes.push_back(sized(node, problems));
    const StageDraft& owner = draft.stages[graph.owner];
    SolvedSizes own = solve_sizes(nodes, owner.info == nullptr ? std::vector<KnownSize>() : data_sizes(owner, graph));
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) graph.nodes[i].sizes = std::move(own.of[i]);
    const bool fits = own.problems.empty();
    for (Diagnostic& one : own.problems) problems.all.push_back(std::move(one));
    if (!fits) continue;
    for (const StageDraft& stage : draft.stages) {
      const bool uses =
          stage.graph == g || std::any_of(stage.model_graphs.begin(), stage.model_graphs.end(), [&](const auto& one) { return one.second == g; });
      if (!uses || &stage == &owner || stage.info == nullptr) continue;
      for (Diagnostic& one : solve_sizes(nodes, data_sizes(stage, graph)).problems) problems.all.push_back(std::move(one));
    }
  }
}

}  // namespace cdc::planning

namespace cdc {

std::vector<std::vector<std::pair<std::string, std::int64_t>>> resolve_sizes(const PlannedGraph& graph,
                                                                             const std::vector<std::pair<std::string, std::int64_t>>& known) {
  std::vector<planning::SizedPart> parts;
  for (const PlannedNode& node : graph.nodes) {
    planning::SizedPart part;
    part.title = fmt::format("node '{}'", node.name);
    part.name = node.name;
    part.info = node.info;
    part.where = node.where;
    part.kin = node.shares ? node.shares : node.follows ? std::optional(node.follows->node) : std::nullopt;
    for (const SizeInfo& size : node.info->sizes) {
      // A parameter of 0 leaves the size to the data: what those of the file gave need not hold for these.
      const Value* parameter = size.parameter.empty() ? nullptr : node.parameters.find(size.parameter);
      if (parameter != nullptr && parameter->is_integer() && parameter->as_integer() == 0) continue;
      const auto planned = std::find_if(node.sizes.begin(), node.sizes.end(), [&](const auto& one) { return one.first == size.symbol; });
      if (planned == node.sizes.end() || planned->second == 0) continue;
      const auto at = node.parameter_where.find(size.parameter);
      part.fixed.push_back({size.symbol, planned->second,
                            fmt::format("{}{}, {}", size.parameter.empty() ? "" : fmt::format("'{}' of ", size.parameter), part.title,
                                        (at == node.parameter_where.end() ? node.where : at->second).text())});
    }
    for (const Connection& connection : node.inputs)
      for (const Source& source : connection.sources) part.wires.push_back({node.info->input(connection.port), source, node.where});
    parts.push_back(std::move(part));
  }
  std::vector<planning::KnownSize> outside;
  for (const auto& [name, value] : known) {
    const std::size_t dot = name.find('.');
    planning::KnownSize size;
    size.part = graph.node(name.substr(0, dot));
    size.symbol = dot == std::string::npos ? std::string() : name.substr(dot + 1);
    size.value = value;
    size.origin = "the data";
    size.where = graph.nodes[size.part].where;
    const auto& sizes = graph.nodes[size.part].sizes;
    if (std::none_of(sizes.begin(), sizes.end(), [&](const auto& one) { return one.first == size.symbol; }))
      throw Error(fmt::format("node '{}' has no size '{}'", graph.nodes[size.part].name, size.symbol));
    outside.push_back(std::move(size));
  }
  planning::SolvedSizes solved = planning::solve_sizes(parts, outside);
  if (!solved.problems.empty()) throw ConfigError(std::move(solved.problems));
  return std::move(solved.of);
}

}  // namespace cdc
