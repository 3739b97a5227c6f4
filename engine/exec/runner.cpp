#include "exec/runner.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <set>

#include "artifact/array_file.hpp"
#include "artifact/hash.hpp"
#include "artifact/run_files.hpp"
#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "config/spec.hpp"
#include "exec/run_assignments.hpp"
#include "exec/run_events.hpp"
#include "exec/run_state.hpp"
#include "exec/summary.hpp"

namespace cdc {
namespace {

std::string now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

/// The schedule, where it may and can be kept to.
Schedule allowed(Schedule schedule, const Plan& plan, const RunOptions& options, const Cache& cache) {
  for (std::size_t i = 0; i < schedule.stages.size(); ++i) {
    if (!schedule.stages[i].runs) continue;
    if (options.only_cached && !(options.tensorboard && is_data_set(*plan.stages[i].info)))
      throw NotCached(fmt::format("stage '{}' would have to run: {}", plan.stages[i].name, schedule.stages[i].why));
    if (!plan.stages[i].info->cached) continue;
    try {
      cache.require_writable();
    } catch (const Error& e) {  // told before hours of work whose result could not be kept
      throw Error(
          fmt::format("stage '{}' has to run ({}), and its result could not be kept: {}", plan.stages[i].name, schedule.stages[i].why, e.what()));
    }
  }
  return schedule;
}

bool has_session(const PlannedStage& stage) { return stage.graph != nullptr || !stage.model_graphs.empty(); }

/// One run: its directory, record and stages.
class Run {
 public:
  Run(const Plan& plan, const Registry& registry, const RunOptions& options)
      : plan_(plan),
        options_(options),
        libraries_(libraries_of(registry)),
        started_(now()),
        clock_(std::chrono::steady_clock::now()),
        cache_(options.cache),
        schedule_(allowed(make_schedule(plan, registry, options, cache_, true), plan, options, cache_)),
        key_(run_key(plan, schedule_.identities, options.device)),
        directory_({options.runs, plan.name, options.run_directory, key_, options.fresh, plan.file,
                    options.run_directory.empty() ? std::string() : to_toml(plan.resolved)}),
        threads_(choose_threads()),
        state_(plan, registry, options, cache_, schedule_, directory_, threads_),
        assignments_(plan, schedule_.identities, cache_.memo_folder()),
        recorded_(plan.stages.size()) {}

  RunResult go() {
    begin();
    oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads_));
    oneapi::tbb::task_arena arena(threads_);
    arena.execute([&] { run_stages(); });
    if (state_.failed()) rethrow();
    for (std::size_t i = 0; i < plan_.stages.size(); ++i)
      if (schedule_.stages[i].runs && !state_.told[i].ended) stopped();
    return end();
  }

 private:
  int choose_threads() const {
    const Value* earlier = directory_.earlier().find("threads");
    if (options_.threads > 0) return options_.threads;
    // What a file says has the limits of what a command line may say.
    if (earlier != nullptr && earlier->is_integer() && earlier->as_integer() > 0 && earlier->as_integer() <= kMostThreads)
      return static_cast<int>(earlier->as_integer());
    return oneapi::tbb::info::default_concurrency();
  }

  const Value* earlier_stage(std::size_t i) const {
    const Value* stages = directory_.earlier().find("stages");
    return stages == nullptr ? nullptr : stages->find(plan_.stages[i].name);
  }

