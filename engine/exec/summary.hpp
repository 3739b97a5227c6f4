#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/value.hpp"

namespace cdc {

/// A stage's part of summary.json.
struct StageSummary {
  std::string name, plugin, key;
  bool cached = false;  ///< its result was there when the run was first started
  double seconds = 0;   ///< that computing the result took, whenever that was
  Value told;           ///< table: what the stage itself put there
};

/// Scores by the stage that gave them -> one table by what was scored: where two stages scored the same, "STAGE.NAME".
CDC_API Value gather_scores(const std::vector<std::pair<std::string, Value>>& of_stages);

/// summary.json, as summary.schema.json describes it. Only "seconds", "started" and "finished" differ between a run and the same run killed and
/// continued.
CDC_API Value make_summary(const std::string& pipeline, std::uint64_t seed, const std::vector<StageSummary>& stages, const Value& scores,
                           const std::string& started, const std::string& finished, double seconds);

}  // namespace cdc
