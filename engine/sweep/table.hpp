#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sweep/runner.hpp"
#include "sweep/significance.hpp"

namespace cdc {

/// What a sweep found: a row for each cell but for the seeds, a column for each score.
struct SweepTable {
  /// Of the runs of a row and those of the same seeds in another.
  struct Difference {
    int runs = 0;
    double mean = 0;
    std::optional<Interval> interval;  ///< of the mean, 95 %
    std::optional<double> p;           ///< of the column's test against the highest, adjusted for all of them (Holm)
  };
  struct Figure {
    int runs = 0;  ///< that have this score
    double mean = 0;
    double deviation = 0;                  ///< sample standard deviation (n - 1) over the seeds; 0 for one run
    bool best = false;                     ///< see make_table()
    bool highest = false;                  ///< its mean is the highest of the column
    std::optional<Interval> interval;      ///< of the mean, 95 %
    std::optional<Difference> difference;  ///< to the highest of the column; of that itself none
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
  SweepStatistics statistics;        ///< what stands in it beside means and deviations
  std::vector<std::string> tests;    ///< of each column: "paired t-test" or "Welch's t-test"; empty where nothing was compared
};

/// The number called "ROW.SCORE" in a run's summary; nullptr where there is none. Names of rows may have dots of their own.
CDC_API const Value* find_score(const Value& summary, const std::string& name);
CDC_API const char* state_name(CellOutcome::State state);  ///< "done", "stopped early", ...
/// Mean and sample standard deviation.
CDC_API SweepTable::Figure over_seeds(const std::vector<double>& all);

/// In each column the row of the highest mean is `best` where it differs from every other row at 5 %, after Holm: by paired t-tests where all rows
/// have numbers of the same seeds, else by Welch's. Where one of the tests says nothing (a row of one run, numbers that do not vary) no row is; rows
/// without any number are left out.
CDC_API SweepTable make_table(const Sweep& sweep, const std::vector<CellOutcome>& outcomes);

/// What the mark means, a sentence that begins with `mark`; empty where there is none in the table.
CDC_API std::string mark_text(const SweepTable& table, const std::string& mark);
CDC_API std::string table_as_text(const SweepTable& table);  ///< aligned, "*" at the best, and what that means
CDC_API std::string table_as_csv(const SweepTable& table);  ///< RFC 4180; columns SCORE, "SCORE std" and "SCORE runs", and the statistics; all digits
CDC_API std::string table_as_markdown(const SweepTable& table);  ///< the best in bold
CDC_API std::string table_as_latex(const SweepTable& table);     ///< a tabular with booktabs' rules, the best in bold
/// Every cell with its seed, state and scores, as CSV.
CDC_API std::string cells_as_csv(const Sweep& sweep, const std::vector<CellOutcome>& outcomes, const std::vector<std::string>& scores);

}  // namespace cdc
