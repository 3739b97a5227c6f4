#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cdc/component.hpp"
#include "config/diagnostic.hpp"
#include "graph/plan.hpp"

namespace cdc::planning {

/// A component as the unification of sizes sees it.
struct SizedPart {
  std::string title;  ///< "node 'head'"
  std::string name;
  const ComponentInfo* info = nullptr;  ///< nullptr: unknown, has no sizes
  Location where;
  struct Fixed {
    std::string symbol;
    std::int64_t value = 0;
    std::string origin;  ///< "'clusters' of node 'head' (x.toml:33:1)"
  };
  std::vector<Fixed> fixed;
  struct Wire {
    const PortInfo* input = nullptr;
    Source source;
    Location where;
  };
  std::vector<Wire> wires;
  std::optional<std::size_t> kin;  ///< index of the part whose weights are these, or of the same sizes: all are alike but views, batch, height and width
};

/// A size known from outside (the data set), applied last.
struct KnownSize {
  std::size_t part = 0;
  std::string symbol;
  std::int64_t value = 0;
  std::string origin;  ///< "the data of stage 'train'"
  Location where;
};

struct SolvedSizes {
  std::vector<std::vector<std::pair<std::string, std::int64_t>>> of;  ///< each part's symbols with their sizes, 0 = not known
  std::vector<std::map<std::string, std::string>> origin;             ///< where each known size was fixed
  std::vector<Diagnostic> problems;
};

/// Unifies the sizes of connected ports (union-find over all symbols of all parts).
SolvedSizes solve_sizes(const std::vector<SizedPart>& parts, const std::vector<KnownSize>& known);

}  // namespace cdc::planning
