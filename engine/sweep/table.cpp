#include "sweep/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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

void mark_best(Table& table, std::size_t column) {
  Table::Figure* best = nullptr;
  for (Table::Row& row : table.rows)
    if (row.values[column].runs > 0 && (best == nullptr || row.values[column].mean > best->mean)) best = &row.values[column];
  if (best == nullptr || best->runs < 2) return;
  int others = 0;
  for (const Table::Row& row : table.rows) {
    const Table::Figure& other = row.values[column];
    if (&other == best || other.runs == 0) continue;
    ++others;
    if (other.runs < 2 || best->mean - other.mean <= std::max(best->deviation, other.deviation)) return;
  }
  best->best = others > 0;
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

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string out;
  for (std::size_t i = 0; i < fields.size(); ++i) out += (i > 0 ? "," : "") + csv_field(fields[i]);
  return out + "\r\n";
}

std::string latex_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\textbackslash{}";
    else if (c == '~' || c == '^')
      out += fmt::format("\\{}{{}}", c);
    else
      out += (std::string("&%$#_{}").find(c) != std::string::npos ? "\\" : "") + std::string(1, c);
  }
  return out;
}

std::string markdown_text(const std::string& text) {
  std::string out;
  for (const char c : text) out += (c == '|' || c == '*' || c == '_' || c == '`' || c == '\\' ? "\\" : "") + std::string(1, c);
  return out;
}

}  // namespace

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
  std::vector<std::vector<std::vector<double>>> found;  // row, column, seed
  for (std::size_t i = 0; i < sweep.cells.size(); ++i) {
    const SweepCell& cell = sweep.cells[i];
    if (i == 0 || !same_row(cell, sweep.cells[i - 1])) {  // seeds follow each other
      Table::Row row;
      if (sweep.has_variants) row.labels.push_back(cell.title);
      for (const auto& [key, value] : cell.point) row.labels.push_back(shown(value));
      table.rows.push_back(std::move(row));
      found.emplace_back(table.scores.size());
    }
    ++table.rows.back().cells;
    if (outcomes[i].state != CellOutcome::State::done) continue;
    ++table.rows.back().done;
    for (std::size_t s = 0; s < table.scores.size(); ++s)
      if (const Value* score = find_score(outcomes[i].summary, table.scores[s])) found.back()[s].push_back(score->as_real());
  }
  for (std::size_t r = 0; r < table.rows.size(); ++r)
    for (const std::vector<double>& all : found[r]) table.rows[r].values.push_back(over_seeds(all));
  for (std::size_t s = 0; s < table.scores.size(); ++s) {
    mark_best(table, s);
    const bool known = std::any_of(table.rows.begin(), table.rows.end(), [&](const Table::Row& row) { return row.values[s].runs > 0; });
    const bool any_done = std::any_of(table.rows.begin(), table.rows.end(), [](const Table::Row& row) { return row.done > 0; });
    if (!known && any_done) table.unknown.push_back(table.scores[s]);
  }
  return table;
}

std::string table_as_text(const SweepTable& table) {
  std::vector<std::vector<std::string>> lines(1);
  lines[0] = table.labels;
  lines[0].emplace_back("runs");
  for (const std::string& score : table.scores) lines[0].push_back(score);
  for (const Table::Row& row : table.rows) {
    std::vector<std::string> line = row.labels;
    line.push_back(runs_of(row));
    for (const Table::Figure& v : row.values) line.push_back(shown_value(v, " ± ") + (v.best ? " *" : "  "));
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
  return out;
}

std::string table_as_csv(const SweepTable& table) {
  std::vector<std::string> head = table.labels;
  head.insert(head.end(), {"runs", "cells"});
  for (const std::string& score : table.scores) head.insert(head.end(), {score, score + " std", score + " runs"});
  std::string out = csv_line(head);
  for (const Table::Row& row : table.rows) {
    std::vector<std::string> line = row.labels;
    line.insert(line.end(), {std::to_string(row.done), std::to_string(row.cells)});
    for (const Table::Figure& v : row.values)
      line.insert(line.end(), {v.runs > 0 ? Value(v.mean).to_json() : "", v.runs > 1 ? Value(v.deviation).to_json() : "", std::to_string(v.runs)});
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
  }
  out += "\n" + rule + "\n";
  for (const Table::Row& row : table.rows) {
    out += "|";
    for (const std::string& label : row.labels) out += " " + markdown_text(label) + " |";
    out += " " + runs_of(row) + " |";
    for (const Table::Figure& v : row.values) {
      const std::string text = shown_value(v, " ± ");
      out += v.best ? " **" + text + "** |" : " " + text + " |";
    }
    out += "\n";
  }
  return out;
}

std::string table_as_latex(const SweepTable& table) {
  std::string out = "% \\usepackage{booktabs}\n\\begin{tabular}{" + std::string(table.labels.size(), 'l') +
                    std::string(table.scores.size() + 1, 'r') + "}\n\\toprule\n";
  for (const std::string& label : table.labels) out += latex_text(label) + " & ";
  out += "runs";
  for (const std::string& score : table.scores) out += " & " + latex_text(score);
  out += " \\\\\n\\midrule\n";
  for (const Table::Row& row : table.rows) {
    for (const std::string& label : row.labels) out += latex_text(label) + " & ";
    out += runs_of(row);
    for (const Table::Figure& v : row.values) {
      if (v.runs == 0) {
        out += " & --";
        continue;
      }
      const std::string text = shown_value(v, " \\pm ");
      out += v.best ? " & $\\mathbf{" + text + "}$" : " & $" + text + "$";
    }
    out += " \\\\\n";
  }
  return out + "\\bottomrule\n\\end{tabular}\n";
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
