#include "sweep/table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/escape.hpp"

namespace cdc {
namespace {

using Table = SweepTable;

/// ACC and NMI of what was clustered; of features what was scored of them.
std::vector<std::string> usual_scores(const std::vector<CellOutcome>& outcomes) {
  std::vector<std::string> out;
  for (const CellOutcome& outcome : outcomes) {
    const Value* scores = outcome.summary.find("scores");
    if (scores == nullptr) continue;
    for (const auto& [row, values] : scores->as_table())
      for (const char* key : {"acc", "nmi", "knn_acc", "linear_probe_acc"}) {
        const std::string name = row + "." + key;
        if (values.find(key) != nullptr && std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
      }
  }
  return out;
}

/// The last word of a key where no other axis ends in it.
std::string short_name(const std::string& key, const std::vector<std::string>& all) {
  const auto last = [](const std::string& k) { return k.substr(k.rfind('.') + 1); };
  const auto same = std::count_if(all.begin(), all.end(), [&](const std::string& other) { return last(other) == last(key); });
  return same == 1 ? last(key) : key;
}

/// The numbers of a row's runs in one column, by seed.
using Runs = std::map<std::int64_t, double>;

std::vector<double> values_of(const Runs& runs) {
  std::vector<double> out;
  for (const auto& [seed, value] : runs) out.push_back(value);
  return out;
}

bool same_seeds(const Runs& a, const Runs& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) { return x.first == y.first; });
}

Table::Difference paired_difference(const Runs& row, const Runs& other) {
  std::vector<double> all;
  for (const auto& [seed, value] : row)
    if (const auto same = other.find(seed); same != other.end()) all.push_back(value - same->second);
  Table::Difference out;
  out.runs = static_cast<int>(all.size());
  out.mean = over_seeds(all).mean;
  out.interval = mean_interval(all);
  return out;
}

/// Compares all rows of a column with the one of the highest mean.
void compare(Table& table, std::size_t column, const std::vector<Runs>& runs) {
  std::vector<std::size_t> rows;  // those with numbers
  for (std::size_t r = 0; r < runs.size(); ++r)
    if (!runs[r].empty()) rows.push_back(r);
  table.tests.emplace_back();
  if (rows.empty()) return;
  const auto figure = [&](std::size_t row) -> Table::Figure& { return table.rows[row].values[column]; };
  const std::size_t best = *std::max_element(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) { return figure(a).mean < figure(b).mean; });
  figure(best).highest = true;
  rows.erase(std::find(rows.begin(), rows.end(), best));
  const bool paired = std::all_of(rows.begin(), rows.end(), [&](std::size_t row) { return same_seeds(runs[row], runs[best]); });
  std::vector<std::size_t> tested;
  std::vector<double> ps;
  for (const std::size_t row : rows) {
    figure(row).difference = paired_difference(runs[row], runs[best]);
    const std::vector<double> a = values_of(runs[best]), b = values_of(runs[row]);
    if (const std::optional<double> p = paired ? paired_test(a, b) : welch_test(a, b)) {
      tested.push_back(row);
      ps.push_back(*p);
    }
  }
  if (ps.empty()) return;
  table.tests.back() = paired ? "paired t-test" : "Welch's t-test";
  const std::vector<double> adjusted = holm(ps);
  for (std::size_t i = 0; i < tested.size(); ++i) figure(tested[i]).difference->p = adjusted[i];
  figure(best).best = tested.size() == rows.size() && *std::max_element(adjusted.begin(), adjusted.end()) < kLevel;
}

/// "0.675 +- 0.053", with the sign that the form has for it.
std::string shown_value(const Table::Figure& v, const char* plus_minus) {
  if (v.runs == 0) return "-";
  return v.runs == 1 ? fmt::format("{:.3f}", v.mean) : fmt::format("{:.3f}{}{:.3f}", v.mean, plus_minus, v.deviation);
}

std::string runs_of(const Table::Row& row) {
  return row.done == row.cells ? fmt::format("{}", row.done) : fmt::format("{} of {}", row.done, row.cells);
}

/// Display columns, not bytes: UTF-8 has continuation bytes.
std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string out;
  for (std::size_t i = 0; i < fields.size(); ++i) out += (i > 0 ? "," : "") + csv_field(fields[i]);
  return out + "\r\n";
}

