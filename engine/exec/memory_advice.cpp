#include "exec/memory_advice.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace cdc {
namespace {

// Parameters by which a stage's, or a node's, memory grows.
constexpr const char* kOfStages[] = {"batch_size", "evaluation_batch_size", "batches_in_flight", "max_samples", "neighbors"};
constexpr const char* kOfNodes[] = {"size", "queue_size", "negatives"};

void add(const Value& parameters, const std::map<std::string, Location>& places, const char* name, const std::string& of,
         std::vector<std::string>& all) {
  const Value* value = parameters.find(name);
  if (value == nullptr || !value->is_integer() || value->as_integer() < 1) return;
  const auto place = places.find(name);
  all.push_back(fmt::format("{} = {}{} ({})", name, value->as_integer(), of, place == places.end() ? "its default" : place->second.text()));
}

}  // namespace

bool is_of_memory(const std::string& text) {
  static constexpr const char* kSaid[] = {"std::bad_alloc", "not enough memory",      "no memory for",         "can't allocate memory",
                                          "out of memory",  "Cannot allocate memory", "not enough GPU memory", "CUBLAS_STATUS_ALLOC_FAILED"};
  return std::any_of(std::begin(kSaid), std::end(kSaid), [&](const char* said) { return text.find(said) != std::string::npos; });
}

std::string memory_advice(const PlannedStage& stage) {
  std::vector<std::string> all;
  for (const char* name : kOfStages) add(stage.parameters, stage.parameter_where, name, "", all);
  std::vector<std::shared_ptr<const PlannedGraph>> graphs{stage.graph};
  for (const auto& [port, graph] : stage.model_graphs) graphs.push_back(graph);
  for (const auto& graph : graphs)
    if (graph)
      for (const PlannedNode& node : graph->nodes)
        if (!node.shares && !node.follows)
          for (const char* name : kOfNodes) add(node.parameters, node.parameter_where, name, fmt::format(" of node '{}'", node.name), all);
  if (all.empty()) return "; end what else uses memory, take fewer samples, or a machine with more";
  return fmt::format("; lower {}, or take a machine with more", fmt::join(all, ", or "));
}

}  // namespace cdc
