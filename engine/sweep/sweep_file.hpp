#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "cdc/value.hpp"
#include "config/spec.hpp"
#include "sweep/early_stop.hpp"

namespace cdc {

/// One run of a sweep: a pipeline with these changes.
struct SweepCell {
  std::string variant;                               ///< its name; empty where the sweep has no variants
  std::string title;                                 ///< of the variant, for tables
  std::vector<std::pair<std::string, Value>> point;  ///< key and value on each axis
  std::int64_t seed = -1;                            ///< -1: the pipeline's own
  std::filesystem::path pipeline;
  Location where, pipeline_where;  ///< in the sweep's file: of the variant, and of what names the pipeline
  std::vector<Override> changes;   ///< of [set], the variant, the axes and the seed, in this order: later ones win
  std::string id;                  ///< of pipeline and changes; a name for its folder that tells people which it is

  /// Cells that differ in nothing but the seed are a row of the table.
  friend bool same_row(const SweepCell& a, const SweepCell& b) { return a.variant == b.variant && a.point == b.point; }
};

/// Columns that a table has on demand.
struct SweepStatistics {
  bool interval = false;    ///< of the mean, 95 %
  bool difference = false;  ///< to the row of the highest mean, paired over common seeds
  /// By its name; false where there is none of it.
  CDC_API bool add(const std::string& name);
};
CDC_API const std::vector<std::string>& statistics_names();

/// What a sweep file asks for, every cell written out.
struct Sweep {
  std::string name;
  std::vector<std::string> axes;     ///< keys, in the order of the file
  std::vector<std::string> columns;  ///< scores for the table, "cdc.acc"; empty: ACC and NMI of everything scored
  std::vector<Location> column_where;
  SweepStatistics statistics;
  bool has_variants = false;
  EarlyStop stop;
  std::vector<SweepCell> cells;  ///< seeds vary fastest, then the last axis
};

/// Reads a sweep file (engine/sweep/README.md). ConfigError with everything wrong in it, at once. The pipelines are not looked at.
CDC_API Sweep read_sweep(const std::filesystem::path& file);
/// The same of a text; pipelines are looked for relative to `file`.
CDC_API Sweep read_sweep_text(const std::string& text, const std::filesystem::path& file);

/// The value as TOML and JSON have it, a string without quotes: for tables and names.
CDC_API std::string shown(const Value& value);

}  // namespace cdc