std::string shown_interval(const std::optional<Interval>& interval) {
  return interval ? fmt::format("[{:.3f}, {:.3f}]", interval->low, interval->high) : "-";
}

/// "-0.112 [-0.203, -0.021], p = 0.031"
std::string shown_difference(const Table::Figure& v) {
  if (v.highest) return "highest";
  if (!v.difference || v.difference->runs == 0) return "-";
  const Table::Difference& d = *v.difference;
  return fmt::format("{:+.3f}{}{}", d.mean, d.interval ? " " + shown_interval(d.interval) : "",
                     !d.p            ? ""
                     : *d.p < 0.0005 ? ", p < 0.001"
                                     : fmt::format(", p = {:.3f}", *d.p));
}

/// The columns behind a score's own: their headings, or one row's cells.
std::vector<std::string> statistics_of(const Table& table, const Table::Figure* v) {
  std::vector<std::string> out;
  if (table.statistics.interval) out.push_back(v == nullptr ? "95 % interval" : shown_interval(v->interval));
  if (table.statistics.difference) out.push_back(v == nullptr ? "difference to the highest" : shown_difference(*v));
  return out;
}

}  // namespace

bool SweepStatistics::add(const std::string& name) {
  if (name == "interval") return interval = true;
  return name == "difference" && (difference = true);
}

const std::vector<std::string>& statistics_names() {
  static const std::vector<std::string> names{"interval", "difference"};
  return names;
}

const Value* find_score(const Value& summary, const std::string& name) {
  const std::size_t dot = name.rfind('.');
  const Value* scores = summary.find("scores");
  const Value* row = scores == nullptr ? nullptr : scores->find(name.substr(0, dot));
  const Value* found = row == nullptr ? nullptr : row->find(name.substr(dot + 1));
  return found != nullptr && found->is_number() ? found : nullptr;
}

const char* state_name(CellOutcome::State state) {
  switch (state) {
    case CellOutcome::State::done:
      return "done";
    case CellOutcome::State::failed:
      return "failed";
    case CellOutcome::State::stopped:
      return "stopped early";
    case CellOutcome::State::missing:
      break;
  }
  return "missing";
}

SweepTable::Figure over_seeds(const std::vector<double>& all) {
  SweepTable::Figure out;
  out.runs = static_cast<int>(all.size());
  if (all.empty()) return out;
  double sum = 0, squares = 0;
  for (const double x : all) sum += x;
  out.mean = sum / static_cast<double>(all.size());
  for (const double x : all) squares += (x - out.mean) * (x - out.mean);
  if (all.size() > 1) out.deviation = std::sqrt(squares / static_cast<double>(all.size() - 1));
  return out;
}

SweepTable make_table(const Sweep& sweep, const std::vector<CellOutcome>& outcomes) {
  Table table;
  if (sweep.has_variants) table.labels.emplace_back("variant");
  for (const std::string& key : sweep.axes) table.labels.push_back(short_name(key, sweep.axes));
  table.scores = sweep.columns.empty() ? usual_scores(outcomes) : sweep.columns;
  table.statistics = sweep.statistics;
  std::vector<std::vector<Runs>> found(table.scores.size());  // column, row
  for (std::size_t i = 0; i < sweep.cells.size(); ++i) {
    const SweepCell& cell = sweep.cells[i];
    if (i == 0 || !same_row(cell, sweep.cells[i - 1])) {  // seeds follow each other
      Table::Row row;
      if (sweep.has_variants) row.labels.push_back(cell.title);
      for (const auto& [key, value] : cell.point) row.labels.push_back(shown(value));
      table.rows.push_back(std::move(row));
      for (std::vector<Runs>& column : found) column.emplace_back();
    }
    ++table.rows.back().cells;
    if (outcomes[i].state != CellOutcome::State::done) continue;
    ++table.rows.back().done;
    for (std::size_t s = 0; s < table.scores.size(); ++s)
      if (const Value* score = find_score(outcomes[i].summary, table.scores[s])) found[s].back()[cell.seed] = score->as_real();
  }
  for (const std::vector<Runs>& column : found)
    for (std::size_t r = 0; r < table.rows.size(); ++r) {
      const std::vector<double> all = values_of(column[r]);
      table.rows[r].values.push_back(over_seeds(all));
      table.rows[r].values.back().interval = mean_interval(all);
    }
  for (std::size_t s = 0; s < table.scores.size(); ++s) {
    compare(table, s, found[s]);
    const bool known = std::any_of(table.rows.begin(), table.rows.end(), [&](const Table::Row& row) { return row.values[s].runs > 0; });
    const bool any_done = std::any_of(table.rows.begin(), table.rows.end(), [](const Table::Row& row) { return row.done > 0; });
    if (!known && any_done) table.unknown.push_back(table.scores[s]);
  }
  return table;
}

