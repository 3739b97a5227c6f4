#include "exec/summary.hpp"

#include <map>

namespace cdc {

Value gather_scores(const std::vector<std::pair<std::string, Value>>& of_stages) {
  std::map<std::string, int> times;
  for (const auto& [stage, values] : of_stages)
    for (const auto& [name, numbers] : values.as_table()) ++times[name];
  Value all = Value::table();
  for (const auto& [stage, values] : of_stages)
    for (const auto& [name, numbers] : values.as_table()) all[times[name] > 1 ? stage + "." + name : name] = numbers;
  return all;
}

Value make_summary(const std::string& pipeline, std::uint64_t seed, const std::vector<StageSummary>& stages, const Value& scores,
                   const std::string& started, const std::string& finished, double seconds) {
  Value summary = Value::table(), parts = Value::table();
  for (const StageSummary& stage : stages) {
    Value part = Value::table();
    part["plugin"] = stage.plugin;
    part["key"] = stage.key;
    part["cached"] = stage.cached;
    part["seconds"] = stage.seconds;
    for (const auto& [name, value] : stage.told.as_table())
      if (part.find(name) == nullptr) part[name] = value;  // the engine's own entries stand
    parts[stage.name] = std::move(part);
  }
  summary["pipeline"] = pipeline;
  summary["seed"] = static_cast<std::int64_t>(seed);
  summary["stages"] = std::move(parts);
  summary["scores"] = scores;
  summary["started"] = started;
  summary["finished"] = finished;
  summary["seconds"] = seconds;
  return summary;
}

}  // namespace cdc
