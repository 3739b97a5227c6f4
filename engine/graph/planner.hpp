#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "graph/plan.hpp"
#include "plugin/registry.hpp"

namespace cdc {

/// Reads a pipeline file and those that it extends, applies `key=value` overrides (dotted keys: `stage.train.epochs=5`), and checks everything that
/// can be checked without data: names, types, ranges, wiring, cycles, sizes, dead nodes. ConfigError with all that is wrong, at once.
CDC_API Plan plan_pipeline(const std::filesystem::path& file, const std::vector<std::string>& overrides, const Registry& registry);
/// The same with overrides that stand in another file, such as a sweep's.
CDC_API Plan plan_changed_pipeline(const std::filesystem::path& file, const std::vector<Override>& overrides, const Registry& registry);
/// The same of a text (tests, tools), which extends no file; `name` stands in messages as the file.
CDC_API Plan plan_text(const std::string& text, const std::string& name, const std::vector<std::string>& overrides, const Registry& registry);

/// The sizes of a graph once the data are open: `known` fixes sizes of ports by "node.symbol" (the augment nodes' B excluded). cdc::Error where they
/// do not fit together, naming nodes, ports and lines. Returns the sizes of each node, in the graph's order.
CDC_API std::vector<std::vector<std::pair<std::string, std::int64_t>>> resolve_sizes(const PlannedGraph& graph,
                                                                                     const std::vector<std::pair<std::string, std::int64_t>>& known);

}  // namespace cdc
