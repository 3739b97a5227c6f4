#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "graph/plan.hpp"

namespace cdc {

struct NamedTensor;

/// What one output port of one node holds for the present batch.
struct OutputSlot {
  at::Tensor value;
  at::Tensor float32;                                   ///< of a value in lower precision, made once for all the nodes that ask for full precision
  std::int64_t value_version = 0, float32_version = 0;  ///< as they were given: who writes into one of them raises its tensor's

  void take(at::Tensor given);
  void keep_versions();  ///< of what they are now
};

/// A batch as checks see it.
struct CheckedBatch {
  bool training = false, gradient = false;
  std::int64_t samples = 0;  ///< B
  c10::Device device = at::kCPU;
};

/// Ports of a built node and where they lie among the slots.
using PortSlots = std::vector<std::pair<std::string, std::vector<std::size_t>>>;

/// Holds one node of a graph to its word: what it declares of its outputs, and that its inputs stay as they are. Every message is a cdc::Error
/// without the node's name, which the caller adds.
class NodeCheck {
 public:
  NodeCheck() = default;
  /// @param sizes of the symbols of its ports with the data that are trained on; 0: not known
  NodeCheck(const PlannedNode& plan, const std::vector<std::pair<std::string, std::int64_t>>& sizes);

  /// Its own weights, which the optimizer will know: to be the same tensors as long as the session lives.
  void remember(const std::vector<NamedTensor>& tensors);
  void weights_are_the_same(const std::vector<NamedTensor>& tensors) const;

  /// What the forward pass left. A size that the graph's unification left open, such as a batch's, is the one that the inputs have.
  /// @param trains it has weights of its own to train
  /// @param loss it is a cdc::Loss
  void forward_is_sound(const PortSlots& inputs, const std::vector<std::pair<std::string, std::size_t>>& outputs, std::vector<OutputSlot>& slots,
                        const CheckedBatch& batch, bool trains, bool loss);

 private:
  /// A port's sizes: places among the symbols, or -1 - n for the number n.
  struct Port {
    const PortInfo* info = nullptr;
    std::vector<std::int64_t> sizes;
  };
  struct Weight {
    std::string name;
    const at::TensorImpl* tensor;
    std::vector<std::int64_t> sizes;
  };

  const Port* port(const std::vector<Port>& ports, const std::string& name) const;
  Port port_of(const PortInfo& info) const;
  void bind(const PortSlots& inputs, const std::vector<OutputSlot>& slots, const CheckedBatch& batch);
  void output_is_as_declared(const Port& port, const at::Tensor& given, const CheckedBatch& batch) const;
  std::string faulty() const;

  const ComponentInfo* info_ = nullptr;
  std::vector<std::string> symbols_;
  std::vector<std::int64_t> resolved_;  ///< [symbols]
  std::vector<std::int64_t> bound_;     ///< [symbols] in the present batch; 0: not known, -1: differs between connections
  std::vector<Port> inputs_, outputs_;
  std::vector<Weight> weights_;
};

}  // namespace cdc
