#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cdc/component.hpp"
#include "config/diagnostic.hpp"
#include "config/spec.hpp"

namespace cdc {

/// An output port: of which stage or node of the plan (its index there), and which.
struct Source {
  std::size_t index = 0;
  std::string port;
};

struct Connection {
  std::string port;             ///< the input
  std::vector<Source> sources;  ///< one, or more for a list
};

/// Weights that follow another node's: after each step w = m w + (1 - m) w_followed. m goes from `momentum` to `momentum_end` along half a cosine over
/// all steps of the training (BYOL, arXiv 2006.07733, section 3.2).
struct Following {
  std::size_t node = 0;
  double momentum = 0, momentum_end = 0;
};

/// A node of a checked graph.
struct PlannedNode {
  std::string name;
  const ComponentInfo* info = nullptr;
  Location where;                                   ///< of its table's header
  std::map<std::string, Location> parameter_where;  ///< of the parameters that the file or command line gives
  Value parameters;                                 ///< table, resolved: every parameter, defaults included; a component is a table with "plugin"
  std::vector<Connection> inputs;                   ///< those connected
  std::vector<std::pair<std::string, std::int64_t>> sizes;  ///< symbol -> size, 0 = not known at load
  std::optional<std::size_t> shares;                        ///< the node at work here too, weights and all; its info and parameters stand here
  std::optional<Following> follows;                         ///< the node whose weights its own follow; its info and parameters stand here
};

/// Nodes in an order in which each comes after what it reads (ties: order of the file).
struct PlannedGraph {
  std::string stage;  ///< the stage that states it
  std::vector<PlannedNode> nodes;
  CDC_API std::size_t node(const std::string& name) const;  ///< index; cdc::Error where there is none
};

struct PlannedStage {
  std::string name;
  const ComponentInfo* info = nullptr;
  Location where;
  std::map<std::string, Location> parameter_where;
  Value parameters;  ///< as of a node
  std::string prefix;  ///< of a stage that scores: stands before the names of what it scored; empty: nothing does
  std::vector<Connection> inputs;
  std::shared_ptr<const PlannedGraph> graph;  ///< its own or, for a stage that reads a model, see model_graphs
  std::vector<std::pair<std::string, std::shared_ptr<const PlannedGraph>>> model_graphs;  ///< input port of type model -> the graph that made it
  std::map<std::string, Source> ports;  ///< port parameters ("loss", "prediction", "node") -> node of the graph and its port
  std::vector<std::pair<std::string, std::int64_t>> sizes;
};

/// A pipeline that passed every check, in an order in which each stage comes after what it reads.
struct Plan {
  std::string name;
  std::uint64_t seed = 0;
  std::vector<PlannedStage> stages;
  std::string file;  ///< as given
  Value resolved;    ///< the whole file as resolved, for --print-config and the run directory
  Spec spec;         ///< what was resolved, with the place of each value
};

/// The name of a row of scores: the stage whose result was scored, behind the prefix that the stage which scored it has.
CDC_API std::string score_row(const std::string& prefix, const std::string& stage);

/// What the scores of a run of this plan are called, as far as plugins say so.
struct PlannedScores {
  std::vector<std::string> names;  ///< "kmeans.acc", in the plan's order; without labels some are not there
  std::vector<std::string> rows;   ///< "kmeans", all of them
  bool complete = true;            ///< false: some plugin does not state the names of its scores, and there may be more in any row
};
CDC_API PlannedScores planned_scores(const Plan& plan);

}  // namespace cdc
