#include "exec/summary.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/plan.hpp"

namespace cdc {
namespace {

constexpr const char* kProtocol = "protocol";

/// Adds what another stage says of the same thing.
void add_to_row(Value& row, const std::string& stage, const Value& scores) {
  Value protocol = Value::table(), names = Value::array();
  for (const auto& [name, value] : scores.as_table()) {
    if (name == kProtocol) continue;
    row[name] = value;
    names.push_back(name);
  }
  protocol["scores"] = std::move(names);
  if (const Value* own = scores.find(kProtocol); own != nullptr && own->is_table())
    for (const auto& [name, value] : own->as_table()) protocol[name] = value;
  Value& first = row[kProtocol];
  if (!first.is_table()) first = Value::table();
  Value& also = first["also"];
  if (!also.is_table()) also = Value::table();
  also[stage] = std::move(protocol);
}

}  // namespace

Value gather_scores(const std::vector<StageScores>& of_stages, std::vector<std::string>* clashes) {
  Value all = Value::table();
  for (const StageScores& one : of_stages)
    for (const auto& [scored, numbers] : one.values.as_table()) {
      const std::string name = score_row(one.prefix, scored);
      const Value* row = all.find(name);
      if (row == nullptr || !row->is_table() || !numbers.is_table()) {
        all[row == nullptr ? name : one.stage + "." + name] = numbers;
        continue;
      }
      const auto& entries = numbers.as_table();
      const auto twice = std::find_if(entries.begin(), entries.end(),
                                      [&](const auto& entry) { return entry.first != kProtocol && row->find(entry.first) != nullptr; });
      if (twice == entries.end()) {
        add_to_row(all[name], one.stage, numbers);
        continue;
      }
      all[one.stage + "." + name] = numbers;
      if (clashes != nullptr)
        clashes->push_back(
            fmt::format("another stage gives {0}.{1} too: that of stage '{2}' is called {2}.{0}.{1} here; write prefix = \"{2}\" into it, so "
                        "that it keeps that name whatever else is scored",
                        name, twice->first, one.stage));
    }
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
    if (!stage.warnings.empty()) {
      part["warnings"] = Value::array();
      for (const std::string& text : stage.warnings) part["warnings"].push_back(text);
    }
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
