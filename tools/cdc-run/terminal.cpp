#include "cdc-run/terminal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "base/escape.hpp"
#include "common/program.hpp"

namespace cdc::program {
namespace {

constexpr std::size_t kNameWidth = 16;
constexpr double kRedraw = 0.1;   // seconds between two states of the live line
constexpr double kSparse = 30.0;  // seconds between two sparse lines

std::string cell(const Value* value) {
  if (value == nullptr || !value->is_number()) return "-";
  return value->is_integer() ? fmt::format("{}", value->as_integer()) : fmt::format("{:.4f}", value->as_real());
}

using Column = std::pair<const char*, const char*>;  // title, key of the score

/// Which split was fitted on and which was scored, where a protocol says both; of all stages that scored the row.
std::string splits_text(const Value* protocol) {
  if (protocol == nullptr) return "";
  std::vector<std::string> said;
  const auto add = [&](const Value& one) {
    const Value *fit = one.find("fit_on"), *scored = one.find("scored_on");
    if (fit == nullptr || scored == nullptr || !fit->is_string() || !scored->is_string()) return;
    const std::string text = fmt::format("fitted on {}, scored on {}", fit->as_string(), scored->as_string());
    if (std::find(said.begin(), said.end(), text) == said.end()) said.push_back(text);
  };
  add(*protocol);
  if (const Value* also = protocol->find("also"); also != nullptr && also->is_table())
    for (const auto& [stage, other] : also->as_table()) add(other);
  return said.empty() ? "" : fmt::format("  {}", fmt::join(said, "; "));
}

/// With `splits`, which split was fitted on and scored at the end of rows that say both.
std::string table(const std::vector<std::pair<std::string, const Value*>>& rows, const std::vector<Column>& columns, bool splits) {
  if (rows.empty()) return "";
  std::size_t width = 0;
  for (const auto& [name, row] : rows) width = std::max(width, name.size());
  std::string text = fmt::format("{:<{}}", "", width);
  for (const auto& [title, key] : columns) text += fmt::format("  {:>8}", title);
  text += '\n';
  for (const auto& [name, row] : rows) {
    text += fmt::format("{:<{}}", name, width);
    for (const auto& [title, key] : columns) text += fmt::format("  {:>8}", cell(row->find(key)));
    text += (splits ? splits_text(row->find("protocol")) : "") + '\n';
  }
  return text;
}

}  // namespace

std::string score_table(const Value& summary) {
  static const std::vector<Column> clusterings = {{"ACC", "acc"},       {"NMI", "nmi"},         {"ARI", "ari"},
                                                  {"purity", "purity"}, {"entropy", "entropy"}, {"empty", "empty_clusters"}};
  static const std::vector<Column> features = {{"kNN", "knn_acc"}, {"majority", "knn_majority_acc"}, {"probe", "linear_probe_acc"}};
  const Value* scores = summary.find("scores");
  if (scores == nullptr || !scores->is_table()) return "";
  std::vector<std::pair<std::string, const Value*>> of_clusterings, of_features;
  for (const auto& [name, row] : scores->as_table()) {
    const auto has_one = [&r = row](const std::vector<Column>& of) {
      return std::any_of(of.begin(), of.end(), [&](const Column& c) { return r.find(c.second) != nullptr; });
    };
    if (has_one(features)) of_features.emplace_back(name, &row);
    if (has_one(clusterings) || !has_one(features)) of_clusterings.emplace_back(name, &row);
  }
  const std::string first = table(of_clusterings, clusterings, false), second = table(of_features, features, true);
  return first + (first.empty() || second.empty() ? "" : "\n") + second;
}

std::string status_text(const std::vector<StageStatus>& stages) {
  std::size_t width = 0;
  for (const StageStatus& stage : stages) width = std::max(width, stage.name.size());
  std::string text;
  for (const StageStatus& stage : stages) {
    const std::string state = stage.cached ? "cached" : stage.runs ? "runs because " + stage.why : stage.why;
    text += fmt::format("{:<{}}  {}\n", stage.name, width, state);
  }
  return text;
}

Terminal::Terminal(std::ostream& out, std::ostream& errors, bool live, int width, Clock clock)
    : out_(out), errors_(errors), live_(live), width_(std::max(width, 20)), clock_(std::move(clock)) {}

void Terminal::finish() {
  if (drawn_) out_ << "\r\x1b[K";
  drawn_ = false;
  out_.flush();
}

void Terminal::print(const std::string& stage, const std::string& text) {
  finish();
  if (stage.empty())
    out_ << terminal_text(text) << '\n';
  else
    out_ << fmt::format("{:<{}} {}\n", terminal_word(stage), kNameWidth, terminal_text(text));
  out_.flush();
  show();
}

void Terminal::info(const std::string& stage, const std::string& text) { print(stage, text); }

void Terminal::warn(const std::string& stage, const std::string& text) {
  finish();
  errors_ << "warning: " << (stage.empty() ? "" : "stage '" + terminal_word(stage) + "': ") << terminal_text(text) << std::endl;
  show();
}

void Terminal::stage_begins(const std::string& stage, const std::string& /*plugin*/, const std::string& why) {
  active_[stage].began = clock_();
  print(stage, "runs: " + why);
}

void Terminal::stage_cached(const std::string& stage, const std::string& /*plugin*/) { print(stage, "cached"); }

void Terminal::stage_ends(const std::string& stage, double seconds) {
  active_.erase(stage);
  print(stage, "done in " + duration_text(seconds));
}

std::string Terminal::line_of(const std::string& stage, const Progress& progress, const Active& active, double now) {
  std::string line = fmt::format("{:<{}} ", terminal_word(stage), kNameWidth);
  if (progress.text.empty())
    line += fmt::format("{} {}/{}", terminal_word(progress.unit), progress.done, progress.total);
  else
    line += terminal_word(progress.text);
  const std::int64_t since = progress.done - active.first, left = progress.total - progress.done;
  if (active.seen && since > 0 && left > 0 && now > active.began)
    line += fmt::format("  ETA {}", duration_text((now - active.began) * static_cast<double>(left) / static_cast<double>(since)));
  return line;
}

void Terminal::progress(const std::string& stage, const Progress& progress) {
  const double now = clock_();
  Active& active = active_[stage];
  active.line = line_of(stage, progress, active, now);
  if (!active.seen || active.unit != progress.unit) {  // from here on its speed is known
    active.seen = true;
    active.unit = progress.unit;
    active.first = progress.done;
    active.began = active.shown = now;
    active.tenth = progress.total > 0 ? progress.done * 10 / progress.total : 0;
  }
  const std::int64_t tenth = progress.total > 0 ? progress.done * 10 / progress.total : 0;
  if (progress.keep) {
    finish();
    out_ << active.line << std::endl;
    active.line.clear();  // it stands above the live line now
    active.keeps = true;
    active.shown = now;
    show();
    return;
  }
  if (live_) {
    if (now - redrawn_ >= kRedraw || progress.done == progress.total) show();
    return;
  }
  if ((tenth == active.tenth || active.keeps) && now - active.shown < kSparse) return;
  active.tenth = tenth;
  active.shown = now;
  out_ << active.line << std::endl;
}

void Terminal::show() {
  if (!live_) return;
  std::string line;
  for (const auto& [stage, active] : active_)
    if (!active.line.empty()) line += (line.empty() ? "" : "  |  ") + active.line;
  if (line.empty()) return;
  const auto columns = static_cast<std::size_t>(width_ - 1);
  if (line.size() > columns) line = line.substr(0, columns - 3) + "...";
  out_ << '\r' << line << "\x1b[K";
  out_.flush();
  drawn_ = true;
  redrawn_ = clock_();
}

}  // namespace cdc::program
