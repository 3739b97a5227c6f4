#include "sweep/plots.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "artifact/array_file.hpp"
#include "artifact/run_files.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

constexpr std::size_t kMostLines = 16;

/// What a file may be called.
std::string file_name(const std::string& text) {
  std::string out;
  for (const char c : text) out += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' ? c : '_';
  return out;
}

/// The value of a row on the axis that is column `label` of the table: a number, or nothing.
std::optional<double> number_at(const SweepCell& cell, std::size_t axis) {
  const Value& value = cell.point[axis].second;
  if (!value.is_number()) return std::nullopt;
  return value.as_real();
}

/// What tells a line from the others: the variant, and of each axis its name and value.
std::string line_name(const Sweep& sweep, const SweepTable& table, std::size_t row, std::size_t without) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < table.labels.size(); ++i) {
    const std::string& value = table.rows[row].labels[i];
    if (i != without) parts.push_back(sweep.has_variants && i == 0 ? value : table.labels[i] + "=" + value);
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// The first cell of each row of the table.
std::vector<const SweepCell*> first_cells(const Sweep& sweep) {
  std::vector<const SweepCell*> out;
  for (std::size_t i = 0; i < sweep.cells.size(); ++i)
    if (i == 0 || !same_row(sweep.cells[i], sweep.cells[i - 1])) out.push_back(&sweep.cells[i]);
  return out;
}

double nan() { return std::numeric_limits<double>::quiet_NaN(); }

void add_point(ChartSeries& series, double x, const SweepTable::Figure& v) {
  series.x.push_back(x);
  series.y.push_back(v.mean);
  series.low.push_back(v.runs > 1 ? v.mean - v.deviation : nan());
  series.high.push_back(v.runs > 1 ? v.mean + v.deviation : nan());
}

Chart score_chart(const Sweep& sweep, const SweepTable& table, std::size_t score, std::size_t label) {
  const std::vector<const SweepCell*> cells = first_cells(sweep);
  const bool variants = sweep.has_variants && label == 0;
  const std::size_t axis = label - (sweep.has_variants ? 1 : 0);
  Chart chart;
  chart.title = table.scores[score];
  chart.y_title = table.scores[score].substr(table.scores[score].rfind('.') + 1);
  chart.x_title = variants ? "" : table.labels[label];
  std::vector<double> places;
  bool numbers = !variants;
  for (std::size_t r = 0; numbers && r < cells.size(); ++r) numbers = number_at(*cells[r], axis).has_value();
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const std::string& name = table.rows[r].labels[label];
    if (numbers) {
      places.push_back(*number_at(*cells[r], axis));
      continue;
    }
    auto at = std::find(chart.categories.begin(), chart.categories.end(), name);
    if (at == chart.categories.end()) at = chart.categories.insert(at, name);
    places.push_back(static_cast<double>(at - chart.categories.begin()));
  }
  if (numbers) {  // a logarithmic axis where values are spread evenly on one, or nearly
    const auto [low, high] = std::minmax_element(places.begin(), places.end());
    const std::set<double> distinct(places.begin(), places.end());
    chart.logarithmic = *low > 0 && distinct.size() > 2 && *high / *low >= 20;
  }
  std::map<std::string, std::size_t> lines;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const auto [at, is_new] = lines.emplace(line_name(sweep, table, r, label), chart.series.size());
    if (is_new) chart.series.emplace_back().name = at->first;
    const SweepTable::Figure& v = table.rows[r].values[score];
    if (v.runs > 0) add_point(chart.series[at->second], places[r], v);
  }
  if (chart.series.size() > kMostLines) {
    ChartSeries all;
    std::map<double, std::vector<double>> by_place;
    for (const ChartSeries& s : chart.series)
      for (std::size_t i = 0; i < s.x.size(); ++i) by_place[s.x[i]].push_back(s.y[i]);
    for (const auto& [x, ys] : by_place) add_point(all, x, over_seeds(ys));
    chart.series = {std::move(all)};
    chart.title += ", mean over the rest";
  }
  for (ChartSeries& s : chart.series) {  // lines go from left to right
    std::vector<std::size_t> order(s.x.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return s.x[a] < s.x[b]; });
    const ChartSeries before = s;
    for (std::size_t i = 0; i < order.size(); ++i) {
      s.x[i] = before.x[order[i]];
      s.y[i] = before.y[order[i]];
      s.low[i] = before.low[order[i]];
      s.high[i] = before.high[order[i]];
    }
  }
  return chart;
}

bool has_points(const Chart& chart) {
  return std::any_of(chart.series.begin(), chart.series.end(), [](const ChartSeries& s) { return !s.x.empty(); });
}

/// A number that a stage of a run reported with an epoch.
struct EpochValue {
  std::string stage, name;  ///< "kmeans.oracle.acc" of a table in a table
  double epoch = 0, value = 0;
};

