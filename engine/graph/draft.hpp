#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/spec.hpp"
#include "graph/plan.hpp"
#include "plugin/registry.hpp"

// How a file becomes a plan: drafts are filled step by step, and every step adds what is wrong to the same list and goes on, so that one run tells
// everything. A thing whose trouble is told already is left out of later steps, so that one slip makes one message.
namespace cdc::planning {

class Problems {
 public:
  std::vector<Diagnostic> all;
  void add(const Location& where, std::string message) { all.push_back({where, std::move(message)}); }
};

/// An input and what feeds it; `where` has the place of each source in the file.
struct Wire {
  std::string port;
  std::vector<Source> sources;
  std::vector<Location> where;
};

/// A stage or node as far as it is understood.
struct Draft {
  std::string name;
  Kind kind = Kind::node;
  std::string header;  ///< "stage.train.graph.head": its table's name
  const Spec* spec = nullptr;
  const ComponentInfo* info = nullptr;  ///< nullptr: no such plugin, told
  Value parameters = Value::table();    ///< resolved, those that are right
  std::map<std::string, Location> parameter_where;
  std::set<std::string> wrong;           ///< parameters whose trouble is told
  std::shared_ptr<Component> component;  ///< with the right parameters set; nullptr where it could not be made
  std::vector<Wire> wires;               ///< in order of the plugin's inputs
  std::set<std::string> wrong_inputs;    ///< inputs whose trouble is told
  std::vector<std::pair<std::string, std::int64_t>> sizes;
  std::map<std::string, std::string> size_origin;  ///< what fixed each size that is known
  std::optional<std::size_t> shares;               ///< index in the graph of the node whose plugin, parameters and weights it has
  std::optional<Following> follows;  ///< index in the graph of the node whose plugin and parameters it has, and whose weights it follows

  std::string title() const;  ///< "node 'head'"
  bool has_output(const PortInfo& port) const;
  /// The same, and also where a wrong parameter leaves it open.
  bool may_have_output(const PortInfo& port) const { return !wrong.empty() || has_output(port); }
  Location parameter_location(const std::string& parameter) const;
  const Wire* wire(const std::string& port) const;
};

struct GraphDraft {
  std::size_t owner = 0;  ///< index of the stage that states it
  std::vector<Draft> nodes;
  bool broken = false;          ///< something in its wiring is wrong and told: no word on what is dead or does not fit
  std::set<std::size_t> named;  ///< nodes that a stage's port parameter names
  std::vector<std::size_t> order;
  std::shared_ptr<PlannedGraph> planned;
};

struct StageDraft : Draft {
  std::optional<std::size_t> graph;                               ///< index among the graphs
  std::vector<std::pair<std::string, std::size_t>> model_graphs;  ///< input of type model -> index among the graphs
  std::map<std::string, Source> ports;                            ///< port parameters, index of the node in the draft's graph
  std::map<std::string, std::size_t> port_graph;                  ///< which graph each is of
  std::string prefix;                                             ///< of the rows of its scores; empty: none
};

struct PipelineDraft {
  std::string name;
  std::uint64_t seed = 0;
  std::vector<StageDraft> stages;
  std::vector<GraphDraft> graphs;
  std::vector<std::size_t> order;
  bool broken = false;
};

// parts.cpp: plugin, parameters, component of a stage or node.
/// Where a file names another plugin for `draft` than the file that it is laid onto, and `entry` of that one (at `path`, below the draft's table)
/// does not fit the new plugin: which file takes it out, and how. Empty where both stand in one file.
std::string removal_hint(const Draft& draft, const Spec& entry, const std::string& path);
/// "extends" and "remove" below a table's header: a hint, empty for any other key.
std::string misplaced_hint(const std::string& key);
void read_part(Draft& draft, const Registry& registry, Problems& problems);
/// Letters, digits, '_' and '-' alone: names become parts of file names and of "node.port".
bool is_name(const std::string& name);
void check_name(const Draft& draft, Problems& problems);

// scores.cpp: what the scores of a plan are called.
inline constexpr const char* kPrefix = "prefix";
/// A stage that scores, whose plugin has no parameter of that name itself.
bool takes_prefix(const ComponentInfo& info);
void read_prefix(StageDraft& stage, Problems& problems);
/// Two stages that give the same scores of the same thing.
void check_scores(const Plan& plan, Problems& problems);

// wiring.cpp
/// All stages of a pipeline or all nodes of a graph, whose names stay where they are as long as it lives. Made once for all that look something up in
/// it: pipelines may have thousands of stages.
struct Scope {
  Scope(std::vector<const Draft*> all, std::string of);
  std::vector<const Draft*> drafts;
  std::string place;                                          ///< "the pipeline", "the graph of stage 'train'"
  std::unordered_map<std::string_view, std::size_t> by_name;  ///< the first of each name
  std::vector<const Draft*> samplers;                         ///< those that give samples
};
/// What "name" or "name.port" means, of type `wanted` where one is given. `what` reads it, for the message: "input 'features' of node 'head'".
std::optional<Source> resolve_reference(const Scope& scope, const std::string& text, const Location& where, std::optional<PortType> wanted,
                                        const std::string& what, const Draft* reader, Problems& problems);
/// `in.PORT = ...` of one draft.
void read_wires(Draft& draft, const Scope& scope, Problems& problems);
/// An order in which each comes after what it reads (ties: order of the file); every cycle is told.
std::vector<std::size_t> sorted_by_wires(const std::vector<const Draft*>& drafts, Problems& problems);

// relatives.cpp: nodes that take plugin and parameters from another, by `shares` or `follows`.
bool takes_after_another(const Spec& node);
/// Fills `shares` or `follows` of such nodes, and all that they take from the other.
void read_relatives(GraphDraft& graph, const std::string& place, Problems& problems);

// stages.cpp: what stages and graphs have to do with each other.
void read_pipeline(PipelineDraft& draft, const Spec& spec, const std::string& default_name, const Registry& registry, Problems& problems);
void find_dead_nodes(PipelineDraft& draft, Problems& problems);

// size_check.cpp
void check_sizes(PipelineDraft& draft, Problems& problems);

}  // namespace cdc::planning
