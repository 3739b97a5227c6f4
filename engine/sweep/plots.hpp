#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sweep/chart.hpp"
#include "sweep/table.hpp"

namespace cdc {

/// Charts of a sweep by the names of their files (without ".svg"): each score of the table against each axis (and against the variants), mean and
/// standard deviation over seeds, a line for each combination of the rest. Where that makes more than 16 lines, the mean over the rest is drawn.
CDC_API std::vector<std::pair<std::string, Chart>> score_charts(const Sweep& sweep, const SweepTable& table);

/// What cells report epoch by epoch (metrics.jsonl): a chart a stage and quantity, a line a row of the table, mean and standard deviation over seeds.
/// Rows beyond the first 16 are left out. Speed and learning rates are not drawn.
CDC_API std::vector<std::pair<std::string, Chart>> curve_charts(const Sweep& sweep, const SweepTable& table, const std::vector<CellOutcome>& outcomes,
                                                                const SweepOptions& options);

/// What one run reported epoch by epoch: the same charts, of one line each.
CDC_API std::vector<Chart> run_curves(const std::filesystem::path& run);

/// Whether a file is called as a chart of the first two kinds is, with ".svg" behind its name.
CDC_API bool is_plot_file(const std::string& name);

}  // namespace cdc
