#include "sweep/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "artifact/array_file.hpp"
#include "artifact/cache.hpp"
#include "artifact/files.hpp"
#include "cdc/error.hpp"
#include "exec/identity.hpp"
#include "exec/runner.hpp"
#include "graph/planner.hpp"
#include "sweep/processes.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(5);
constexpr auto kLookElsewhere = std::chrono::milliseconds(200);

fs::path beside(const SweepOptions& options, const SweepCell& cell, const char* ending) { return options.folder / "cells" / (cell.id + ending); }

/// Whether the cell's run directory is of this key, and not of an earlier form of the cell.
bool is_of(const fs::path& folder, const std::string& key) {
  try {
    return Value::from_json(read_file(folder / "run.json")).at("key") == Value(key);
  } catch (const Error&) {  // not there, or damaged
    return false;
  }
}

/// The summary of the cell's run, null where there is none of this key.
Value summary_of(const SweepOptions& options, const SweepCell& cell, const std::string& key) {
  const fs::path folder = cell_folder(options, cell);
  std::error_code ignored;
  if (!fs::exists(folder / "summary.json", ignored) || !is_of(folder, key)) return {};
  try {
    return Value::from_json(read_file(folder / "summary.json"));
  } catch (const Error&) {  // damaged: it is run again
    return {};
  }
}

constexpr const char* kStoppedEnding = ".stopped.json";

/// Why a run of this key was stopped early, empty where none was.
std::string stopped_early(const SweepOptions& options, const SweepCell& cell, const std::string& key) {
  const fs::path file = beside(options, cell, kStoppedEnding);
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return "";
  try {
    const Value stopped = Value::from_json(read_file(file));
    return stopped.at("key") == Value(key) ? stopped.at("why").as_string() : "";
  } catch (const Error&) {  // damaged: it goes on
    return "";
  }
}

