#include "report/ended_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "artifact/array_file.hpp"
#include "artifact/run_files.hpp"
#include "base/shell.hpp"
#include "cdc/error.hpp"
#include "exec/artifact_check.hpp"
#include "graph/planner.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// The first output of this type that the stage has with its parameters.
std::optional<Source> output_of_type(const Plan& plan, std::size_t stage, PortType type, const Registry& registry) {
  const PlannedStage& planned = plan.stages[stage];
  for (const PortInfo& port : planned.info->outputs) {
    if (port.type != type) continue;
    if (port.present && !port.present(*registry.create(*planned.info, planned.parameters))) continue;
    return Source{stage, port.name};
  }
  return std::nullopt;
}

PortType type_of(const Plan& plan, const Source& source) { return plan.stages[source.index].info->output(source.port)->type; }

}  // namespace

EndedRun::EndedRun(fs::path directory, const fs::path& cache, const Registry& registry) : directory_(std::move(directory)) {
  if (!fs::exists(directory_ / "run.json")) throw Error(fmt::format("{} is no run's directory: it has no run.json", directory_.string()));
  record_ = read_run_record(directory_);
  if (!fs::exists(directory_ / "summary.json"))
    throw Error(fmt::format("the run in {} has not ended: the command that began it goes on ({})", directory_.string(),
                            record_.at("command_line").as_string()));
  summary_ = read_run_summary(directory_);
  pipeline_ = read_file(directory_ / "pipeline.toml");
  plan_ = plan_text(pipeline_, (directory_ / "pipeline.toml").string(), {}, registry);
  const Value* recorded = record_.find("cache");
  cache_folder_ = !cache.empty() ? cache : recorded != nullptr ? fs::path(recorded->as_string()) : fs::path("cache");
  if (fs::is_directory(cache_folder_)) cache_ = std::make_unique<Cache>(cache_folder_, Cache::Access::read);
  for (std::size_t i = 0; i < plan_.stages.size(); ++i)
    if (const auto found = output_of_type(plan_, i, PortType::assignment, registry)) {
      const std::size_t stage = found->index;
      clusterings_.push_back({*found, features_of(stage), dataset_of(stage)});
    }
}

std::vector<Value> EndedRun::metrics() const { return read_run_metrics(directory_); }

std::shared_ptr<const void> EndedRun::read(const Source& source, PortType type) const {
  const std::string& stage = plan_.stages[source.index].name;
  const Value& stages = record_.at("stages");
  const Value* recorded = stages.find(stage);
  const auto gone = [&](const std::string& what) {
    return Error(fmt::format("the result of stage '{}' {} {}; `cdc-run {}` makes it again", stage, what, cache_folder_.string(),
                             shell_quoted((directory_ / "pipeline.toml").string())));
  };
  if (!cache_) throw gone("is not there: there is no cache in");
  if (recorded == nullptr || !cache_->contains(recorded->at("key").as_string())) throw gone("is not in the cache any more:");
  try {
    std::shared_ptr<const void> result = cache_->read(recorded->at("key").as_string(), source.port, type);
    check_artifact(*plan_.stages[source.index].info->output(source.port), result, {}, {});
    return result;
  } catch (const Error& e) {
    throw gone(fmt::format("cannot be read ({}):", e.what()));
  }
}

/// Walks against the wiring, nearest stages first.
std::optional<Source> EndedRun::dataset_of(std::size_t stage) const {
  std::vector<std::size_t> next{stage};
  std::vector<char> seen(plan_.stages.size());
  for (std::size_t at = 0; at < next.size(); ++at)
    for (const Connection& connection : plan_.stages[next[at]].inputs)
      for (const Source& source : connection.sources) {
        if (type_of(plan_, source) == PortType::dataset) return source;
        if (!seen[source.index]++) next.push_back(source.index);
      }
  return std::nullopt;
}

std::optional<Source> EndedRun::features_of(std::size_t stage) const {
  for (const Connection& connection : plan_.stages[stage].inputs)
    for (const Source& source : connection.sources)
      if (type_of(plan_, source) == PortType::features) return source;
  const std::optional<Source> data = dataset_of(stage);
  for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
    bool of_model = false, of_data = false;
    for (const Connection& connection : plan_.stages[i].inputs)
      for (const Source& source : connection.sources) {
        of_model = of_model || (source.index == stage && type_of(plan_, source) == PortType::model);
        of_data = of_data || (data && source.index == data->index && source.port == data->port);
      }
    if (!of_model || !of_data) continue;
    for (const PortInfo& port : plan_.stages[i].info->outputs)
      if (port.type == PortType::features) return Source{i, port.name};
  }
  return std::nullopt;
}

}  // namespace cdc
