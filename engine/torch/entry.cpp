#include "exec/tensor_engine.hpp"
#include "torch/graph_session.hpp"

extern "C" CDC_API void cdc_tensor_engine(cdc::TensorEngine& engine) {
  engine.sessions = &cdc::make_graph_session;
  engine.check_device = &cdc::check_device;
  engine.version = &cdc::torch_version;
}
