#include "sweep/runner.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <list>
#include <memory>
#include <set>
#include <thread>

#include "artifact/array_file.hpp"
#include "artifact/cache.hpp"
#include "artifact/files.hpp"
#include "cdc/error.hpp"
#include "exec/runner.hpp"
#include "graph/planner.hpp"
#include "sweep/cell_files.hpp"
#include "sweep/processes.hpp"
#include "sweep/watch.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(5);
constexpr auto kLookElsewhere = std::chrono::milliseconds(200);

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
        outcomes_(std::move(outcomes)),
        runs_(runs_of(cells)),
        watch_(sweep, runs_, options) {}

  std::vector<CellOutcome> go() {
    make_folder(options_.folder / "cells");
    for (std::size_t i = 0; i < cells_.size(); ++i)
      if (outcomes_[i].state == CellOutcome::State::missing)
        waiting_.push_back(i);
      else if (outcomes_[i].state == CellOutcome::State::done)
        watch_.ended(i);
    watch_.check_score();
    for (const std::size_t i : waiting_)
      if (!missing_keys(i).empty()) cache_.require_writable();
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
  static std::vector<EpochWatch::Run> runs_of(const std::vector<PlannedCell>& cells) {
    std::vector<EpochWatch::Run> out;
    for (const PlannedCell& cell : cells) out.push_back({cell.key, cell.kind});
    return out;
  }

  struct Running {
    std::size_t cell;
    std::unique_ptr<ChildProcess> process;
    FileLock lock;
    Clock::time_point began;
    std::set<std::string> computes;  ///< keys
    std::string why_stopped = {};    ///< early
  };

  /// Ends cells that the sweep's rule gives up.
  void stop_some() {
    for (Running& one : running_) {
      if (!one.why_stopped.empty()) continue;
      one.why_stopped = watch_.reason_to_stop(one.cell);
      if (!one.why_stopped.empty()) one.process->signal(SIGTERM);
    }
    check_score();
  }

  /// Where the rule's number is none, nothing more is begun, and what is at work saves what it has.
  void check_score() {
    try {
      watch_.check_score();
    } catch (const ConfigError&) {
      wrong_score_ = std::current_exception();
      for (const Running& one : running_) one.process->signal(SIGTERM);
      told_ = std::max(told_, 1);
    }
  }

  /// Passes on what was asked of this process. True from the first time on.
  bool stopped() {
    if (wrong_score_ != nullptr && running_.empty()) std::rethrow_exception(wrong_score_);
    const int asked = options_.stops == nullptr ? 0 : options_.stops->load();
    if (asked > told_) {
      if (told_ == 0) observer_.stopping(running_.size());
      for (const Running& one : running_) one.process->signal(asked > 1 ? SIGKILL : SIGTERM);
      told_ = asked;
    }
    return asked > 0 || wrong_score_ != nullptr;
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
      CellOutcome& outcome = outcomes_[one.cell];
      outcome = end_of_process(options_, sweep_.cells[one.cell], cells_[one.cell].key, *code, one.why_stopped, told_ > 0);
      if (outcome.state == CellOutcome::State::missing) continue;  // it was told to
      if (outcome.state == CellOutcome::State::done) {
        watch_.ended(one.cell);
        if (wrong_score_ == nullptr) check_score();
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

  bool take_cached(std::size_t i) {
    const auto began = Clock::now();
    Value summary = cached_summary(sweep_.cells[i], cells_[i], registry_, options_);
    if (summary.is_null()) return false;
    outcomes_[i].summary = std::move(summary);
    outcomes_[i].state = CellOutcome::State::done;
    observer_.ends(i, outcomes_[i], SweepObserver::How::cached, std::chrono::duration<double>(Clock::now() - began).count());
    return true;
  }

  void begin(std::size_t i, FileLock lock, std::set<std::string> computes) {
    const SweepCell& cell = sweep_.cells[i];
    forget_failure(options_, cell);
    write_file(beside(options_, cell, ".toml"), cells_[i].pipeline);
    auto process =
        std::make_unique<ChildProcess>(cell_command(options_, cell), beside(options_, cell, ".out"), beside(options_, cell, ".err"), lock.fd());
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
  const std::vector<EpochWatch::Run> runs_;
  EpochWatch watch_;
  std::vector<std::size_t> waiting_;
  std::set<std::size_t> elsewhere_;  ///< at work in another call when last looked at
  std::list<Running> running_;
  Clock::time_point next_look_{};
  int told_ = 0;
  std::exception_ptr wrong_score_;  ///< what EpochWatch::check_score() said
};

}  // namespace

SweepObserver::~SweepObserver() = default;

Value cached_summary(const SweepCell& cell, const PlannedCell& planned, const Registry& registry, const SweepOptions& options) {
  RunOptions run;
  run.cache = options.cache;
  run.run_directory = cell_folder(options, cell);
  run.threads = options.threads;
  run.device = options.device;
  run.only_cached = true;
  run.weights = false;
  run.tensorboard = options.tensorboard;
  run.command_line = options.command_line;
  run.versions = options.versions;
  try {
    Value summary = run_pipeline(plan_text(planned.pipeline, beside(options, cell, ".toml").string(), {}, registry), registry, run).summary;
    forget_failure(options, cell);
    return summary;
  } catch (const NotCached&) {
    return {};
  }
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