  void begin() {
    const Value& earlier = directory_.earlier();
    std::vector<std::string> names;
    for (const PlannedStage& stage : plan_.stages) names.push_back(stage.name);
    directory_.stages(std::move(names));
    if (directory_.replaces()) RunAssignments::remove_files(directory_.path());
    if (options_.tensorboard) {
      if (directory_.replaces()) RunEvents::remove_files(directory_.path(), true);
      events_ = std::make_unique<RunEvents>(plan_, directory_.path());
      directory_.listen(events_.get());
    } else if (directory_.replaces()) {
      RunEvents::remove_files(directory_.path(), false);
    }
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      const Value* before = earlier_stage(i);
      const Value* cached = before == nullptr ? nullptr : before->find("cached");
      const Value* told = before == nullptr ? nullptr : before->find("summary");
      cached_at_start_.push_back(cached != nullptr && cached->is_boolean() ? cached->as_boolean() : schedule_.stages[i].cached);
      if (told != nullptr && told->is_table()) recorded_[i].summary = state_.told[i].summary = *told;
      if (before != nullptr) recorded_[i].warnings = state_.told[i].warnings = warnings_of(*before);
      if (!schedule_.stages[i].cached) continue;
      const Value& entry = schedule_.stages[i].entry;
      state_.told[i].summary = entry.at("summary");
      state_.told[i].seconds = entry.at("seconds").as_real();
      state_.told[i].warnings = warnings_of(entry);
      if (!entry.at("metrics").as_array().empty()) directory_.metrics(plan_.stages[i].name, entry.at("metrics").as_array());
      remove_checkpoint(cache_, schedule_.identities[i].key);  // a kill between the entry and this leaves one behind
    }
    directory_.pipeline("pipeline.toml", to_toml(plan_.resolved));
    write_record();
    directory_.log(RunDirectory::Level::info, fmt::format("{} ({} threads, device {})", options_.command_line, threads_, options_.device));
    const std::string folder = directory_.path().string();
    if (options_.observer != nullptr) options_.observer->info("", earlier.is_null() ? "run directory " + folder : "continuing the run in " + folder);
    if (!earlier.is_null()) directory_.log(RunDirectory::Level::info, "continued after a stop");
    const Value* threads = earlier.find("threads");
    if (threads != nullptr && threads->is_integer() && threads->as_integer() != threads_)
      tell_run(fmt::format("this run began with {} threads and goes on with {}: its numbers may differ in the last bits", threads->as_integer(),
                           threads_));
    for (const auto& [stage, text] : schedule_.warnings) state_.warn(stage, text);
    told_of_inputs();
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      if (schedule_.stages[i].cached) {
        state_.cached(i);
        remember(plan_, schedule_, i, cache_);
      }
      if (schedule_.stages[i].runs) continue;
      for (const std::string& text : state_.told[i].warnings) state_.warn(i, text);
    }
  }

  /// What data sets that are not opened now said and warned of, by the results that were made of them.
  void told_of_inputs() {
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      const Value* kept = schedule_.stages[i].cached ? schedule_.stages[i].entry.find("inputs") : nullptr;
      if (kept == nullptr || !kept->is_table()) continue;
      for (const Connection& connection : plan_.stages[i].inputs)
        for (const Source& source : connection.sources) {
          const Value* of_input = kept->find(plan_.stages[source.index].name);
          if (of_input == nullptr || schedule_.stages[source.index].runs) continue;
          RunState::Told& told = state_.told[source.index];
          if (const Value* summary = of_input->find("summary"); summary != nullptr && summary->is_table() && told.summary.as_table().empty())
            told.summary = *summary;
          std::vector<std::string>& all = told.warnings;
          for (const std::string& text : warnings_of(*of_input))
            if (std::find(all.begin(), all.end(), text) == all.end()) all.push_back(text);
        }
    }
  }

  void tell_run(const std::string& text) {
    directory_.log(RunDirectory::Level::warning, text);
    if (options_.observer != nullptr) options_.observer->warn("", text);
  }

  /// What a data set said outlives a kill here: a later start may not open it again.
  void record_told(std::size_t i) {
    {
      const std::lock_guard<std::mutex> guard(record_mutex_);
      recorded_[i] = {state_.told[i].summary, state_.told[i].warnings};
    }
    write_record();
  }

  void write_record() {
    const std::lock_guard<std::mutex> guard(record_mutex_);
    Value run = Value::table(), stages = Value::table();
    const Value* first = directory_.earlier().find("started");
    const Value* starts = directory_.earlier().find("starts");
    Value all_starts = starts != nullptr && starts->is_array() ? *starts : Value::array();
    all_starts.push_back(started_);
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      Value stage = Value::table();
      stage["plugin"] = plan_.stages[i].info->id;
      stage["version"] = plan_.stages[i].info->version;
      stage["key"] = schedule_.identities[i].key;
      stage["cached"] = static_cast<bool>(cached_at_start_[i]);
      if (schedule_.stages[i].runs) stage["why"] = schedule_.stages[i].why;
      for (const char* part : {"files", "resolved"})
        if (const Value* value = schedule_.identities[i].record.find(part)) stage[part] = *value;
      if (!recorded_[i].summary.as_table().empty()) stage["summary"] = recorded_[i].summary;
      put_warnings(recorded_[i].warnings, stage);
      stages[plan_.stages[i].name] = std::move(stage);
    }
    run["pipeline"] = plan_.name;
    run["file"] = plan_.file;
    run["key"] = key_;
    run["seed"] = static_cast<std::int64_t>(plan_.seed);
    run["threads"] = threads_;
    run["device"] = options_.device;
    run["command_line"] = options_.command_line;
    std::error_code ignored;  // a working directory that is gone
    run["working_directory"] = std::filesystem::current_path(ignored).string();
    run["cache"] = std::filesystem::absolute(options_.cache, ignored).lexically_normal().string();
    run["versions"] = options_.versions;
    run["libraries"] = libraries_;
    run["started"] = first != nullptr && first->is_string() ? *first : Value(started_);
    run["starts"] = std::move(all_starts);
    run["stages"] = std::move(stages);
    directory_.record(with_checksum(std::move(run)));
  }

  void run_stages() {
    using Node = oneapi::tbb::flow::continue_node<oneapi::tbb::flow::continue_msg>;
    oneapi::tbb::flow::graph graph;
    std::vector<std::unique_ptr<Node>> nodes(plan_.stages.size());
    std::vector<char> has_predecessor(plan_.stages.size());
    std::size_t last_session = plan_.stages.size();
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      if (!schedule_.stages[i].runs) continue;
      nodes[i] = std::make_unique<Node>(graph, [this, i](const oneapi::tbb::flow::continue_msg&) { step(i); });
      std::set<std::size_t> before;
      for (const Connection& connection : plan_.stages[i].inputs)
        for (const Source& source : connection.sources) before.insert(source.index);
      // Stages with a graph of nodes own the cores through LibTorch: one after the other, in the plan's order.
      if (has_session(plan_.stages[i])) {
        if (last_session < i) before.insert(last_session);
        last_session = i;
      }
      for (const std::size_t j : before)
        if (nodes[j]) {
          oneapi::tbb::flow::make_edge(*nodes[j], *nodes[i]);
          has_predecessor[i] = 1;
        }
    }
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (nodes[i] && !has_predecessor[i]) nodes[i]->try_put(oneapi::tbb::flow::continue_msg());
    graph.wait_for_all();
  }

  /// Never throws: an exception would cancel the graph while other stages are at work.
  void step(std::size_t i) {
    if (state_.stopping()) return;
    try {
      // Isolated, so that a stage that waits for its own parallel work does not begin another stage on top of itself.
      oneapi::tbb::this_task_arena::isolate([&] { run_stage(state_, i); });
      if (!plan_.stages[i].info->cached) record_told(i);
      for (const PortInfo& port : plan_.stages[i].info->outputs)
        if (port.type == PortType::dataset && is_data_set(*plan_.stages[i].info)) show_data(i, port.name);
    } catch (const Stopped&) {  // asked for, or on account of another stage's failure: both are told already
    } catch (...) {
      state_.fail(std::current_exception());
    }
  }

  void show_data(std::size_t i, const std::string& port) {
    const PlannedStage& stage = plan_.stages[i];
    try {
      const auto data = std::static_pointer_cast<const Dataset>(state_.artifact({i, port}));
      assignments_.opened(i, *data);
      if (events_) events_->opened(i, data);
    } catch (const Error& e) {
      throw Error(fmt::format("stage '{}' (plugin {}): {}", stage.name, stage.info->id, e.what()));
    }
  }

  [[noreturn]] void rethrow() {
    try {
      std::rethrow_exception(state_.failure());
    } catch (const std::exception& e) {
      directory_.log(RunDirectory::Level::error, e.what());
      throw;
    }
  }

  [[noreturn]] void stopped() {
    directory_.log(RunDirectory::Level::warning, "stopped by a signal");
    throw Stopped(fmt::format("stopped; the same command goes on where it stopped (run directory {})", directory_.path().string()));
  }

  /// The stage's name; with the port's where it gives several assignments.
  std::string assignment_title(std::size_t i, const std::string& port) const {
    const std::vector<PortInfo>& outputs = plan_.stages[i].info->outputs;
    const auto count = std::count_if(outputs.begin(), outputs.end(), [](const PortInfo& one) { return one.type == PortType::assignment; });
    return count == 1 ? plan_.stages[i].name : plan_.stages[i].name + "." + port;
  }

  RunResult end() {
    std::vector<StageSummary> stages;
    std::vector<StageScores> scores;
    std::vector<RunEvents::Result> results;
    std::vector<RunAssignments::Result> assignments;
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      const PlannedStage& stage = plan_.stages[i];
      const std::string& key = schedule_.identities[i].key;
      stages.push_back({stage.name, stage.info->id, key, static_cast<bool>(cached_at_start_[i]), state_.told[i].seconds, state_.told[i].summary,
                        state_.told[i].warnings});
      for (const PortInfo& port : stage.info->outputs) {
        if (!stage.info->cached || (port.present && !port.present(*schedule_.identities[i].component))) continue;
        if (port.type == PortType::scores)
          scores.push_back({stage.name, stage.prefix, std::static_pointer_cast<const Scores>(state_.artifact({i, port.name}))->values});
        if (port.type == PortType::assignment)
          assignments.push_back({i, assignment_title(i, port.name), std::static_pointer_cast<const Assignment>(state_.artifact({i, port.name}))});
        if (events_ && (port.type == PortType::features || port.type == PortType::assignment))
          results.push_back({i, port.name, port.type, state_.artifact({i, port.name})});
        if (port.type == PortType::model && options_.weights)
          directory_.weights(cache_.file(key, port.name), fmt::format("{}.{}", stage.name, port.name));
      }
    }
    const std::string metrics = directory_.finish_metrics();
    assignments_.write(directory_.path(), assignments);
    std::vector<std::string> clashes;
    const Value all_scores = gather_scores(scores, &clashes);
    for (const std::string& clash : clashes) tell_run(clash);
    if (events_) events_->finish(all_scores, results);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - clock_).count();
    const Value* first = directory_.earlier().find("started");
    const Value summary = with_checksum(make_summary(plan_.name, plan_.seed, stages, all_scores,
                                                     first != nullptr && first->is_string() ? first->as_string() : started_, now(), seconds),
                                        metrics);
    directory_.summary(summary);
    directory_.log(RunDirectory::Level::info, fmt::format("ended after {:.1f} s", seconds));
    return {directory_.path(), summary};
  }

  /// Every library that is loaded, and what is in it.
  static Value libraries_of(const Registry& registry) {
    Value all = Value::table();
    for (const PluginLibrary* library : registry.libraries()) all[library->path.string()] = library->code;
    return all;
  }

  const Plan& plan_;
  const RunOptions& options_;
  const Value libraries_;
  std::string started_;
  std::chrono::steady_clock::time_point clock_;
  Cache cache_;
  Schedule schedule_;
  std::string key_;
  std::unique_ptr<RunEvents> events_;  ///< outlives directory_, which tells it of metrics
  RunDirectory directory_;
  int threads_;
  RunState state_;
  RunAssignments assignments_;
  std::vector<char> cached_at_start_;
  std::mutex record_mutex_;
  struct Recorded {
    Value summary = Value::table();
    std::vector<std::string> warnings;
  };
  std::vector<Recorded> recorded_;  ///< under record_mutex_: what uncached stages told
};

}  // namespace

NotCached::~NotCached() = default;

RunResult run_pipeline(const Plan& plan, const Registry& registry, const RunOptions& options) { return Run(plan, registry, options).go(); }

}  // namespace cdc
