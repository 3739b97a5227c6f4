#pragma once

#include <memory>

#include "cdc/session.hpp"
#include "graph/plan.hpp"
#include "plugin/registry.hpp"

namespace cdc {

/// The session behind StageContext::session(): see exec/runner.hpp.
CDC_API std::unique_ptr<GraphSession> make_graph_session(std::shared_ptr<const PlannedGraph> graph, const Registry& registry);

}  // namespace cdc
