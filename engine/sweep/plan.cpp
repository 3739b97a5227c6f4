// Every cell of a sweep as it will run, and what is wrong with any of them, or with all of them together.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "artifact/cache.hpp"
#include "artifact/hash.hpp"
#include "base/text_file.hpp"
#include "config/suggest.hpp"
#include "exec/identity.hpp"
#include "graph/planner.hpp"
#include "sweep/runner.hpp"

namespace cdc {
namespace {

/// Where the later of two cells that resolve to one run says what it is: the value that it has and the other has not, else its variant.
const Location& difference(const SweepCell& first, const SweepCell& later) {
  for (std::size_t a = 0; a < later.point.size(); ++a)
    if (!(later.point[a] == first.point[a]))
      for (const Override& change : later.changes)
        if (change.key == later.point[a].first) return change.value.where;
  return later.where;
}

/// A hash of all plugins that a pipeline names, in their order.
std::string kind_of(const std::string& pipeline) {
  std::string plugins;
  std::istringstream lines(pipeline);
  for (std::string line; std::getline(lines, line);)
    if (line.find("plugin") != std::string::npos) plugins += line + "\n";
  return hash_text(plugins).substr(0, 16);
}

/// What the plans of the cells have together: a name that none of them has is wrong, one that some have belongs to those.
class Names {
 public:
  void add(const Plan& plan) {
    const PlannedScores scores = planned_scores(plan);
    scores_.insert(scores.names.begin(), scores.names.end());
    if (!scores.complete) open_rows_.insert(scores.rows.begin(), scores.rows.end());
    for (const PlannedStage& stage : plan.stages) stages_.insert(stage.name);
  }

  void check_columns(const Sweep& sweep, std::vector<Diagnostic>& problems) const {
    const std::vector<std::string> known(scores_.begin(), scores_.end());
    for (std::size_t i = 0; i < sweep.columns.size(); ++i) {
      const std::string& name = sweep.columns[i];
      if (scores_.count(name) > 0 || open_rows_.count(name.substr(0, name.rfind('.'))) > 0) continue;
      const std::string meant = did_you_mean(name, known);
      problems.push_back({sweep.column_where[i], fmt::format("no stage gives the score '{}'{}", name,
                                                             !meant.empty()  ? meant
                                                             : known.empty() ? "; a stage of the family metric gives scores"
                                                                             : there_are(known))});
    }
  }

  void check_stop(const EarlyStop& stop, std::vector<Diagnostic>& problems) const {
    if (stop.rule == EarlyStop::Rule::none) return;
    if (stages_.count(stop.stage) > 0) return;
    const std::vector<std::string> names(stages_.begin(), stages_.end());
    const std::string meant = did_you_mean(stop.stage, names);
    problems.push_back({stop.stage_where, fmt::format("there is no stage '{}'{}", stop.stage, meant.empty() ? there_are(names) : meant)});
  }

 private:
  std::set<std::string> scores_, stages_;
  std::set<std::string> open_rows_;  ///< those of which not all scores are known
};

}  // namespace

std::vector<PlannedCell> plan_sweep(const Sweep& sweep, const Registry& registry, const SweepOptions& options) {
  const Cache cache(options.cache);
  std::vector<PlannedCell> out;
  std::vector<Diagnostic> problems;
  std::set<std::filesystem::path> readable, told;
  std::map<std::string, std::size_t> first;  // pipeline as resolved -> the cell
  Names names;
  for (std::size_t at = 0; at < sweep.cells.size(); ++at) {
    const SweepCell& cell = sweep.cells[at];
    if (readable.count(cell.pipeline) == 0) {
      const std::string problem = read_text(cell.pipeline, /*pipes=*/false).problem;
      if (!problem.empty()) {
        if (told.insert(cell.pipeline).second)
          problems.push_back({cell.pipeline_where, fmt::format("the pipeline {} {}", cell.pipeline.string(), problem)});
        continue;
      }
      readable.insert(cell.pipeline);
    }
    try {
      const Plan plan = plan_changed_pipeline(cell.pipeline, cell.changes, registry);
      PlannedCell planned;
      planned.pipeline = to_toml(plan.resolved);
      planned.kind = kind_of(planned.pipeline);
      const std::vector<StageIdentity> identities = identify_stages(plan, registry, options.device, cache.memo_folder());
      planned.key = run_key(plan, identities, options.device);
      for (std::size_t i = 0; i < plan.stages.size(); ++i)
        if (plan.stages[i].info->cached) planned.stages.push_back({plan.stages[i].name, identities[i].key, cache.contains(identities[i].key)});
      names.add(plan);
      if (const auto [same, is_new] = first.emplace(planned.pipeline, at); !is_new) {
        const SweepCell& other = sweep.cells[same->second];
        problems.push_back({difference(other, cell),
                            fmt::format("with this the run is the same as '{}': both resolve to one pipeline and seed, which is no repetition and no "
                                        "other point; take one of them out",
                                        other.id.substr(0, other.id.rfind('-')))});
      }
      out.push_back(std::move(planned));
    } catch (const ConfigError& e) {
      problems.insert(problems.end(), e.diagnostics().begin(), e.diagnostics().end());
    }
    if (problems.size() > 1000) break;  // the same mistakes over and over
  }
  if (problems.empty()) {  // else there may be names that are missing for that reason
    names.check_columns(sweep, problems);
    names.check_stop(sweep.stop, problems);
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return out;
}

}  // namespace cdc
