#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sweep/runner.hpp"

namespace cdc {

// The files of a sweep's cells, beside their run directories. `key`: of the run, as planned; what is of another is of an earlier form of the cell.

/// cells/ID and an ending: ".toml", ".lock", ".out", ".err".
std::filesystem::path beside(const SweepOptions& options, const SweepCell& cell, const char* ending);
/// Whether the cell's run directory is of this key.
bool is_of(const std::filesystem::path& folder, const std::string& key);
/// The summary of the cell's run, null where there is none of this key.
Value summary_of(const SweepOptions& options, const SweepCell& cell, const std::string& key);
/// What there is of a cell without running it: done, stopped early or missing.
CellOutcome outcome_of(const Sweep& sweep, std::size_t cell, const std::string& key, const SweepOptions& options);
/// What cdc-run is called with, itself first; it reads cells/ID.toml.
std::vector<std::string> cell_command(const SweepOptions& options, const SweepCell& cell);

/// How a cell's process ended, judged by its exit code and files, which say so from now on: what it printed is removed where it is done, why it
/// failed is in cells/ID.failed.json. Call it under the cell's lock. `why_stopped`: the sweep's rule asked it to stop, and why; `told`: somebody did.
/// Missing where it stopped because it was told to.
CellOutcome end_of_process(const SweepOptions& options, const SweepCell& cell, const std::string& key, int code, const std::string& why_stopped,
                           bool told);
/// Why its last try failed; empty where it did not.
std::string failure_of(const SweepOptions& options, const SweepCell& cell, const std::string& key);
/// Of an earlier try, before the next.
void forget_failure(const SweepOptions& options, const SweepCell& cell);

}  // namespace cdc
