#include "sweep/watch.hpp"

#include <fmt/format.h>

#include <fstream>
#include <utility>

#include "cdc/error.hpp"
#include "config/suggest.hpp"
#include "sweep/cell_files.hpp"

namespace cdc {
namespace {

/// The names of a line's numbers, by their path.
void add_names(const Value& values, const std::string& before, std::set<std::string>& out) {
  for (const auto& [name, value] : values.as_table()) {
    if ((value.is_number() || value.is_null()) && name != "epoch") out.insert(before + name);  // null: a loss that is not finite
    if (value.is_table()) add_names(value, before + name + ".", out);
  }
}

}  // namespace

EpochWatch::EpochWatch(const Sweep& sweep, const std::vector<Run>& runs, const SweepOptions& options)
    : sweep_(sweep), runs_(runs), options_(options) {
  for (const Run& run : runs_) kinds_.insert(run.kind);
}

void EpochWatch::ended(std::size_t cell) {
  if (sweep_.stop.rule == EarlyStop::Rule::none) return;
  read_on(cell);
  if (reported_[cell].values.empty()) lacking_.insert(runs_[cell].kind);
}

void EpochWatch::check_score() const {
  const EarlyStop& stop = sweep_.stop;
  if (stop.rule == EarlyStop::Rule::none || score_known_ || lacking_ != kinds_) return;
  const std::vector<std::string> names(names_.begin(), names_.end());
  const std::string meant = did_you_mean(stop.score, names);
  throw ConfigError(
      {{stop.score_where, names.empty() ? fmt::format("stage '{}' reports nothing with epochs, so that 'stop' would never stop a run: name "
                                                      "a stage that does, or leave 'stop' out",
                                                      stop.stage)
                                        : fmt::format("stage '{}' has reported no '{}' by epoch {}{}; where it comes with later epochs, set "
                                                      "'grace' to the first of them",
                                                      stop.stage, stop.score, stop.grace, meant.empty() ? there_are(names) : meant)}});
}

void EpochWatch::read_on(std::size_t cell) {
  Reported& of = reported_[cell];
  const std::filesystem::path folder = cell_folder(options_, sweep_.cells[cell]);
  if (of.read == 0 && !is_of(folder, runs_[cell].key)) return;  // it has not begun; what is there is of an earlier form of the cell
  std::ifstream in(folder / "metrics.jsonl", std::ios::binary | std::ios::ate);
  if (!in) return;
  if (in.tellg() < of.read) of = {};  // written anew by a run that went on from a checkpoint
  in.seekg(of.read);
  std::string line;
  while (std::getline(in, line) && !in.eof()) {  // a line without its end is still being written
    of.read += static_cast<std::streamoff>(line.size()) + 1;
    try {
      const Value reported = Value::from_json(line);
      note(cell, reported);
      if (const auto value = epoch_value(sweep_.stop, reported)) {
        // A run that goes on from a checkpoint may report an epoch again.
        while (!of.values.empty() && of.values.back().first >= value->first) of.values.pop_back();
        of.values.push_back(*value);
      }
    } catch (const Error&) {  // no JSON
    }
  }
}

void EpochWatch::note(std::size_t cell, const Value& line) {
  const Value *stage = line.find("stage"), *epoch = line.find("epoch");
  if (score_known_ || stage == nullptr || *stage != Value(sweep_.stop.stage) || epoch == nullptr || !epoch->is_integer()) return;
  add_names(line, "", names_);
  score_known_ = names_.count(sweep_.stop.score) > 0;
  if (!score_known_ && epoch->as_integer() >= sweep_.stop.grace) lacking_.insert(runs_[cell].kind);
}

std::string EpochWatch::reason_to_stop(std::size_t cell) {
  if (sweep_.stop.rule == EarlyStop::Rule::none) return "";
  read_on(cell);
  const EpochValues own = reported_[cell].values;
  // What was judged counts, not what was read: this cell's lines may have been read for another's sake.
  const std::size_t before = std::exchange(reported_[cell].judged, own.size());
  if (own.size() <= before) return "";
  std::vector<EpochValues> others;
  for (std::size_t i = 0; i < sweep_.cells.size(); ++i) {
    if (i == cell) continue;
    read_on(i);
    if (!reported_[i].values.empty()) others.push_back(reported_[i].values);
  }
  for (std::size_t n = before + 1; n <= own.size(); ++n)  // each epoch that came since
    if (const auto why = cdc::reason_to_stop(sweep_.stop, EpochValues(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(n)), others))
      return *why;
  return "";
}

}  // namespace cdc