/// What there is of a cell without running it.
CellOutcome outcome_of(const Sweep& sweep, std::size_t cell, const std::string& key, const SweepOptions& options) {
  CellOutcome out;
  out.summary = summary_of(options, sweep.cells[cell], key);
  if (!out.summary.is_null()) {
    out.state = CellOutcome::State::done;
  } else if (sweep.stop.rule != EarlyStop::Rule::none) {
    out.message = stopped_early(options, sweep.cells[cell], key);
    if (!out.message.empty()) out.state = CellOutcome::State::stopped;
  }
  return out;
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

class Runner {
 public:
  Runner(const Sweep& sweep, const std::vector<PlannedCell>& cells, std::vector<CellOutcome> outcomes, const Registry& registry,
         const SweepOptions& options, SweepObserver& observer)
      : sweep_(sweep),
        cells_(cells),
        registry_(registry),
        options_(options),
        observer_(observer),
        cache_(options.cache),
        outcomes_(std::move(outcomes)) {}

  std::vector<CellOutcome> go() {
    make_folder(options_.folder / "cells");
    for (std::size_t i = 0; i < cells_.size(); ++i)
      if (outcomes_[i].state == CellOutcome::State::missing) waiting_.push_back(i);
    bool changed = true;
    while (!waiting_.empty() || !running_.empty()) {
      changed = reap() || changed;
      if (stopped()) {
        if (running_.empty()) break;
        changed = false;
      } else {
        const bool look_elsewhere = Clock::now() >= next_look_;
        if (look_elsewhere) next_look_ = Clock::now() + kLookElsewhere;
        if (look_elsewhere) stop_some();
        // Cells wait for one of this call to end, or to have computed what they need too, or for another call.
        const bool own = changed || (look_elsewhere && static_cast<int>(running_.size()) < options_.jobs);
        changed = (own || look_elsewhere) && begin_some(own, look_elsewhere);
      }
      if (!changed) std::this_thread::sleep_for(kLook);
    }
    return std::move(outcomes_);
  }

 private:
  struct Running {
    std::size_t cell;
    std::unique_ptr<ChildProcess> process;
    FileLock lock;
    Clock::time_point began;
    std::set<std::string> computes;  ///< keys
    std::string why_stopped = {};    ///< early
  };

  /// What a cell has reported, epoch by epoch, read on from where the file was left.
  struct Reported {
    std::streamoff read = 0;
    EpochValues values;
  };

  void read_on(std::size_t cell) {
    Reported& of = reported_[cell];
    const fs::path folder = cell_folder(options_, sweep_.cells[cell]);
    if (of.read == 0 && !is_of(folder, cells_[cell].key)) return;  // its process has not begun; what is there is of an earlier form of the cell
    std::ifstream in(folder / "metrics.jsonl", std::ios::binary | std::ios::ate);
    if (!in) return;
    if (in.tellg() < of.read) of = {};  // written anew by a run that went on from a checkpoint
    in.seekg(of.read);
    std::string line;
    while (std::getline(in, line) && !in.eof()) {  // a line without its end is still being written
      of.read += static_cast<std::streamoff>(line.size()) + 1;
      try {
        if (const auto value = epoch_value(sweep_.stop, Value::from_json(line))) {
          // A run that goes on from a checkpoint may report an epoch again.
          while (!of.values.empty() && of.values.back().first >= value->first) of.values.pop_back();
          of.values.push_back(*value);
        }
      } catch (const Error&) {  // no JSON
      }
    }
  }

  /// Ends cells that the sweep's rule gives up.
  void stop_some() {
    if (sweep_.stop.rule == EarlyStop::Rule::none || running_.empty()) return;
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
      const bool ended = outcomes_[i].state == CellOutcome::State::done || outcomes_[i].state == CellOutcome::State::stopped;
      if (ended && reported_.count(i) == 0) read_on(i);
    }
    for (Running& one : running_) {
      const std::size_t before = reported_[one.cell].values.size();
      read_on(one.cell);
      const EpochValues& own = reported_[one.cell].values;
      if (own.size() <= before || !one.why_stopped.empty()) continue;
      std::vector<EpochValues> others;
      for (const auto& [cell, reported] : reported_)
        if (cell != one.cell) others.push_back(reported.values);
      // Each epoch that came since the last look.
      for (std::size_t n = before + 1; n <= own.size() && one.why_stopped.empty(); ++n)
        one.why_stopped = reason_to_stop(sweep_.stop, EpochValues(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(n)), others).value_or("");
      if (!one.why_stopped.empty()) one.process->signal(SIGTERM);
    }
  }

  /// So that later calls leave it alone.
  void keep_stopped(std::size_t cell, const std::string& why) {
    Value stopped = Value::table();
    stopped["key"] = cells_[cell].key;
    stopped["why"] = why;
    outcomes_[cell].state = CellOutcome::State::stopped;
    outcomes_[cell].message = why;
    try {
      write_file(beside(options_, sweep_.cells[cell], kStoppedEnding), stopped.to_json(2) + "\n");
    } catch (const Error& e) {  // a full disk: the next call takes it up again
      outcomes_[cell].state = CellOutcome::State::failed;
      outcomes_[cell].message = e.what();
    }
  }

  /// Passes on what was asked of this process. True from the first time on.
  bool stopped() {
    const int asked = options_.stops == nullptr ? 0 : options_.stops->load();
    if (asked > told_) {
      if (told_ == 0) observer_.stopping(running_.size());
      for (const Running& one : running_) one.process->signal(asked > 1 ? SIGKILL : SIGTERM);
      told_ = asked;
    }
    return asked > 0;
  }

  bool reap() {
    bool changed = false;
    for (auto next = running_.begin(); next != running_.end();) {
      const auto at = next++;
      const std::optional<int> code = at->process->ended();
      if (!code) continue;
      std::list<Running> ended;  // its lock is let go when all is said
      ended.splice(ended.begin(), running_, at);
      const Running& one = ended.front();
      changed = true;
      const SweepCell& cell = sweep_.cells[one.cell];
      CellOutcome& outcome = outcomes_[one.cell];
      outcome.summary = *code == 0 ? summary_of(options_, cell, cells_[one.cell].key) : Value();
      if (!outcome.summary.is_null()) {
        outcome.state = CellOutcome::State::done;
        outcome.message.clear();
        std::error_code ignored;
        for (const char* ending : {".out", ".err"}) fs::remove(beside(options_, cell, ending), ignored);
      } else if (!one.why_stopped.empty() && *code == 5) {
        keep_stopped(one.cell, one.why_stopped);
      } else if (told_ > 0 && (*code == 5 || *code > 128)) {  // it was told to
        continue;
      } else {
        outcome.state = CellOutcome::State::failed;
        outcome.message = *code == 0 ? "it ended without its summary" : last_words(beside(options_, cell, ".err"), *code);
      }
      observer_.ends(one.cell, outcome, SweepObserver::How::ran, std::chrono::duration<double>(Clock::now() - one.began).count());
    }
    return changed;
  }

  std::set<std::string> missing_keys(std::size_t cell) const {
    std::set<std::string> out;
    for (const PlannedCell::Stage& stage : cells_[cell].stages)
      if (!cache_.contains(stage.key)) out.insert(stage.key);
    return out;
  }

  bool computed_now(const std::set<std::string>& keys) const {
    for (const Running& one : running_)
      for (const std::string& key : one.computes)
        if (keys.count(key) > 0) return true;
    return false;
  }

  /// Begins what may begin; cells that need no process are done at once. `own`: cells that may wait for one of this call; `elsewhere`: those at work
  /// in another call when last looked at.
  bool begin_some(bool own, bool elsewhere) {
    bool changed = false;
    for (std::size_t w = 0; w < waiting_.size() && told_ == 0;) {
      const std::size_t i = waiting_[w];
      if (elsewhere_.count(i) > 0 ? !elsewhere : !own) {
        ++w;
        continue;
      }
      std::set<std::string> missing = missing_keys(i);
      if (!missing.empty() && (static_cast<int>(running_.size()) >= options_.jobs || computed_now(missing))) {
        ++w;
        continue;
      }
      std::optional<FileLock> lock = FileLock::take(beside(options_, sweep_.cells[i], ".lock"));
      if (!lock) {
        elsewhere_.insert(i);
        ++w;
        continue;
      }
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(w));
      changed = true;
      outcomes_[i] = outcome_of(sweep_, i, cells_[i].key, options_);  // another call may have been faster
      if (outcomes_[i].state != CellOutcome::State::missing) {
        observer_.ends(i, outcomes_[i], SweepObserver::How::elsewhere, 0);
      } else {
        try {
          if (!missing.empty() || !take_cached(i)) begin(i, std::move(*lock), std::move(missing));
        } catch (const Error& e) {  // a full disk, for example
          outcomes_[i].state = CellOutcome::State::failed;
          outcomes_[i].message = e.what();
          observer_.ends(i, outcomes_[i], SweepObserver::How::ran, 0);
        }
      }
      if (options_.stops != nullptr && *options_.stops > 0) break;
    }
    return changed;
  }

  /// Without a process, where nothing has to run. False where something has.
  bool take_cached(std::size_t i) {
    const auto began = Clock::now();
    RunOptions run;
    run.cache = options_.cache;
    run.run_directory = cell_folder(options_, sweep_.cells[i]);
    run.threads = options_.threads;
    run.device = options_.device;
    run.only_cached = true;
    run.weights = false;
    run.tensorboard = options_.tensorboard;
    run.command_line = options_.command_line;
    run.versions = options_.versions;
    try {
      outcomes_[i].summary =
          run_pipeline(plan_text(cells_[i].pipeline, beside(options_, sweep_.cells[i], ".toml").string(), {}, registry_), registry_, run).summary;
    } catch (const NotCached&) {
      return false;
    }
    outcomes_[i].state = CellOutcome::State::done;
    observer_.ends(i, outcomes_[i], SweepObserver::How::cached, std::chrono::duration<double>(Clock::now() - began).count());
    return true;
  }

  void begin(std::size_t i, FileLock lock, std::set<std::string> computes) {
    const SweepCell& cell = sweep_.cells[i];
    const fs::path file = beside(options_, cell, ".toml");
    write_file(file, cells_[i].pipeline);
    std::vector<std::string> arguments{options_.program.string(),
                                       file.string(),
                                       "--run-dir",
                                       cell_folder(options_, cell).string(),
                                       "--cache",
                                       options_.cache.string(),
                                       "--threads",
                                       std::to_string(options_.threads),
                                       "--device",
                                       options_.device,
                                       "--no-weights"};
    if (options_.tensorboard) arguments.emplace_back("--tensorboard");
    for (const fs::path& plugin : options_.plugins) arguments.insert(arguments.end(), {"--plugin", plugin.string()});
    auto process = std::make_unique<ChildProcess>(arguments, beside(options_, cell, ".out"), beside(options_, cell, ".err"), lock.fd());
    running_.push_back({i, std::move(process), std::move(lock), Clock::now(), std::move(computes), {}});
    observer_.begins(i);
  }

  const Sweep& sweep_;
  const std::vector<PlannedCell>& cells_;
  const Registry& registry_;
  const SweepOptions& options_;
  SweepObserver& observer_;
  Cache cache_;
  std::vector<CellOutcome> outcomes_;
  std::vector<std::size_t> waiting_;
  std::set<std::size_t> elsewhere_;  ///< at work in another call when last looked at
  std::list<Running> running_;
  std::map<std::size_t, Reported> reported_;  ///< by cell
  Clock::time_point next_look_{};
  int told_ = 0;
};

}  // namespace