/// Those of a line of metrics.jsonl, but for speed and learning rates.
void values_of_line(const Value& values, const std::function<void(const EpochValue&)>& call) {
  static const std::set<std::string> left_out{"stage", "epoch", "learning_rate", "seconds", "images_per_second", "waiting_share"};
  const Value *epoch = values.find("epoch"), *stage = values.find("stage");
  if (epoch == nullptr || !epoch->is_number() || stage == nullptr) return;
  const std::function<void(const std::string&, const Value&)> add = [&](const std::string& name, const Value& value) {
    if (value.is_number()) call({stage->as_string(), name, epoch->as_real(), value.as_real()});
    if (value.is_table())
      for (const auto& [inner, one] : value.as_table()) add(name + "." + inner, one);
  };
  for (const auto& [name, value] : values.as_table())
    if (left_out.count(name) == 0) add(name, value);
}

/// Those of a run's metrics.jsonl; none where it has no such file.
void each_epoch_value(const std::filesystem::path& run, const std::function<void(const EpochValue&)>& call) {
  std::istringstream lines;
  try {
    lines.str(read_file(run / "metrics.jsonl"));
  } catch (const Error&) {
    return;
  }
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    try {
      values_of_line(Value::from_json(line), call);
    } catch (const Error& e) {
      throw Error(fmt::format("{}, line {} is damaged ({}): remove that folder, and the same command makes it again",
                              (run / "metrics.jsonl").string(), number, e.what()));
    }
  }
  read_run_metrics(run);  // whether they fit their checksum
}

Chart curve_chart(const std::string& stage, const std::string& name) {
  Chart chart;
  chart.title = stage + ": " + name;
  chart.x_title = "epoch";
  chart.y_title = name;
  return chart;
}

/// A file name that no other chart has: names may differ in nothing but letters that files have not.
std::string free_name(const std::string& text, const std::vector<std::pair<std::string, Chart>>& others) {
  const std::string name = file_name(text);
  std::string out = name;
  for (int n = 2; std::any_of(others.begin(), others.end(), [&](const auto& other) { return other.first == out; }); ++n)
    out = fmt::format("{}_{}", name, n);
  return out;
}

}  // namespace

std::vector<std::pair<std::string, Chart>> score_charts(const Sweep& sweep, const SweepTable& table) {
  std::vector<std::pair<std::string, Chart>> out;
  for (std::size_t s = 0; s < table.scores.size(); ++s)
    for (std::size_t l = 0; l < table.labels.size(); ++l) {
      Chart chart = score_chart(sweep, table, s, l);
      if (has_points(chart)) out.emplace_back(free_name(table.scores[s] + "_by_" + table.labels[l], out), std::move(chart));
    }
  return out;
}

std::vector<std::pair<std::string, Chart>> curve_charts(const Sweep& sweep, const SweepTable& table, const std::vector<CellOutcome>& outcomes,
                                                        const SweepOptions& options) {
  // chart -> row -> epoch -> values of the seeds
  std::map<std::pair<std::string, std::string>, std::map<std::size_t, std::map<double, std::vector<double>>>> found;
  std::size_t row = 0;
  for (std::size_t i = 0; i < sweep.cells.size(); ++i) {
    if (i > 0 && !same_row(sweep.cells[i], sweep.cells[i - 1])) ++row;
    if (outcomes[i].state != CellOutcome::State::done || row >= kMostLines) continue;
    each_epoch_value(cell_folder(options, sweep.cells[i]), [&](const EpochValue& v) { found[{v.stage, v.name}][row][v.epoch].push_back(v.value); });
  }
  std::vector<std::pair<std::string, Chart>> out;
  for (const auto& [what, rows] : found) {
    Chart chart = curve_chart(what.first, what.second);
    for (const auto& [r, epochs] : rows) {
      ChartSeries series;
      series.name = line_name(sweep, table, r, table.labels.size());
      for (const auto& [epoch, all] : epochs) add_point(series, epoch, over_seeds(all));
      chart.series.push_back(std::move(series));
    }
    if (has_points(chart)) out.emplace_back(free_name("curve_" + what.first + "_" + what.second, out), std::move(chart));
  }
  return out;
}

std::vector<Chart> run_curves(const std::filesystem::path& run) {
  std::vector<Chart> out;
  std::map<std::pair<std::string, std::string>, std::size_t> place;  // charts stand as their first values do in the file
  each_epoch_value(run, [&](const EpochValue& v) {
    const auto [at, is_new] = place.emplace(std::pair(v.stage, v.name), out.size());
    if (is_new) {
      out.push_back(curve_chart(v.stage, v.name));
      out.back().series.emplace_back().name = v.name;
    }
    ChartSeries& series = out[at->second].series[0];
    series.x.push_back(v.epoch);
    series.y.push_back(v.value);
  });
  return out;
}

bool is_plot_file(const std::string& name) {
  const std::size_t ending = name.size() < 5 ? 0 : name.size() - 4;
  return name.compare(ending, 4, ".svg") == 0 && (name.rfind("curve_", 0) == 0 || name.find("_by_") != std::string::npos);
}

}  // namespace cdc
