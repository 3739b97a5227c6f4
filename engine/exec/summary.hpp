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
  bool cached = false;                     ///< its result was there when the run was first started
  double seconds = 0;                      ///< that computing the result took, whenever that was
  Value told;                              ///< table: what the stage itself put there
  std::vector<std::string> warnings = {};  ///< about the result
};

/// The scores that a stage gave, by the stage whose result was scored.
struct StageScores {
  std::string stage, prefix;  ///< PlannedStage::prefix
  Value values;
};

/// One table by row (score_row()). Several stages may score one thing: its scores are then in one row, whose "protocol" is the first one's and has
/// those of the others, with the names of their scores, in a table "also" by stage. A score that is there already, which plans refuse where plugins
/// state their scores, goes into a row "STAGE.ROW", and `clashes` says so.
CDC_API Value gather_scores(const std::vector<StageScores>& of_stages, std::vector<std::string>* clashes = nullptr);

/// summary.json, as summary.schema.json describes it. Only "seconds", "started" and "finished" (and the checksum) differ between a run and the same run killed and
/// continued.
CDC_API Value make_summary(const std::string& pipeline, std::uint64_t seed, const std::vector<StageSummary>& stages, const Value& scores,
                           const std::string& started, const std::string& finished, double seconds);

}  // namespace cdc
