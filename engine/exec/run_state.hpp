#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "artifact/cache.hpp"
#include "artifact/run_directory.hpp"
#include "exec/runner.hpp"
#include "exec/schedule.hpp"

namespace cdc {

/// What the stages of one run share. Methods may be called from any thread.
class RunState {
 public:
  RunState(const Plan& the_plan, const Registry& the_registry, const RunOptions& the_options, Cache& the_cache, const Schedule& the_schedule,
           RunDirectory& the_directory, int the_threads);

  const Plan& plan;
  const Registry& registry;
  const RunOptions& options;
  Cache& cache;
  const Schedule& schedule;
  RunDirectory& directory;
  const int threads;

  /// To the observer and the log; the observer sees one call at a time.
  void info(std::size_t stage, const std::string& text);
  void warn(std::size_t stage, const std::string& text);
  void begins(std::size_t stage);
  void cached(std::size_t stage);
  void ends(std::size_t stage, double seconds);
  void progress(std::size_t stage, const Progress& progress);

  /// The run was asked to stop, or a stage failed.
  bool stopping() const { return failed_ || stop_asked(); }
  bool stop_asked() const { return options.stop != nullptr && *options.stop; }
  void fail(std::exception_ptr error);  ///< the first one is kept
  bool failed() const { return failed_; }
  std::exception_ptr failure() const { return failure_; }

  /// A result: kept from when its stage ran in this run, or read from the cache.
  std::shared_ptr<const void> artifact(const Source& source);
  void keep(std::size_t stage, const std::string& port, std::shared_ptr<const void> artifact);
  /// `stage` reads no more: results that no one will read are let go.
  void done_reading(std::size_t stage);

  /// What a stage that ran has to say in summary.json, and how long it took.
  struct Told {
    Value summary = Value::table();
    std::vector<std::string> warnings;  ///< about the result
    double seconds = 0;
    bool ended = false;
  };
  std::vector<Told> told;

 private:
  const std::string& name(std::size_t stage) const { return plan.stages[stage].name; }
  struct Slot {
    std::mutex mutex;
    std::shared_ptr<const void> artifact;
  };
  std::shared_ptr<Slot> slot(std::size_t stage, const std::string& port);

  std::mutex observer_mutex_, slots_mutex_, failure_mutex_;
  std::map<std::pair<std::size_t, std::string>, std::shared_ptr<Slot>> slots_;
  std::vector<std::size_t> readers_;  ///< stages that run and read of it, still to come
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;
};

// Warnings in files: a list of texts below "warnings", left out where there are none.
std::vector<std::string> warnings_of(const Value& table);
void put_warnings(const std::vector<std::string>& warnings, Value& table);

/// The file beside a stage's checkpoint with what it warned of up to there.
std::filesystem::path warnings_file(const std::filesystem::path& checkpoint);
/// What a stage that did not end left of itself.
void remove_checkpoint(const Cache& cache, const std::string& key);

/// The output port of a stage's plugin; nullptr where there is none.
const PortInfo* output_port(const PlannedStage& stage, std::string_view port);

/// Runs one stage from lock to cache entry. cdc::Error with the stage's name; Stopped.
void run_stage(RunState& run, std::size_t stage);

}  // namespace cdc
