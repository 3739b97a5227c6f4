#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/value.hpp"

namespace cdc {

// Numbers of a run's files go into tables and lists: a file that was damaged, or edited, must not pass for what the run wrote. run.json and
// summary.json have an entry "checksum": {"metrics.jsonl": of that file (in summary.json), "self": of all else in the file}. Those of runs before
// there were checksums have none, and are read as they are; where one of the two has one and the other has not, it was taken out.

/// The table with its checksum; `metrics`: hash_text() of metrics.jsonl, empty where there is none.
CDC_API Value with_checksum(Value table, const std::string& metrics = "");

/// run.json, or what is in it. cdc::Error naming the file and what to do where it is not there, or is damaged.
CDC_API Value read_run_record(const std::filesystem::path& run_directory);
/// summary.json; null where there is none: the run has not ended.
CDC_API Value read_run_summary(const std::filesystem::path& run_directory);
/// The lines of metrics.jsonl; none where it is not there. Of a run that has not ended they are taken as they are, a last line that is cut short left
/// out.
CDC_API std::vector<Value> read_run_metrics(const std::filesystem::path& run_directory);

/// The page that cdc-report writes into a run's folder, and whether a file is one.
inline constexpr const char* kReportPage = "report.html";
CDC_API bool is_report_page(const std::filesystem::path& file);

}  // namespace cdc