std::string mark_text(const SweepTable& table, const std::string& mark) {
  std::set<std::string> tests;
  for (std::size_t s = 0; s < table.scores.size(); ++s)
    if (std::any_of(table.rows.begin(), table.rows.end(), [&](const Table::Row& row) { return row.values[s].best; })) tests.insert(table.tests[s]);
  if (tests.empty()) return {};
  return fmt::format("{} above every other row of its column at 5 % ({}, two-sided, {}Holm over the rows)", mark, fmt::join(tests, " or "),
                     tests.count("paired t-test") > 0 ? "over common seeds, " : "");
}

std::string table_as_text(const SweepTable& table) {
  std::vector<std::vector<std::string>> lines(1);
  const auto add = [](std::vector<std::string>& to, const std::vector<std::string>& more) { to.insert(to.end(), more.begin(), more.end()); };
  for (const std::string& label : table.labels) lines[0].push_back(terminal_word(label));
  lines[0].emplace_back("runs");
  for (const std::string& score : table.scores) {
    lines[0].push_back(terminal_word(score));
    add(lines[0], statistics_of(table, nullptr));
  }
  for (const Table::Row& row : table.rows) {
    std::vector<std::string> line;
    for (const std::string& label : row.labels) line.push_back(terminal_word(label));
    line.push_back(runs_of(row));
    for (const Table::Figure& v : row.values) {
      line.push_back(shown_value(v, " ± ") + (v.best ? " *" : "  "));
      add(line, statistics_of(table, &v));
    }
    lines.push_back(std::move(line));
  }
  std::string out;
  for (const std::vector<std::string>& line : lines) {
    std::string text;
    for (std::size_t c = 0; c < line.size(); ++c) {
      std::size_t width = 0;
      for (const std::vector<std::string>& other : lines) width = std::max(width, columns_of(other[c]));
      const std::string space(width - columns_of(line[c]), ' ');
      const bool left = c < table.labels.size();
      text += (c > 0 ? "  " : "") + (left ? line[c] + space : space + line[c]);
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    out += text + "\n";
  }
  const std::string means = mark_text(table, "*");
  return out + (means.empty() ? "" : means + "\n");
}

std::string table_as_csv(const SweepTable& table) {
  std::vector<std::string> head = table.labels;
  head.insert(head.end(), {"runs", "cells"});
  const SweepStatistics& asked = table.statistics;
  for (const std::string& score : table.scores) {
    head.insert(head.end(), {score, score + " std", score + " runs"});
    if (asked.interval) head.insert(head.end(), {score + " low", score + " high"});
    if (asked.difference)
      head.insert(head.end(), {score + " difference", score + " difference low", score + " difference high", score + " difference p"});
  }
  const auto number = [](bool there, double x) { return there ? Value(x).to_json() : std::string(); };
  std::string out = csv_line(head);
  for (const Table::Row& row : table.rows) {
    std::vector<std::string> line = row.labels;
    line.insert(line.end(), {std::to_string(row.done), std::to_string(row.cells)});
    for (const Table::Figure& v : row.values) {
      line.insert(line.end(), {number(v.runs > 0, v.mean), number(v.runs > 1, v.deviation), std::to_string(v.runs)});
      const Interval of_mean = v.interval.value_or(Interval{});
      if (asked.interval) line.insert(line.end(), {number(v.interval.has_value(), of_mean.low), number(v.interval.has_value(), of_mean.high)});
      if (!asked.difference) continue;
      const Table::Difference d = v.difference.value_or(Table::Difference{});
      const Interval i = d.interval.value_or(Interval{});
      line.insert(line.end(), {number(d.runs > 0, d.mean), number(d.interval.has_value(), i.low), number(d.interval.has_value(), i.high),
                               number(d.p.has_value(), d.p.value_or(0))});
    }
    out += csv_line(line);
  }
  return out;
}

std::string table_as_markdown(const SweepTable& table) {
  std::string out = "|", rule = "|";
  for (const std::string& label : table.labels) {
    out += " " + markdown_text(label) + " |";
    rule += "---|";
  }
  out += " runs |";
  rule += "--:|";
  for (const std::string& score : table.scores) {
    out += " " + markdown_text(score) + " |";
    rule += "--:|";
    for (const std::string& title : statistics_of(table, nullptr)) {
      out += " " + title + " |";
      rule += "--:|";
    }
  }
  out += "\n" + rule + "\n";
  for (const Table::Row& row : table.rows) {
    out += "|";
    for (const std::string& label : row.labels) out += " " + markdown_text(label) + " |";
    out += " " + runs_of(row) + " |";
    for (const Table::Figure& v : row.values) {
      const std::string text = shown_value(v, " ± ");
      out += v.best ? " **" + text + "** |" : " " + text + " |";
      for (const std::string& cell : statistics_of(table, &v)) out += " " + cell + " |";
    }
    out += "\n";
  }
  const std::string means = mark_text(table, "**Bold**:");
  return out + (means.empty() ? "" : "\n" + means + ".\n");
}

std::string table_as_latex(const SweepTable& table) {
  const std::size_t numbers = 1 + table.scores.size() * (1 + statistics_of(table, nullptr).size());
  std::string out =
      "% \\usepackage{booktabs}\n\\begin{tabular}{" + std::string(table.labels.size(), 'l') + std::string(numbers, 'r') + "}\n\\toprule\n";
  for (const std::string& label : table.labels) out += latex_text(label) + " & ";
  out += "runs";
  for (const std::string& score : table.scores) {
    out += " & " + latex_text(score);
    for (const std::string& title : statistics_of(table, nullptr)) out += " & " + latex_text(title);
  }
  out += " \\\\\n\\midrule\n";
  for (const Table::Row& row : table.rows) {
    for (const std::string& label : row.labels) out += latex_text(label) + " & ";
    out += runs_of(row);
    for (const Table::Figure& v : row.values) {
      const std::string text = shown_value(v, " \\pm ");
      out += v.runs == 0 ? " & --" : v.best ? " & $\\mathbf{" + text + "}$" : " & $" + text + "$";
      for (const std::string& cell : statistics_of(table, &v)) out += cell == "-" ? " & --" : cell == "highest" ? " & highest" : " & $" + cell + "$";
    }
    out += " \\\\\n";
  }
  out += "\\bottomrule\n";
  if (const std::string means = mark_text(table, "Bold:"); !means.empty())
    out += fmt::format("\\multicolumn{{{}}}{{l}}{{\\footnotesize {}.}} \\\\\n", table.labels.size() + numbers, latex_text(means));
  return out + "\\end{tabular}\n";
}

std::string cells_as_csv(const Sweep& sweep, const std::vector<CellOutcome>& outcomes, const std::vector<std::string>& scores) {
  std::vector<std::string> head{"cell"};
  if (sweep.has_variants) head.emplace_back("variant");
  head.insert(head.end(), sweep.axes.begin(), sweep.axes.end());
  head.insert(head.end(), {"seed", "state"});
  head.insert(head.end(), scores.begin(), scores.end());
  std::string out = csv_line(head);
  for (std::size_t i = 0; i < sweep.cells.size(); ++i) {
    const SweepCell& cell = sweep.cells[i];
    std::vector<std::string> line{cell.id};
    if (sweep.has_variants) line.push_back(cell.variant);
    for (const auto& [key, value] : cell.point) line.push_back(shown(value));
    line.push_back(cell.seed >= 0 ? std::to_string(cell.seed) : "");
    line.emplace_back(state_name(outcomes[i].state));
    for (const std::string& name : scores) {
      const Value* score = find_score(outcomes[i].summary, name);
      line.push_back(score != nullptr ? score->to_json() : "");
    }
    out += csv_line(line);
  }
  return out;
}

}  // namespace cdc
