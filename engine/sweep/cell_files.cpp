#include "sweep/cell_files.hpp"

#include <fmt/format.h>

#include "artifact/array_file.hpp"
#include "artifact/run_files.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStopped = ".stopped.json";
constexpr const char* kFailed = ".failed.json";

/// Why, where the file says so of a run of this key.
std::string why_of(const fs::path& file, const std::string& key) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return "";
  try {
    const Value known = Value::from_json(read_file(file));
    return known.at("key") == Value(key) ? known.at("why").as_string() : "";
  } catch (const Error&) {  // damaged: it goes on
    return "";
  }
}

void keep_why(const fs::path& file, const std::string& key, const std::string& why) {
  Value known = Value::table();
  known["key"] = key;
  known["why"] = why;
  write_file(file, known.to_json(2) + "\n");
}

void forget_words(const SweepOptions& options, const SweepCell& cell) {
  std::error_code ignored;
  for (const char* ending : {".out", ".err"}) fs::remove(beside(options, cell, ending), ignored);
}

/// The last lines of what a cell's process said.
std::string last_words(const fs::path& file, int code) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const Error&) {  // the code is said
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  constexpr std::size_t kMost = 2000;
  if (text.size() > kMost) text = "..." + text.substr(text.size() - kMost);
  const std::string how = code > 128 ? fmt::format("ended by signal {}", code - 128) : fmt::format("exit code {}", code);
  return text.empty() ? how : fmt::format("{} ({})", text, how);
}

}  // namespace

fs::path cell_folder(const SweepOptions& options, const SweepCell& cell) { return options.folder / "cells" / cell.id; }

fs::path beside(const SweepOptions& options, const SweepCell& cell, const char* ending) { return options.folder / "cells" / (cell.id + ending); }

bool is_of(const fs::path& folder, const std::string& key) {
  try {
    return read_run_record(folder).at("key") == Value(key);
  } catch (const Error&) {  // not there, or damaged
    return false;
  }
}

Value summary_of(const SweepOptions& options, const SweepCell& cell, const std::string& key) {
  const fs::path folder = cell_folder(options, cell);
  std::error_code ignored;
  if (!fs::exists(folder / "summary.json", ignored) || !is_of(folder, key)) return {};
  try {
    return read_run_summary(folder);
  } catch (const Error&) {  // damaged: it is run again
    return {};
  }
}

CellOutcome outcome_of(const Sweep& sweep, std::size_t cell, const std::string& key, const SweepOptions& options) {
  CellOutcome out;
  out.summary = summary_of(options, sweep.cells[cell], key);
  if (!out.summary.is_null()) {
    out.state = CellOutcome::State::done;
  } else if (sweep.stop.rule != EarlyStop::Rule::none) {
    out.message = why_of(beside(options, sweep.cells[cell], kStopped), key);
    if (!out.message.empty()) out.state = CellOutcome::State::stopped;
  }
  return out;
}

std::vector<std::string> cell_command(const SweepOptions& options, const SweepCell& cell) {
  std::vector<std::string> out{options.program.string(),
                               beside(options, cell, ".toml").string(),
                               "--run-dir",
                               cell_folder(options, cell).string(),
                               "--cache",
                               options.cache.string(),
                               "--threads",
                               std::to_string(options.threads),
                               "--device",
                               options.device,
                               "--no-weights"};
  if (options.tensorboard) out.emplace_back("--tensorboard");
  for (const fs::path& plugin : options.plugins) out.insert(out.end(), {"--plugin", plugin.string()});
  return out;
}

CellOutcome end_of_process(const SweepOptions& options, const SweepCell& cell, const std::string& key, int code, const std::string& why_stopped,
                           bool told) {
  CellOutcome out;
  try {
    if (code == 0) out.summary = summary_of(options, cell, key);
    if (!out.summary.is_null()) {
      out.state = CellOutcome::State::done;
      forget_words(options, cell);
    } else if (!why_stopped.empty() && code == 5) {
      out.state = CellOutcome::State::stopped;
      out.message = why_stopped;
      keep_why(beside(options, cell, kStopped), key, why_stopped);
    } else if (told && (code == 5 || code > 128)) {
      forget_words(options, cell);
    } else {
      out.state = CellOutcome::State::failed;
      if (code != 0)
        out.message = last_words(beside(options, cell, ".err"), code);
      else if (fs::exists(cell_folder(options, cell) / "summary.json"))
        out.message =
            "it ended as another run than the one that was planned: its data, its plugins or what \"auto\" means on the machine differ; call the "
            "sweep "
            "again";
      else
        out.message = "it ended without its summary";
      keep_why(beside(options, cell, kFailed), key, out.message);
    }
  } catch (const Error& e) {  // a full disk: the next call takes it up again
    out.state = CellOutcome::State::failed;
    out.message = out.message.empty() || out.message == why_stopped ? e.what() : out.message;
  }
  return out;
}

void forget_failure(const SweepOptions& options, const SweepCell& cell) {
  std::error_code ignored;
  if (fs::remove(beside(options, cell, kFailed), ignored)) forget_words(options, cell);
}

std::string failure_of(const SweepOptions& options, const SweepCell& cell, const std::string& key) {
  return why_of(beside(options, cell, kFailed), key);
}

void add_failures(const Sweep& sweep, const std::vector<PlannedCell>& cells, const SweepOptions& options, std::vector<CellOutcome>& outcomes) {
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].state != CellOutcome::State::missing) continue;
    outcomes[i].message = failure_of(options, sweep.cells[i], cells[i].key);
    if (!outcomes[i].message.empty()) outcomes[i].state = CellOutcome::State::failed;
  }
}

}  // namespace cdc
