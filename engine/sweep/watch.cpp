#include "sweep/watch.hpp"

#include <fstream>
#include <utility>

#include "cdc/error.hpp"
#include "sweep/cell_files.hpp"

namespace cdc {

EpochWatch::EpochWatch(const Sweep& sweep, const std::vector<std::string>& keys, const SweepOptions& options)
    : sweep_(sweep), keys_(keys), options_(options) {}

void EpochWatch::read_on(std::size_t cell) {
  Reported& of = reported_[cell];
  const std::filesystem::path folder = cell_folder(options_, sweep_.cells[cell]);
  if (of.read == 0 && !is_of(folder, keys_[cell])) return;  // it has not begun; what is there is of an earlier form of the cell
  std::ifstream in(folder / "metrics.jsonl", std::ios::binary | std::ios::ate);
  if (!in) return;
  if (in.tellg() < of.read) of = {};  // written anew by a run that went on from a checkpoint
  in.seekg(of.read);
  std::string line;
  while (std::getline(in, line) && !in.eof()) {  // a line without its end is still being written
    of.read += static_cast<std::streamoff>(line.size()) + 1;
    try {
      if (const auto value = epoch_value(sweep_.stop, Value::from_json(line))) {
        // A run that goes on from a checkpoint may report an epoch again.
        while (!of.values.empty() && of.values.back().first >= value->first) of.values.pop_back();
        of.values.push_back(*value);
      }
    } catch (const Error&) {  // no JSON
    }
  }
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
