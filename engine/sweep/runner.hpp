#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "plugin/registry.hpp"
#include "sweep/sweep_file.hpp"

namespace cdc {

struct SweepOptions {
  std::filesystem::path folder;  ///< of the sweep: its cells' run directories and its tables
  std::filesystem::path cache;
  std::filesystem::path program;               ///< cdc-run
  std::vector<std::filesystem::path> plugins;  ///< given to it with --plugin
  int jobs = 1;                                ///< cells side by side
  int threads = 1;                             ///< of each cell
  std::string device = "cpu";
  bool tensorboard = false;                 ///< RunOptions::tensorboard, of cells that are run
  const std::atomic<int>* stops = nullptr;  ///< how often it was asked to stop: once, cells save what they have; twice, they are killed
  std::string command_line;
  Value versions;  ///< table, for the records of cells without a process of their own
};

/// A cell as far as it can be known before it runs.
struct PlannedCell {
  std::string key;       ///< of the run: cells of equal keys are the same run
  std::string pipeline;  ///< as resolved, TOML
  std::string kind;      ///< of its plugins: cells of one kind report the same numbers
  struct Stage {
    std::string name, key;
    bool cached = false;  ///< its result is in the cache
  };
  std::vector<Stage> stages;  ///< those whose results are kept
};

/// Plans every cell: ConfigError with all that is wrong in any of them, each mistake once, at its place in the sweep or the pipeline.
CDC_API std::vector<PlannedCell> plan_sweep(const Sweep& sweep, const Registry& registry, const SweepOptions& options);

struct CellOutcome {
  enum class State {
    missing,  ///< not run yet, or stopped
    done,     ///< its summary is there
    failed,   ///< the last try ended with an error
    stopped   ///< early, by the sweep's rule
  };
  State state = State::missing;
  Value summary;        ///< summary.json, where done
  std::string message;  ///< where failed or stopped: why
};

/// What there is of the cells now; runs nothing.
CDC_API std::vector<CellOutcome> sweep_outcomes(const Sweep& sweep, const std::vector<PlannedCell>& cells, const SweepOptions& options);

/// Tells of those that are missing because their last try failed, in this call or another.
CDC_API void add_failures(const Sweep& sweep, const std::vector<PlannedCell>& cells, const SweepOptions& options, std::vector<CellOutcome>& outcomes);

/// Sees what happens. Called from the thread of run_sweep().
class CDC_API SweepObserver {
 public:
  virtual ~SweepObserver();
  virtual void begins(std::size_t cell) = 0;
  enum class How { ran, cached, elsewhere };  ///< in a process; all its results were in the cache; another sweep ran it meanwhile
  virtual void ends(std::size_t cell, const CellOutcome& outcome, How how, double seconds) = 0;
  virtual void stopping(std::size_t running) = 0;  ///< asked to; so many cells are still at work
};

/// Runs the cells that are missing or failed, each in a process of its own (one whose results are all in the cache needs none), `jobs` side by side.
/// A cell waits while another computes a result that it needs too. Any number of calls may be at work on one sweep; each cell is run by one of them.
/// Returns what there is at the end, or after a stop. cdc::Error where the folder cannot be written.
/// `outcomes`: as sweep_outcomes() gave them.
CDC_API std::vector<CellOutcome> run_sweep(const Sweep& sweep, const std::vector<PlannedCell>& cells, std::vector<CellOutcome> outcomes,
                                           const Registry& registry, const SweepOptions& options, SweepObserver& observer);

/// Makes the run of a cell whose results are all in the cache, without a process; null where something has to run. Call it under the cell's lock.
CDC_API Value cached_summary(const SweepCell& cell, const PlannedCell& planned, const Registry& registry, const SweepOptions& options);

/// Where a cell's run is: a run directory (engine/artifact/README.md).
CDC_API std::filesystem::path cell_folder(const SweepOptions& options, const SweepCell& cell);

}  // namespace cdc
