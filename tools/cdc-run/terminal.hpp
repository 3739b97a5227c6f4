#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "exec/runner.hpp"

namespace cdc::program {

/// All scores of a summary: a table of clusterings and one of features, a row for each thing scored; empty where nothing was.
std::string score_table(const Value& summary);

/// What `--dry-run` prints.
std::string status_text(const std::vector<StageStatus>& stages);

/// Shows a run: on a terminal one live line of progress, elsewhere a line now and then (each tenth of the way, or after half a
/// minute). What is to be kept gets a line on both; half a minute then parts it from lines that are not.
class Terminal final : public RunObserver {
 public:
  using Clock = std::function<double()>;  ///< seconds
  /// `width`: columns; `live`: the stream is a terminal.
  Terminal(std::ostream& out, std::ostream& errors, bool live, int width, Clock clock);

  void info(const std::string& stage, const std::string& text) override;
  void warn(const std::string& stage, const std::string& text) override;
  void stage_begins(const std::string& stage, const std::string& plugin, const std::string& why) override;
  void stage_cached(const std::string& stage, const std::string& plugin) override;
  void stage_ends(const std::string& stage, double seconds) override;
  void progress(const std::string& stage, const Progress& progress) override;
  /// Takes the live line away.
  void finish();

 private:
  struct Active {
    bool seen = false, keeps = false;
    std::int64_t first = 0, tenth = -1;
    std::string unit;  ///< what `first` counts
    double began = 0, shown = 0;
    std::string line;
  };
  void print(const std::string& stage, const std::string& text);
  void show();
  static std::string line_of(const std::string& stage, const Progress& progress, const Active& active, double now);

  std::ostream &out_, &errors_;
  bool live_, drawn_ = false;
  int width_;
  Clock clock_;
  double redrawn_ = -1e9;
  std::map<std::string, Active> active_;
};

}  // namespace cdc::program
