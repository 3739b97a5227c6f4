#pragma once

#include <ios>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sweep/runner.hpp"

namespace cdc {

/// Reads what a sweep's cells report, epoch by epoch, whoever runs them, and says which are not worth going on with.
class CDC_API EpochWatch {
 public:
  /// `keys`: of the cells' runs, in their order. All three are referred to.
  EpochWatch(const Sweep& sweep, const std::vector<std::string>& keys, const SweepOptions& options);
  /// Why the cell should end, by what it has reported since it was last asked for; empty where it should go on.
  std::string reason_to_stop(std::size_t cell);

 private:
  struct Reported {
    std::streamoff read = 0;
    EpochValues values;
    std::size_t judged = 0;  ///< of the values, when reason_to_stop() was last asked for this cell
  };
  void read_on(std::size_t cell);

  const Sweep& sweep_;
  const std::vector<std::string>& keys_;
  const SweepOptions& options_;
  std::map<std::size_t, Reported> reported_;  ///< by cell
};

}  // namespace cdc
