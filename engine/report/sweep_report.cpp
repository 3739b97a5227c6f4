#include <fmt/format.h>

#include <algorithm>

#include "artifact/array_file.hpp"
#include "report/parts.hpp"
#include "report/report.hpp"
#include "sweep/plots.hpp"
#include "sweep/table.hpp"

namespace cdc {
namespace {

Value strings(const std::vector<std::string>& all) {
  Value out = Value::array();
  for (const std::string& one : all) out.push_back(one);
  return out;
}

void add_interval(Value& to, const std::optional<Interval>& interval) {
  if (!interval) return;
  to["low"] = interval->low;
  to["high"] = interval->high;
}

Value figure_table(const SweepTable& table, const SweepTable::Figure& figure) {
  Value value;
  if (figure.runs == 0) return value;
  value["mean"] = figure.mean;
  value["deviation"] = figure.deviation;
  value["runs"] = figure.runs;
  value["best"] = figure.best;
  value["highest"] = figure.highest;
  if (table.statistics.interval) add_interval(value, figure.interval);
  if (!table.statistics.difference || !figure.difference || figure.difference->runs == 0) return value;
  Value& difference = value["difference"];
  difference["mean"] = figure.difference->mean;
  difference["runs"] = figure.difference->runs;
  add_interval(difference, figure.difference->interval);
  if (figure.difference->p) difference["p"] = *figure.difference->p;
  return value;
}

Value table_table(const SweepTable& table) {
  Value out = Value::table(), rows = Value::array();
  out["labels"] = strings(table.labels);
  out["scores"] = strings(table.scores);
  out["interval"] = table.statistics.interval;
  out["difference"] = table.statistics.difference;
  if (const std::string means = mark_text(table, "★"); !means.empty()) out["mark"] = means + ".";
  for (const SweepTable::Row& row : table.rows) {
    Value one = Value::table(), values = Value::array();
    one["labels"] = strings(row.labels);
    one["done"] = row.done;
    one["cells"] = row.cells;
    for (const SweepTable::Figure& figure : row.values) values.push_back(figure_table(table, figure));
    one["values"] = std::move(values);
    rows.push_back(std::move(one));
  }
  out["rows"] = std::move(rows);
  return out;
}

Value cells_table(const Sweep& sweep, const std::vector<CellOutcome>& outcomes, const std::vector<std::string>& scores) {
  Value out = Value::array();
  for (std::size_t i = 0; i < sweep.cells.size(); ++i) {
    Value one = Value::table(), values = Value::table();
    one["id"] = sweep.cells[i].id;
    if (sweep.cells[i].seed >= 0) one["seed"] = sweep.cells[i].seed;
    one["state"] = state_name(outcomes[i].state);
    if (!outcomes[i].message.empty()) one["message"] = outcomes[i].message;
    if (const Value* seconds = outcomes[i].summary.find("seconds")) one["seconds"] = *seconds;
    for (const std::string& name : scores)
      if (const Value* value = find_score(outcomes[i].summary, name)) values[name] = *value;
    one["scores"] = std::move(values);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

Value sweep_report(const std::filesystem::path& file, const Sweep& sweep, const std::vector<CellOutcome>& outcomes, const SweepOptions& sweep_options,
                   const ReportOptions& options) {
  Value page = report_head("sweep", sweep.name, options), head = Value::table(), notes = Value::array();
  const auto count = [&](CellOutcome::State state) {
    return std::count_if(outcomes.begin(), outcomes.end(), [&](const CellOutcome& outcome) { return outcome.state == state; });
  };
  const SweepTable table = make_table(sweep, outcomes);
  head["file"] = file.string();
  head["folder"] = sweep_options.folder.string();
  head["again"] = sweep_options.command_line;
  head["text"] = read_file(file);
  head["cells"] = sweep.cells.size();
  head["done"] = static_cast<std::int64_t>(count(CellOutcome::State::done));
  page["sweep"] = std::move(head);
  page["table"] = table_table(table);
  page["cells"] = cells_table(sweep, outcomes, table.scores);
  std::vector<Chart> charts;
  for (auto& [name, chart] : score_charts(sweep, table)) charts.push_back(std::move(chart));
  for (auto& [name, chart] : curve_charts(sweep, table, outcomes, sweep_options)) charts.push_back(std::move(chart));
  page["charts"] = charts_table(charts);
  for (const std::string& score : table.unknown) notes.push_back(fmt::format("No run has the score '{}' that the sweep asks for.", score));
  if (const auto missing = count(CellOutcome::State::missing); missing > 0)
    notes.push_back(fmt::format("{} of {} runs are missing: the same sweep, called again, runs those alone.", missing, outcomes.size()));
  if (const auto failed = count(CellOutcome::State::failed); failed > 0)
    notes.push_back(
        fmt::format("{} of {} runs failed, and are in no number here: their messages stand in the list of runs.", failed, outcomes.size()));
  if (const auto early = count(CellOutcome::State::stopped); early > 0)
    notes.push_back(fmt::format("{} of {} runs were ended early, as the sweep's `stop` says, and are in no number here.", early, outcomes.size()));
  page["notes"] = std::move(notes);
  return page;
}

}  // namespace cdc
