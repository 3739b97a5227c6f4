#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sweep/runner.hpp"

namespace cdc {

struct SlurmOptions {
  std::vector<std::string> options;  ///< for sbatch, each a line of the batch scripts
  int at_once = 0;                   ///< tasks side by side; 0: as many as Slurm lets run
  std::filesystem::path program;     ///< cdc-sweep, which the tasks call
};

/// What is wrong with options for sbatch, as a sentence; empty where nothing is that can be seen from here.
CDC_API std::string problem_with(const std::vector<std::string>& sbatch_options);

/// A task of a sweep's jobs that waits in Slurm's queue or is at work.
struct SlurmTask {
  std::string job;      ///< "4711"
  std::string id, key;  ///< of the cell, as planned when it was submitted
  bool running = false;
};

/// The sweep's tasks of this user: those whose batch script is in FOLDER/slurm, whoever submitted it. cdc::Error with what squeue said where it
/// failed.
CDC_API std::vector<SlurmTask> slurm_tasks(const SweepOptions& options);

/// Which cells may be at work at the same time without one waiting for what another computes: of those in `which`, in the order of rounds. A result
/// that is missing is computed in one cell of a round; the cells that need it too come in later ones. `now`: cells that are queued already; what they
/// compute is needed by none of the first round, which may be empty.
CDC_API std::vector<std::vector<std::size_t>> sweep_rounds(const std::vector<PlannedCell>& cells, const std::vector<std::size_t>& which,
                                                           const std::vector<std::size_t>& now);

struct SlurmSubmission {
  struct Job {
    std::string id;
    std::filesystem::path script;
    std::size_t tasks = 0;
    std::vector<std::string> after;  ///< jobs that end before it begins: its tasks need results that those compute
  };
  std::vector<Job> jobs;
  std::vector<std::pair<std::string, std::size_t>> queued;  ///< jobs, and how many of the cells wait or run in them already
  std::size_t elsewhere = 0;                                ///< cells that another process runs
};

/// Submits a task for each of the cells that are missing or failed, and neither queued nor at work: a job array a round, each after those of the
/// rounds before. Cells whose results are all in the cache are made at once (`outcomes` says so). FOLDER/slurm keeps the batch scripts and the plan
/// that they name. cdc::Error where another call submits the same sweep, where sbatch or squeue are missing, or with what they said.
CDC_API SlurmSubmission submit_to_slurm(const Sweep& sweep, const std::vector<PlannedCell>& cells, std::vector<CellOutcome>& outcomes,
                                        const Registry& registry, const SweepOptions& options, const SlurmOptions& slurm, SweepObserver& observer);

/// Waits until no cell is missing, none of the sweep's tasks is queued or at work, or SweepOptions::stops says so. Returns what there is then.
CDC_API std::vector<CellOutcome> wait_for_slurm(const Sweep& sweep, const std::vector<PlannedCell>& cells, std::vector<CellOutcome> outcomes,
                                                const SweepOptions& options, SweepObserver& observer);

}  // namespace cdc