SweepObserver::~SweepObserver() = default;

fs::path cell_folder(const SweepOptions& options, const SweepCell& cell) { return options.folder / "cells" / cell.id; }

std::vector<PlannedCell> plan_sweep(const Sweep& sweep, const Registry& registry, const SweepOptions& options) {
  const Cache cache(options.cache);
  std::vector<PlannedCell> out;
  std::vector<Diagnostic> problems;
  for (const SweepCell& cell : sweep.cells) {
    try {
      const Plan plan = plan_changed_pipeline(cell.pipeline, cell.changes, registry);
      PlannedCell planned;
      planned.pipeline = to_toml(plan.resolved);
      const std::vector<StageIdentity> identities = identify_stages(plan, registry, options.device, cache.memo_folder());
      planned.key = run_key(plan, identities, options.device);
      for (std::size_t i = 0; i < plan.stages.size(); ++i)
        if (plan.stages[i].info->cached) planned.stages.push_back({plan.stages[i].name, identities[i].key, cache.contains(identities[i].key)});
      out.push_back(std::move(planned));
    } catch (const ConfigError& e) {
      problems.insert(problems.end(), e.diagnostics().begin(), e.diagnostics().end());
      if (problems.size() > 1000) break;  // the same mistakes over and over
    }
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return out;
}

std::vector<CellOutcome> sweep_outcomes(const Sweep& sweep, const std::vector<PlannedCell>& cells, const SweepOptions& options) {
  std::vector<CellOutcome> out;
  for (std::size_t i = 0; i < cells.size(); ++i) out.push_back(outcome_of(sweep, i, cells[i].key, options));
  return out;
}

std::vector<CellOutcome> run_sweep(const Sweep& sweep, const std::vector<PlannedCell>& cells, std::vector<CellOutcome> outcomes,
                                   const Registry& registry, const SweepOptions& options, SweepObserver& observer) {
  return Runner(sweep, cells, std::move(outcomes), registry, options, observer).go();
}

}  // namespace cdc
