// What the scores of a plan are called. A row is called after the stage whose result was scored, whatever else is scored, so that no stage that is
// added changes a name.
#include <fmt/format.h>

#include <algorithm>

#include "graph/draft.hpp"

namespace cdc {
namespace {

/// A row of scores that a stage gives.
struct Row {
  const PlannedStage* by = nullptr;  ///< the stage that scores
  std::string scored, name;          ///< the stage whose result it is; the row
};

bool gives_scores(const ComponentInfo& info) {
  return info.kind == Kind::stage &&
         std::any_of(info.outputs.begin(), info.outputs.end(), [](const PortInfo& port) { return port.type == PortType::scores; });
}

/// The rows of one stage. Of a plugin that does not state what it scores: those of all that it reads, but for data sets.
std::vector<Row> rows_of(const Plan& plan, const PlannedStage& stage) {
  std::vector<Row> out;
  for (const Connection& connection : stage.inputs) {
    const PortInfo* port = stage.info->input(connection.port);
    if (stage.info->scored.empty() ? port == nullptr || port->type == PortType::dataset : connection.port != stage.info->scored) continue;
    for (const Source& source : connection.sources) {
      const std::string& scored = plan.stages.at(source.index).name;
      out.push_back({&stage, scored, score_row(stage.prefix, scored)});
    }
  }
  return out;
}

/// Where two stages give the same scores of one thing: the first of them, empty where they do not. Of plugins that do not state names, two of one
/// kind do.
std::string common_score(const PlannedStage& a, const PlannedStage& b) {
  if (a.info->scores.empty() || b.info->scores.empty()) return a.info == b.info ? "..." : "";
  for (const std::string& name : a.info->scores)
    if (std::find(b.info->scores.begin(), b.info->scores.end(), name) != b.info->scores.end()) return name;
  return {};
}

}  // namespace

std::string score_row(const std::string& prefix, const std::string& stage) { return prefix.empty() ? stage : prefix + "." + stage; }

PlannedScores planned_scores(const Plan& plan) {
  PlannedScores out;
  for (const PlannedStage& stage : plan.stages) {
    if (!gives_scores(*stage.info)) continue;
    out.complete = out.complete && !stage.info->scores.empty();
    for (const Row& row : rows_of(plan, stage)) {
      if (std::find(out.rows.begin(), out.rows.end(), row.name) == out.rows.end()) out.rows.push_back(row.name);
      for (const std::string& score : stage.info->scores) out.names.push_back(row.name + "." + score);
    }
  }
  return out;
}

namespace planning {

bool takes_prefix(const ComponentInfo& info) { return gives_scores(info) && info.parameter(kPrefix) == nullptr; }

void read_prefix(StageDraft& stage, Problems& problems) {
  if (stage.info == nullptr || !takes_prefix(*stage.info)) return;
  const Spec* given = stage.spec->find(kPrefix);
  if (given == nullptr || given->is_told()) return;
  if (given->is_string() && is_name(given->string()))
    stage.prefix = given->string();
  else
    problems.add(given->where, fmt::format("'{}' of {} must be a string of letters, digits, '_' and '-' (at most 100 of them): it stands before the "
                                           "names of its scores",
                                           kPrefix, stage.title()));
}

void check_scores(const Plan& plan, Problems& problems) {
  std::map<std::string, std::vector<Row>> known;
  for (const PlannedStage& stage : plan.stages) {
    if (!gives_scores(*stage.info)) continue;
    for (const Row& row : rows_of(plan, stage)) {
      std::vector<Row>& before = known[row.name];
      for (const Row& other : before) {
        if (other.by == row.by) {
          problems.add(stage.where,
                       fmt::format("stage '{0}' scores two results of stage '{1}', and scores are called after the stage, {1}: score one of them by "
                                   "another stage, with {2} = \"NAME\" there",
                                   stage.name, row.scored, kPrefix));
          break;
        }
        const std::string score = common_score(*other.by, stage);
        if (score.empty()) continue;
        problems.add(
            stage.where,
            fmt::format("stages '{0}' ({1}) and '{2}' both give {3}.{4}, the same score of stage '{5}' under the same name: write {6} = \"{2}\" "
                        "into this one for {2}.{5}.{4}, and likewise {6} = \"{0}\" into the other where {0}.{5}.{4} is wanted",
                        other.by->name, other.by->where.text(), stage.name, row.name, score, row.scored, kPrefix));
        break;
      }
      before.push_back(row);
    }
  }
}

}  // namespace planning
}  // namespace cdc
