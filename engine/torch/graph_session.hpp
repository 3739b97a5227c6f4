#pragma once

#include <memory>
#include <string>

#include "cdc/session.hpp"
#include "graph/plan.hpp"
#include "plugin/registry.hpp"

namespace cdc {

/// The session behind StageContext::session(): see exec/runner.hpp.
/// @param detect_anomaly follows backward passes, which takes time: the first function that gives nan is told with the node that made it
CDC_API std::unique_ptr<GraphSession> make_graph_session(std::shared_ptr<const PlannedGraph> graph, const Registry& registry,
                                                         bool detect_anomaly = false);

/// The device as LibTorch calls it ("cpu", "cuda:0"); cdc::Error naming what there is where this LibTorch or machine has no such device.
CDC_API std::string check_device(const std::string& device);

/// "1.13.0": the LibTorch that runs.
CDC_API std::string torch_version();

}  // namespace cdc
