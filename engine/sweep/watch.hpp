#pragma once

#include <ios>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sweep/runner.hpp"

namespace cdc {

/// Reads what a sweep's cells report, epoch by epoch, whoever runs them, and says which are not worth going on with.
class CDC_API EpochWatch {
 public:
  /// Of a cell's run, in the order of the sweep's cells.
  struct Run {
    std::string key, kind;  ///< as PlannedCell has them
  };
  /// All three are referred to.
  EpochWatch(const Sweep& sweep, const std::vector<Run>& runs, const SweepOptions& options);
  /// Why the cell should end, by what it has reported since it was last asked for; empty where it should go on.
  std::string reason_to_stop(std::size_t cell);
  /// Takes note of a cell whose run has ended, or had before: a number that it did not report by now, it reports never.
  void ended(std::size_t cell);
  /// ConfigError where no run reports the number that the rule is about: of each kind of runs one has ended, or come to epoch `grace`, without it.
  /// Such a rule would stop nothing, and say nothing.
  void check_score() const;

 private:
  struct Reported {
    std::streamoff read = 0;
    EpochValues values;
    std::size_t judged = 0;  ///< of the values, when reason_to_stop() was last asked for this cell
  };
  void read_on(std::size_t cell);
  void note(std::size_t cell, const Value& line);

  const Sweep& sweep_;
  const std::vector<Run>& runs_;
  const SweepOptions& options_;
  bool score_known_ = false;                  ///< some run has reported it
  std::set<std::string> names_;               ///< of all numbers that the stage reports with epochs
  std::set<std::string> kinds_, lacking_;     ///< of all runs; of those that had not reported the score by epoch `grace`
  std::map<std::size_t, Reported> reported_;  ///< by cell
};

}  // namespace cdc
