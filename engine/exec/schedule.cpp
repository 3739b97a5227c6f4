#include "exec/schedule.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "artifact/array_file.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

constexpr std::uint64_t kCheapBytes = std::uint64_t{256} << 20;

/// The record of the last result of this stage in a pipeline of this name; null where there is none.
Value last_record(const Plan& plan, std::size_t stage, const Cache& cache) {
  const std::filesystem::path path = cache.last_file(plan.name, plan.stages[stage].name);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  try {
    Value record = Value::from_json(read_file(path));
    record.at("plugin").as_string();
    return record;
  } catch (const Error&) {  // only the reason that is told gets poorer
    return {};
  }
}

/// The message of a damaged file without its remedy: it is mended here.
std::string damage(const std::string& message) {
  const std::size_t remedy = message.find("; remove");
  return remedy == std::string::npos ? message : message.substr(0, remedy);
}

class Scheduler {
 public:
  Scheduler(const Plan& plan, const Registry& registry, const RunOptions& options, Cache& cache, bool mend)
      : plan_(plan), options_(options), cache_(cache), mend_(mend) {
    schedule_.identities =
        identify_stages(plan, registry, options.device, cache.memo_folder(), [&](const std::string& stage, const Progress& progress) {
          if (options.stop != nullptr && *options.stop) throw Stopped("stopped while data files were read; the same command begins again");
          if (options.observer != nullptr) options.observer->progress(stage, progress);
        });
    if (mend) {
      std::vector<std::string> keys;
      for (const StageIdentity& identity : schedule_.identities) keys.push_back(identity.key);
      schedule_.use = cache.use(keys);
    }
    schedule_.stages.resize(plan.stages.size());
    damaged_.resize(plan.stages.size());
    demanded_.resize(plan.stages.size());
  }

  Schedule make() {
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) look_up(i);
    // Consumers stand behind what they read: backwards, all that asks for a stage is known when the stage is reached.
    for (std::size_t i = plan_.stages.size(); i-- > 0;) decide(i);
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) explain(i);
    return std::move(schedule_);
  }

 private:
  void check(std::size_t i, std::uint64_t largest) {
    ScheduledStage& stage = schedule_.stages[i];
    const std::string& key = schedule_.identities[i].key;
    try {
      stage.entry = cache_.verify(key, largest);
      stage.cached = true;
    } catch (const Error& e) {
      stage.cached = false;
      damaged_[i] = damage(e.what());
      schedule_.warnings.emplace_back(i, fmt::format("the result in the cache cannot be used: {}; it is computed again", damaged_[i]));
      if (mend_) cache_.remove(key);
    }
  }

  void look_up(std::size_t i) {
    if (plan_.stages[i].info->cached && !options_.fresh && cache_.contains(schedule_.identities[i].key)) check(i, kCheapBytes);
  }

  bool shown(std::size_t i) const { return options_.tensorboard && is_data_set(*plan_.stages[i].info); }

  void decide(std::size_t i) {
    ScheduledStage& stage = schedule_.stages[i];
    const ComponentInfo& info = *plan_.stages[i].info;
    if (stage.cached && demanded_[i]) check(i, UINT64_MAX);
    stage.runs = info.cached ? !stage.cached : demanded_[i] || info.outputs.empty() || shown(i);
    if (!stage.runs) return;
    for (const Connection& connection : plan_.stages[i].inputs)
      for (const Source& source : connection.sources) demanded_[source.index] = true;
  }

  void explain(std::size_t i) {
    ScheduledStage& stage = schedule_.stages[i];
    if (!plan_.stages[i].info->cached) {
      stage.why = !stage.runs                             ? "not needed"
                  : plan_.stages[i].info->outputs.empty() ? "it keeps no result"
                  : demanded_[i]                          ? readers(i)
                                                          : "--tensorboard shows its images";
    } else if (stage.runs) {
      stage.why = reason(i);
    }
  }

  std::string readers(std::size_t i) const {
    std::vector<std::string> names;
    for (std::size_t j = i + 1; j < plan_.stages.size(); ++j)
      for (const Connection& connection : plan_.stages[j].inputs)
        for (const Source& source : connection.sources)
          if (source.index == i && schedule_.stages[j].runs && (names.empty() || names.back() != quoted(j))) names.push_back(quoted(j));
    return fmt::format("{} {} it", fmt::join(names, ", "), names.size() == 1 ? "needs" : "need");
  }
  std::string quoted(std::size_t i) const { return "'" + plan_.stages[i].name + "'"; }

  std::string reason(std::size_t i) const {
    if (options_.fresh) return "--fresh";
    if (!damaged_[i].empty()) return "its result in the cache is damaged";
    const Value last = last_record(plan_, i, cache_);
    if (last.is_null()) return "no result with this key";
    const Value& now = schedule_.identities[i].record;
    std::vector<std::string> reasons = changes_between(last, now);
    for (const Connection& connection : plan_.stages[i].inputs)
      for (const Source& source : connection.sources) add_input_reason(connection, source, last, reasons);
    if (last.at("inputs") != now.at("inputs") && reasons.empty()) reasons.emplace_back("its inputs are connected otherwise");
    if (reasons.empty()) return "its result is no longer in the cache";
    return fmt::format("{}", fmt::join(reasons, "; "));
  }

  void add_input_reason(const Connection& connection, const Source& source, const Value& last, std::vector<std::string>& reasons) const {
    const std::string title = "input " + quoted(source.index);
    const ScheduledStage& from = schedule_.stages[source.index];
    const bool kept = plan_.stages[source.index].info->cached;
    std::string text;
    if (kept && from.runs) {
      text = title + " runs";
    } else {
      const Value* before = last.at("inputs").find(connection.port);
      const Value* old = nullptr;
      if (before != nullptr)
        for (const Value& entry : before->as_array())
          if (entry.at("stage").as_string() == plan_.stages[source.index].name && entry.at("port").as_string() == source.port) old = &entry;
      if (old == nullptr) {
        text = title + " is new";
      } else if (old->at("key").as_string() != schedule_.identities[source.index].key) {
        const Value record = last_record(plan_, source.index, cache_);
        const std::vector<std::string> changes =
            record.is_null() || kept ? std::vector<std::string>() : changes_between(record, schedule_.identities[source.index].record);
        text = changes.empty() ? title + " changed" : fmt::format("{}: {}", title, fmt::join(changes, "; "));
      }
    }
    if (text.empty()) return;
    for (const std::string& said : reasons)
      if (said == text) return;
    reasons.push_back(text);
  }

  const Plan& plan_;
  const RunOptions& options_;
  Cache& cache_;
  bool mend_;
  Schedule schedule_;
  std::vector<std::string> damaged_;
  std::vector<char> demanded_;
};

