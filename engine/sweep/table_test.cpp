#include "sweep/table.hpp"

#include <gtest/gtest.h>

namespace cdc {
namespace {

/// Variants with the ACC of their runs; a negative one is a run that failed.
struct Case {
  Sweep sweep;
  std::vector<CellOutcome> outcomes;
  explicit Case(const std::vector<std::pair<std::string, std::vector<double>>>& rows) {
    sweep.has_variants = true;
    for (const auto& [name, accs] : rows) {
      std::int64_t seed = 0;
      for (const double acc : accs) {
        SweepCell cell;
        cell.variant = name;
        cell.title = name;
        cell.seed = seed++;
        cell.id = name + std::to_string(cell.seed);
        sweep.cells.push_back(std::move(cell));
        CellOutcome outcome;
        outcome.state = acc < 0 ? CellOutcome::State::failed : CellOutcome::State::done;
        if (acc >= 0) outcome.summary["scores"]["kmeans"]["acc"] = acc;
        outcomes.push_back(std::move(outcome));
      }
    }
  }
  SweepTable table() const { return make_table(sweep, outcomes); }
};

bool best(const SweepTable& table, std::size_t row) { return table.rows[row].values[0].best; }

TEST(SweepTable, MeanAndSampleDeviationOverTheSeeds) {
  const SweepTable t = Case({{"a", {0.5, 0.6, 0.7}}, {"b", {0.4}}}).table();
  ASSERT_EQ(t.scores, std::vector<std::string>{"kmeans.acc"});
  EXPECT_DOUBLE_EQ(t.rows[0].values[0].mean, 0.6);
  EXPECT_NEAR(t.rows[0].values[0].deviation, 0.1, 1e-12);
  EXPECT_EQ(t.rows[0].values[0].runs, 3);
  EXPECT_EQ(t.rows[1].values[0].runs, 1);
}

TEST(SweepTable, TheBestIsMarkedWhereItsLeadIsLargerThanTheSpread) {
  const SweepTable clear = Case({{"a", {0.5, 0.6}}, {"b", {0.8, 0.81}}}).table();
  EXPECT_FALSE(best(clear, 0));
  EXPECT_TRUE(best(clear, 1));
  for (const SweepTable& unclear : {Case({{"a", {0.5, 0.7}}, {"b", {0.65, 0.66}}}).table(),  // the other's spread is larger
                                    Case({{"a", {0.5, 0.5}}, {"b", {0.9}}}).table(),         // one run has no spread
                                    Case({{"a", {0.5, 0.5}}, {"b", {0.5, 0.5}}}).table(), Case({{"a", {0.5, 0.5}}}).table()})
    for (const SweepTable::Row& row : unclear.rows) EXPECT_FALSE(row.values[0].best);
}

TEST(SweepTable, RunsThatFailedAreCountedAndNoPartOfTheMean) {
  const SweepTable t = Case({{"a", {0.5, -1, 0.7}}, {"b", {-1}}}).table();
  EXPECT_EQ(t.rows[0].done, 2);
  EXPECT_EQ(t.rows[0].cells, 3);
  EXPECT_DOUBLE_EQ(t.rows[0].values[0].mean, 0.6);
  EXPECT_EQ(t.rows[1].values[0].runs, 0);
}

TEST(SweepTable, AScoreThatNoRunHasIsTold) {
  Case c({{"a", {0.5}}});
  c.sweep.columns = {"kmeans.acc", "kmeans.ac"};
  EXPECT_EQ(c.table().unknown, std::vector<std::string>{"kmeans.ac"});
}

TEST(SweepTable, AxesHaveTheirLastWordWhereItTellsThemApart) {
  Sweep sweep;
  sweep.axes = {"stage.a.tau", "stage.b.k", "stage.c.k"};
  EXPECT_EQ(make_table(sweep, {}).labels, (std::vector<std::string>{"tau", "stage.b.k", "stage.c.k"}));
}

TEST(SweepTable, AsTextWithAStarAtTheBest) {
  EXPECT_EQ(table_as_text(Case({{"a", {0.5, 0.6}}, {"b", {0.8, 0.81}}}).table()),
            "variant  runs       kmeans.acc\n"
            "a           2  0.550 ± 0.071\n"
            "b           2  0.805 ± 0.007 *\n");
}

TEST(SweepTable, AsText) {
  EXPECT_EQ(table_as_text(Case({{"a", {0.5, 0.6}}, {"längere", {0.8, 0.81}}, {"c", {0.1, -1}}, {"d", {-1, -1}}}).table()),
            "variant    runs       kmeans.acc\n"
            "a             2  0.550 ± 0.071\n"
            "längere       2  0.805 ± 0.007\n"
            "c        1 of 2          0.100\n"
            "d        0 of 2              -\n");
}

TEST(SweepTable, AsCsv) {
  EXPECT_EQ(table_as_csv(Case({{"a, \"b\"", {0.5, 0.75}}, {"c", {-1}}}).table()),
            "variant,runs,cells,kmeans.acc,kmeans.acc std,kmeans.acc runs\r\n"
            "\"a, \"\"b\"\"\",2,2,0.625,0.1767766952966369,2\r\n"
            "c,0,1,,,0\r\n");
}

TEST(SweepTable, AsMarkdown) {
  EXPECT_EQ(table_as_markdown(Case({{"a_b|c", {0.5, 0.6}}, {"d", {0.8, 0.81}}}).table()),
            "| variant | runs | kmeans.acc |\n|---|--:|--:|\n| a\\_b\\|c | 2 | 0.550 ± 0.071 |\n| d | 2 | **0.805 ± 0.007** |\n");
}

TEST(SweepTable, AsLatex) {
  EXPECT_EQ(table_as_latex(Case({{"a_b & 50%", {0.5, 0.6}}, {"d", {0.8, 0.81}}, {"e", {-1}}}).table()),
            "% \\usepackage{booktabs}\n\\begin{tabular}{lrr}\n\\toprule\nvariant & runs & kmeans.acc \\\\\n\\midrule\n"
            "a\\_b \\& 50\\% & 2 & $0.550 \\pm 0.071$ \\\\\nd & 2 & $\\mathbf{0.805 \\pm 0.007}$ \\\\\ne & 0 of 1 & -- \\\\\n\\bottomrule\n"
            "\\end{tabular}\n");
}

TEST(SweepTable, CellsAsCsv) {
  const Case c({{"a", {0.5, -1}}});
  EXPECT_EQ(cells_as_csv(c.sweep, c.outcomes, {"kmeans.acc"}), "cell,variant,seed,state,kmeans.acc\r\na0,a,0,done,0.5\r\na1,a,1,failed,\r\n");
}

}  // namespace
}  // namespace cdc
