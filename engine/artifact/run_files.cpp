#include "artifact/run_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "artifact/array_file.hpp"
#include "artifact/hash.hpp"
#include "base/shell.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRun = "run.json";
constexpr const char* kSummary = "summary.json";
constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kChecksum = "checksum";
constexpr const char* kSelf = "self";

[[noreturn]] void fail(const fs::path& run_directory, const char* name, const std::string& what) {
  const fs::path file = run_directory / name;
  throw Error(
      fmt::format("{} {}: it was damaged or edited after the run wrote it, and is not used. `cdc-run {} --run-dir {}` writes it anew, of what the "
                  "cache holds",
                  file.string(), what, shell_quoted((run_directory / "pipeline.toml").string()), shell_quoted(run_directory.string())));
}

/// Of all but the checksum itself.
std::string own_checksum(const Value& table) {
  Value::Table rest;
  for (const auto& [name, value] : table.as_table()) {
    if (name != kChecksum || !value.is_table()) {
      rest.emplace_back(name, value);
      continue;
    }
    Value::Table others;
    for (const auto& entry : value.as_table())
      if (entry.first != kSelf) others.push_back(entry);
    if (!others.empty()) rest.emplace_back(name, Value(std::move(others)));
  }
  return hash_text(Value(std::move(rest)).to_json(2));
}

struct Read {
  Value table;
  bool has_checksum = false;
};

/// A file by itself.
Read read_checked(const fs::path& run_directory, const char* name) {
  Read out;
  const std::string text = read_file(run_directory / name);
  try {
    out.table = Value::from_json(text);
  } catch (const Error& e) {
    fail(run_directory, name, fmt::format("is no JSON ({})", e.what()));
  }
  if (!out.table.is_table()) fail(run_directory, name, "holds no table");
  const Value* checksum = out.table.find(kChecksum);
  out.has_checksum = checksum != nullptr;
  if (!out.has_checksum) return out;
  const Value* self = checksum->is_table() ? checksum->find(kSelf) : nullptr;
  if (self == nullptr || !self->is_string() || self->as_string() != own_checksum(out.table)) fail(run_directory, name, "does not fit its checksum");
  return out;
}

/// One of run.json and summary.json, with a look at the other: both have checksums, or neither.
Value read_with(const fs::path& run_directory, const char* name, const char* other) {
  Read out = read_checked(run_directory, name);
  std::error_code ignored;
  if (out.has_checksum || !fs::exists(run_directory / other, ignored)) return std::move(out.table);
  bool other_has = false;
  try {
    other_has = read_checked(run_directory, other).has_checksum;
  } catch (const Error&) {  // told by who reads that file
  }
  if (other_has) fail(run_directory, name, fmt::format("has no checksum, though {} has one", other));
  return std::move(out.table);
}

}  // namespace

Value with_checksum(Value table, const std::string& metrics) {
  table[kChecksum] = Value::table();
  if (!metrics.empty()) table[kChecksum][kMetrics] = metrics;
  const std::string self = own_checksum(table);
  table[kChecksum][kSelf] = self;
  return table;
}

Value read_run_record(const fs::path& run_directory) { return read_with(run_directory, kRun, kSummary); }

Value read_run_summary(const fs::path& run_directory) {
  std::error_code ignored;
  if (!fs::exists(run_directory / kSummary, ignored)) return {};
  return read_with(run_directory, kSummary, kRun);
}

std::vector<Value> read_run_metrics(const fs::path& run_directory) {
  std::vector<Value> out;
  std::error_code ignored;
  if (!fs::exists(run_directory / kMetrics, ignored)) return out;
  const std::string text = read_file(run_directory / kMetrics);
  const Value summary = read_run_summary(run_directory);
  const Value* checksum = summary.is_null() ? nullptr : summary.find(kChecksum);
  const Value* expected = checksum == nullptr ? nullptr : checksum->find(kMetrics);
  if (expected != nullptr && (!expected->is_string() || expected->as_string() != hash_text(text)))
    fail(run_directory, kMetrics, "does not fit its checksum in summary.json");
  for (std::size_t begin = 0, line = 1; begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const bool whole = end < text.size();
    try {
      out.push_back(Value::from_json(text.substr(begin, end - begin)));
    } catch (const Error& e) {
      if (!whole && summary.is_null()) break;  // it is being written
      fail(run_directory, kMetrics, fmt::format("is no JSON in line {} ({})", line, e.what()));
    }
    begin = end + 1;
  }
  return out;
}

bool is_report_page(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return false;
  const std::string head = read_file(file).substr(0, 1000);
  // The second is what pages of before the first have.
  for (const char* own : {"<meta name=\"generator\" content=\"cdc-report\">", "<!-- Nothing is fetched from anywhere: the browser sees to it. -->"})
    if (head.find(own) != std::string::npos) return true;
  return false;
}

}  // namespace cdc