void remember_record(const Value& record, const std::filesystem::path& path) {
  const std::string text = record.to_json();
  std::error_code ignored;
  try {
    if (std::filesystem::exists(path, ignored) && read_file(path) == text) return;
    write_file(path, text, Durable::nothing);
  } catch (const Error&) {  // only the reason that is told next time gets poorer
  }
}

}  // namespace

bool is_data_set(const ComponentInfo& info) {
  return !info.cached && std::any_of(info.outputs.begin(), info.outputs.end(), [](const PortInfo& port) { return port.type == PortType::dataset; });
}

Schedule make_schedule(const Plan& plan, const Registry& registry, const RunOptions& options, Cache& cache, bool mend) {
  return Scheduler(plan, registry, options, cache, mend).make();
}

void remember(const Plan& plan, const Schedule& schedule, std::size_t stage, Cache& cache) {
  cache.mark(schedule.identities[stage].key, plan.name, plan.stages[stage].name);
  remember_record(schedule.identities[stage].record, cache.last_file(plan.name, plan.stages[stage].name));
  for (const Connection& connection : plan.stages[stage].inputs)
    for (const Source& source : connection.sources)
      if (!plan.stages[source.index].info->cached)
        remember_record(schedule.identities[source.index].record, cache.last_file(plan.name, plan.stages[source.index].name));
}

std::vector<StageStatus> stage_status(const Plan& plan, const Registry& registry, const RunOptions& options) {
  Cache cache(options.cache);
  const Schedule schedule = make_schedule(plan, registry, options, cache, false);
  std::vector<StageStatus> all;
  for (std::size_t i = 0; i < plan.stages.size(); ++i)
    all.push_back({plan.stages[i].name, plan.stages[i].info->id, schedule.identities[i].key, schedule.stages[i].cached, !plan.stages[i].info->cached,
                   schedule.stages[i].why, schedule.stages[i].runs});
  return all;
}

}  // namespace cdc
