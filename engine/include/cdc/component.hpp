#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/ports.hpp"
#include "cdc/value.hpp"

namespace at {
class Tensor;
}

namespace cdc {

/// What a plugin is used as: a stage of the pipeline, a node of a stage's graph, or a part that a stage or node takes as a parameter.
enum class Kind { stage, node, optimizer, schedule };
CDC_API const char* kind_name(Kind kind);

/// The base of everything that a pipeline file can name. Made cheaply: weights, files and threads come later (build(), run()).
class CDC_API Component {
 public:
  virtual ~Component();
  Component() = default;
  Component(const Component&) = delete;
  Component& operator=(const Component&) = delete;

  /// Checks what single ranges cannot (one parameter against another). Called after all parameters are set, at load.
  /// cdc::Error with a sentence for the user; the loader adds file, line and plugin.
  virtual void check() const {}

  /// Bases that give their components ports or parameters hide this.
  template <class S>
  static void describe_base(S&) {}
};

enum class ParameterType { boolean, integer, real, string, integers, reals, strings, component, port };
CDC_API const char* parameter_type_name(ParameterType type);

struct ParameterInfo {
  std::string name, doc;
  ParameterType type = ParameterType::string;
  Value default_value;                     ///< null for a required one and for a component
  bool required = false;
  std::optional<double> minimum, maximum;  ///< numbers, and each number of a list; both included
  std::vector<std::string> choices;        ///< strings, and each string of a list; empty: any
  std::optional<std::size_t> minimum_length, maximum_length;  ///< of lists
  Kind component_kind = Kind::optimizer;   ///< of a component: what kind it must be
  std::optional<PortType> port_type;       ///< of a port of the graph: its type where one is wanted
  std::string graph_of;                    ///< of a port: input whose model's graph is meant, where it is connected; else this stage's own graph
  bool affects_result = true;              ///< false: not part of the stage's key (log intervals, number of batches in flight)
  std::function<void(Component&, const Value&)> set;
  std::function<void(Component&, std::shared_ptr<Component>)> set_component;
};

struct PortInfo {
  std::string name, doc;
  PortType type = PortType::scalar;
  std::vector<std::string> sizes;
  bool optional = false, list = false;
  /// Of an output that depends on parameters: nullptr or true = there. `absent` says what to set, for the message.
  std::function<bool(const Component&)> present;
  std::string absent;
};

/// A size that a component fixes itself; 0 = not known before the data are open.
struct SizeInfo {
  std::string symbol;
  std::string parameter;  ///< the parameter that gives it, if one does: messages point at its line
  std::function<std::int64_t(const Component&)> value;
};

/// A tensor member that is part of a node's state.
struct StateInfo {
  std::string name;
  bool trainable = false;
  std::function<at::Tensor&(Component&)> tensor;
};

/// All that is known of a plugin: the one statement that feeds checking, defaults, cdc-inspect and the reference.
struct ComponentInfo {
  std::string id, summary, library;
  int version = 1;  ///< raised when the same parameters give another result: part of the stage's key
  Kind kind = Kind::node;
  std::vector<ParameterInfo> parameters;
  std::vector<PortInfo> inputs, outputs;
  std::vector<SizeInfo> sizes;
  std::vector<StateInfo> states;
  bool has_graph = false;        ///< stage: takes a graph of nodes, `[stage.NAME.graph.NODE]`, or another stage's by name, `graph = "NAME"`;
                                 ///< required unless one of its inputs of type Model is connected (then that model's graph serves)
  bool cached = true;            ///< stage: its outputs are kept in the cache
  bool seeded = true;            ///< stage: its result depends on the pipeline's seed, so that the seed is part of its key
  std::string scored;               ///< stage that scores: the input whose sources' results it scores, each under the name of its stage
  std::vector<std::string> scores;  ///< and the names of all numbers that it may give of each; empty where it does not say
  bool full_precision = false;   ///< node: gets float32 inputs and no autocast
  bool no_gradient = false;      ///< node: runs without autograd
  std::function<std::shared_ptr<Component>()> create;

  CDC_API const ParameterInfo* parameter(const std::string& name) const;
  CDC_API const PortInfo* input(const std::string& name) const;
  CDC_API const PortInfo* output(const std::string& name) const;
};

}  // namespace cdc
