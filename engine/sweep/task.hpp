#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "sweep/runner.hpp"

namespace cdc {

/// What a batch system's tasks read: which cells a sweep had when they were submitted, and how each is run. A JSON file.
struct TaskPlan {
  Sweep sweep;           ///< name, rule of early stopping, and the cells' ids alone
  SweepOptions options;  ///< folder, cache, program, plugins, threads, device
  struct Cell {
    std::string key;       ///< of its run
    std::string kind;      ///< as PlannedCell has it
    std::string pipeline;  ///< hash of cells/ID.toml
  };
  std::vector<Cell> cells;  ///< as sweep.cells
  struct Job {
    std::string script;              ///< name of the file, beside the plan
    std::vector<std::string> tasks;  ///< ids, by the index in the job's array
  };
  std::vector<Job> jobs;
};

CDC_API TaskPlan make_task_plan(const Sweep& sweep, const std::vector<PlannedCell>& cells, const SweepOptions& options);
CDC_API void write_task_plan(const TaskPlan& plan, const std::filesystem::path& file);
/// cdc::Error naming the file where it is not there or no such plan.
CDC_API TaskPlan read_task_plan(const std::filesystem::path& file);

struct TaskEnd {
  enum class How {
    done,
    already,  ///< was done or stopped early before
    early,    ///< by the sweep's rule
    failed,
    stopped,    ///< was told to; a later task goes on
    elsewhere,  ///< another process runs the cell
    changed     ///< the sweep asks for another run of this id since
  };
  How how = How::failed;
  std::string message;  ///< why, where failed or early
  double seconds = 0;
};

/// Runs one cell as run_sweep() does: the same lock, program and files. Waits five seconds at most for another process at this cell: what holds a
/// cluster's cores must not only wait. `stops`: as SweepOptions has it. cdc::Error where the plan has no such cell, or a file cannot be written.
CDC_API TaskEnd run_task(const TaskPlan& plan, const std::string& id, const std::atomic<int>& stops);

}  // namespace cdc
