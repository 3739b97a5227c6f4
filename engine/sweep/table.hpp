#pragma once

#include <string>
#include <vector>

#include "sweep/runner.hpp"

namespace cdc {

/// What a sweep found: a row for each cell but for the seeds, a column for each score.
struct SweepTable {
  struct Figure {
    int runs = 0;  ///< that have this score
    double mean = 0;
    double deviation = 0;  ///< sample standard deviation (n - 1) over the seeds; 0 for one run
    bool best = false;     ///< see make_table()
  };
  struct Row {
    std::vector<std::string> labels;  ///< variant, then the value on each axis
    int done = 0, cells = 0;
    std::vector<Figure> values;
  };
  std::vector<std::string> labels;  ///< titles of the first columns
  std::vector<std::string> scores;  ///< "kmeans.acc"
  std::vector<Row> rows;
  std::vector<std::string> unknown;  ///< scores that the sweep names and no run has
};

/// The number called "ROW.SCORE" in a run's summary; nullptr where there is none. Names of rows may have dots of their own.
CDC_API const Value* find_score(const Value& summary, const std::string& name);
CDC_API const char* state_name(CellOutcome::State state);  ///< "done", "stopped early", ...
/// Mean and sample standard deviation.
CDC_API SweepTable::Figure over_seeds(const std::vector<double>& all);

/// In each column the row of the highest mean is `best` where its lead over every other row is larger than the larger of both standard deviations,
/// and both are of two runs or more: a smaller lead is one that other seeds may turn around.
CDC_API SweepTable make_table(const Sweep& sweep, const std::vector<CellOutcome>& outcomes);

CDC_API std::string table_as_text(const SweepTable& table);      ///< aligned, "*" at the best
CDC_API std::string table_as_csv(const SweepTable& table);       ///< RFC 4180; columns SCORE, "SCORE std" and "SCORE runs"; all digits
CDC_API std::string table_as_markdown(const SweepTable& table);  ///< the best in bold
CDC_API std::string table_as_latex(const SweepTable& table);     ///< a tabular with booktabs' rules, the best in bold
/// Every cell with its seed, state and scores, as CSV.
CDC_API std::string cells_as_csv(const Sweep& sweep, const std::vector<CellOutcome>& outcomes, const std::vector<std::string>& scores);

}  // namespace cdc
