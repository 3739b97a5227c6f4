#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cdc/component.hpp"
#include "cdc/plugin.hpp"

namespace cdc {

/// Sizes and seed with which a node makes its parameters.
struct CDC_API BuildContext {
  /// The size of a symbol of this node's ports, as unified over the whole graph. cdc::Error where it is not known.
  std::int64_t size(std::string_view symbol) const;
  std::vector<std::pair<std::string, std::int64_t>> sizes;
  std::string name;        ///< the node's name in the file
  std::uint64_t seed = 0;  ///< of this node; LibTorch's default generator is seeded with it while build() runs
};

/// One batch on its way through the graph, as one node sees it. Valid during forward() only.
class CDC_API Step {
 public:
  virtual ~Step();
  template <class T>
  const at::Tensor& in(const In<T>& port) const {
    return input(port.name, 0);
  }
  template <class T>
  std::vector<at::Tensor> list(const In<T>& port) const {
    std::vector<at::Tensor> all;
    for (std::size_t i = 0; i < connections(port.name); ++i) all.push_back(input(port.name, i));
    return all;
  }
  /// Whether an optional input is connected.
  template <class T>
  bool has(const In<T>& port) const {
    return connections(port.name) > 0;
  }
  template <class T>
  void out(const Out<T>& port, at::Tensor value) {
    output(port.name, std::move(value));
  }
  virtual bool training() const = 0;
  virtual std::int64_t epoch() const = 0;            ///< from 0
  virtual std::int64_t step() const = 0;             ///< from 0, over all epochs
  virtual std::int64_t steps_per_epoch() const = 0;
  virtual std::int64_t epochs() const = 0;
  virtual const at::Tensor& indices() const = 0;     ///< [B] int64, CPU: which samples of the data set these are
  /// A generator (of the CPU: draw there, then move) of this node, seeded anew for each step from (seed, node, step): nothing of it needs to be kept in a checkpoint.
  virtual at::Generator generator() = 0;
  /// A number for the log: its mean over the epoch is reported as NODE.name. The tensor is a scalar; it is detached and read later.
  virtual void report(const char* name, const at::Tensor& value) = 0;
  /// Says that no sample of this batch counts in what the node gives, and why, with the parameter at fault: "no probability is above threshold = 0.99".
  /// A loss in which nothing counts says so and gives a constant: where the stage's loss then has no gradient, the step changes no weights. After an
  /// epoch of nothing else training stops with these reasons.
  virtual void nothing_counts(const std::string& why) = 0;

 protected:
  virtual const at::Tensor& input(std::string_view port, std::size_t i) const = 0;
  virtual std::size_t connections(std::string_view port) const = 0;
  virtual void output(std::string_view port, at::Tensor value) = 0;
};

/// The data set as a whole, before training or at an epoch's start.
class CDC_API WholeSet {
 public:
  virtual ~WholeSet();
  virtual std::int64_t size() const = 0;   ///< N
  virtual std::int64_t epoch() const = 0;  ///< the epoch that begins; 0 before training
  virtual std::uint64_t seed() const = 0;  ///< of this node at this moment
  /// What the port is connected to, for every sample: [N, ...] float32 on the CPU, of the plain view, in evaluation mode. Computed once a
  /// moment, however many nodes ask.
  template <class T>
  at::Tensor features(const In<T>& port) {
    return features_of(port.name);
  }

 protected:
  virtual at::Tensor features_of(std::string_view port) = 0;
};

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
  bool trainable = false;
  bool decay = true;  ///< weight decay applies (not to biases and normalisation layers)
};

/// A node of a stage's graph: tensors in, tensors out, batch by batch. Its five moments are the engine's whole knowledge of a method.
/// One thread at a time calls a node.
class CDC_API Node : public Component {
 public:
  static constexpr Kind kKind = Kind::node;
  ~Node() override;

  /// Makes parameters and buffers, once, when sizes are known.
  virtual void build(const BuildContext&) {}
  /// Once before the first step, with features of the whole set to be had (k-means initialisation, nearest neighbours).
  virtual void begin_training(WholeSet&) {}
  /// Before each epoch, the first too (pseudo-labels, prototypes).
  virtual void begin_epoch(WholeSet&) {}
  /// A batch, training or not.
  virtual void forward(Step&) = 0;
  /// After the optimiser's step, without autograd.
  virtual void after_step(Step&) {}

  /// Tensors beyond those stated by Schema::state and Schema::parameter_state (modules override it). Shared, not copied.
  virtual std::vector<NamedTensor> module_state() { return {}; }
  virtual void move_to(c10::Device) {}
  virtual void train(bool /*on*/) {}
  /// Batch normalization, in evaluation mode: from here to end_statistics() forward() replaces a layer's running statistics by the mean over its batches,
  /// where updates, as many as the layer itself counts (`steps` where it counts none), leave more than `share` of what they were before, (1 -
  /// momentum)^updates > share; every layer's where `share` is below 0. Returns how many layers that are.
  virtual int begin_statistics(std::int64_t /*steps*/, double /*share*/) { return 0; }
  virtual void end_statistics() {}
};

}  // namespace cdc
