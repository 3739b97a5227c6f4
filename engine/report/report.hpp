#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "plugin/registry.hpp"
#include "sweep/runner.hpp"

namespace cdc {

struct ReportOptions {
  std::filesystem::path cache;  ///< empty: the one that the run recorded
  std::string made_by;          ///< "cdc-report 0.1.0"
  std::string features;         ///< stage whose features are embedded; empty: those of the first clustering that has any
  std::int64_t points = 70000;  ///< samples shown at most, evenly spaced
  std::size_t gallery = 8;      ///< pictures in a row of a gallery
  std::int64_t thumbnail_bytes = 6 << 20, picture_bytes = 2 << 20;  ///< of JPEG, before base64
  std::function<void(const std::string&)> progress;                 ///< told what is done next; may be empty
};

/// The data of a run's page (README.md). What cannot be shown, because a result, the images or labels are not there any more, is said in its notes.
/// cdc::Error where the directory holds no run or one that has not ended, or `features` names no such stage; ConfigError where its plugins are not
/// there.
CDC_API Value run_report(const std::filesystem::path& run, const Registry& registry, const ReportOptions& options);

/// The same of a sweep, of what is done so far.
/// @param file the sweep's, as the user names it
CDC_API Value sweep_report(const std::filesystem::path& file, const Sweep& sweep, const std::vector<CellOutcome>& outcomes,
                           const SweepOptions& sweep_options, const ReportOptions& options);

}  // namespace cdc
