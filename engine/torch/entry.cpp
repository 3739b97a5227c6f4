#include "exec/tensor_engine.hpp"
#include "torch/anomaly.hpp"
#include "torch/graph_session.hpp"

extern "C" CDC_API void cdc_tensor_engine(cdc::TensorEngine& engine) {
  engine.sessions = [](std::shared_ptr<const cdc::PlannedGraph> graph, const cdc::Registry& registry) {
    return cdc::make_graph_session(std::move(graph), registry);
  };
  engine.anomaly_sessions = [](std::shared_ptr<const cdc::PlannedGraph> graph, const cdc::Registry& registry) {
    return cdc::make_graph_session(std::move(graph), registry, true);
  };
  engine.last_backward = &cdc::last_backward;
  engine.check_device = &cdc::check_device;
  engine.version = &cdc::torch_version;
}
