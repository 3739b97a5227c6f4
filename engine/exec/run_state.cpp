#include "exec/run_state.hpp"

#include <fmt/format.h>

#include <set>

#include "artifact/files.hpp"
#include "cdc/error.hpp"
#include "exec/artifact_check.hpp"

namespace cdc {

const PortInfo* output_port(const PlannedStage& stage, std::string_view port) { return stage.info->output(std::string(port)); }

std::vector<std::string> warnings_of(const Value& table) {
  std::vector<std::string> out;
  if (const Value* found = table.find("warnings"); found != nullptr && found->is_array())
    for (const Value& text : found->as_array())
      if (text.is_string()) out.push_back(text.as_string());
  return out;
}

void put_warnings(const std::vector<std::string>& warnings, Value& table) {
  if (warnings.empty()) return;
  Value all = Value::array();
  for (const std::string& text : warnings) all.push_back(text);
  table["warnings"] = std::move(all);
}

std::filesystem::path warnings_file(const std::filesystem::path& checkpoint) { return checkpoint.string() + ".warnings.json"; }

void remove_checkpoint(const Cache& cache, const std::string& key) {
  const std::filesystem::path checkpoint = cache.checkpoint_path(key);
  std::error_code ignored;
  std::filesystem::remove(checkpoint, ignored);
  const std::filesystem::path warnings = warnings_file(checkpoint);
  std::filesystem::remove(warnings, ignored);
  remove_temporaries(warnings);
}

RunState::RunState(const Plan& the_plan, const Registry& the_registry, const RunOptions& the_options, Cache& the_cache, const Schedule& the_schedule,
                   RunDirectory& the_directory, int the_threads)
    : plan(the_plan),
      registry(the_registry),
      options(the_options),
      cache(the_cache),
      schedule(the_schedule),
      directory(the_directory),
      threads(the_threads),
      told(the_plan.stages.size()),
      readers_(the_plan.stages.size()) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    if (!schedule.stages[i].runs) continue;
    std::set<std::size_t> reads;
    for (const Connection& connection : plan.stages[i].inputs)
      for (const Source& source : connection.sources) reads.insert(source.index);
    for (const std::size_t source : reads) ++readers_[source];
  }
}

void RunState::info(std::size_t stage, const std::string& text) {
  directory.log(RunDirectory::Level::info, fmt::format("[{}] {}", name(stage), text));
  const std::lock_guard<std::mutex> guard(observer_mutex_);
  if (options.observer != nullptr) options.observer->info(name(stage), text);
}

void RunState::warn(std::size_t stage, const std::string& text) {
  directory.log(RunDirectory::Level::warning, fmt::format("[{}] {}", name(stage), text));
  const std::lock_guard<std::mutex> guard(observer_mutex_);
  if (options.observer != nullptr) options.observer->warn(name(stage), text);
}

void RunState::begins(std::size_t stage) {
  const std::string& why = schedule.stages[stage].why;
  directory.log(RunDirectory::Level::info, fmt::format("[{}] begins ({}): {}", name(stage), plan.stages[stage].info->id, why));
  const std::lock_guard<std::mutex> guard(observer_mutex_);
  if (options.observer != nullptr) options.observer->stage_begins(name(stage), plan.stages[stage].info->id, why);
}

void RunState::cached(std::size_t stage) {
  directory.log(RunDirectory::Level::info,
                fmt::format("[{}] cached ({}): {}", name(stage), plan.stages[stage].info->id, schedule.identities[stage].key));
  const std::lock_guard<std::mutex> guard(observer_mutex_);
  if (options.observer != nullptr) options.observer->stage_cached(name(stage), plan.stages[stage].info->id);
}

void RunState::ends(std::size_t stage, double seconds) {
  directory.log(RunDirectory::Level::info, fmt::format("[{}] ended after {:.2f} s", name(stage), seconds));
  const std::lock_guard<std::mutex> guard(observer_mutex_);
  if (options.observer != nullptr) options.observer->stage_ends(name(stage), seconds);
}

void RunState::progress(std::size_t stage, const Progress& progress) {
  const std::lock_guard<std::mutex> guard(observer_mutex_);
  if (options.observer != nullptr) options.observer->progress(name(stage), progress);
}

void RunState::fail(std::exception_ptr error) {
  const std::lock_guard<std::mutex> guard(failure_mutex_);
  if (!failure_) failure_ = std::move(error);
  failed_ = true;
}

std::shared_ptr<RunState::Slot> RunState::slot(std::size_t stage, const std::string& port) {
  const std::lock_guard<std::mutex> guard(slots_mutex_);
  std::shared_ptr<Slot>& found = slots_[{stage, port}];
  if (!found) found = std::make_shared<Slot>();
  return found;
}

std::shared_ptr<const void> RunState::artifact(const Source& source) {
  const std::shared_ptr<Slot> place = slot(source.index, source.port);
  const std::lock_guard<std::mutex> guard(place->mutex);
  if (!place->artifact) {
    const PlannedStage& from = plan.stages[source.index];
    if (!from.info->cached) throw Error(fmt::format("stage '{}' gave no '{}'", from.name, source.port));
    const std::string& key = schedule.identities[source.index].key;
    const PortInfo& port = *output_port(from, source.port);
    std::shared_ptr<const void> artifact = cache.read(key, source.port, port.type);
    try {
      check_artifact(port, artifact, {}, {});
    } catch (const Error& e) {
      throw Error(fmt::format("the result of stage '{}' in the cache is wrong: {} ({}); update the plugin {}, which gave it, and run with --fresh",
                              from.name, e.what(), cache.file(key, source.port).string(), from.info->id));
    }
    place->artifact = std::move(artifact);
  }
  return place->artifact;
}

void RunState::keep(std::size_t stage, const std::string& port, std::shared_ptr<const void> artifact) {
  const std::shared_ptr<Slot> place = slot(stage, port);
  const std::lock_guard<std::mutex> guard(place->mutex);
  place->artifact = std::move(artifact);
}

void RunState::done_reading(std::size_t stage) {
  std::set<std::size_t> reads;
  for (const Connection& connection : plan.stages[stage].inputs)
    for (const Source& source : connection.sources) reads.insert(source.index);
  const std::lock_guard<std::mutex> guard(slots_mutex_);
  for (const std::size_t source : reads) {
    if (--readers_[source] > 0) continue;
    slots_.erase(slots_.lower_bound({source, std::string()}), slots_.lower_bound({source + 1, std::string()}));
  }
}

}  // namespace cdc
