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

TEST(SweepTable, MeanAndSampleDeviationOverTheSeeds) {
  const SweepTable t = Case({{"a", {0.5, 0.6, 0.7}}, {"b", {0.4}}}).table();
  ASSERT_EQ(t.scores, std::vector<std::string>{"kmeans.acc"});
  EXPECT_DOUBLE_EQ(t.rows[0].values[0].mean, 0.6);
  EXPECT_NEAR(t.rows[0].values[0].deviation, 0.1, 1e-12);
  EXPECT_EQ(t.rows[0].values[0].runs, 3);
  EXPECT_EQ(t.rows[1].values[0].runs, 1);
}

std::string marks(const SweepTable& table) {
  std::string out;
  for (const SweepTable::Row& row : table.rows) out += row.values[0].best ? '*' : '-';
  return out;
}

// p by SciPy 1.17: ttest_rel, ttest_ind(equal_var=False).
TEST(SweepTable, TheBestIsMarkedWhereItDiffersFromEveryOtherRow) {
  const SweepTable clear = Case({{"a", {0.50, 0.61, 0.40}}, {"b", {0.60, 0.70, 0.52}}}).table();
  EXPECT_EQ(marks(clear), "-*");
  EXPECT_EQ(clear.tests[0], "paired t-test");
  EXPECT_NEAR(*clear.rows[0].values[0].difference->p, 0.007205446408, 1e-9);
  EXPECT_EQ(mark_text(clear, "*"), "* above every other row of its column at 5 % (paired t-test, two-sided, over common seeds, Holm over the rows)");
  // Led by more than both deviations, which say nothing of three runs: p = 0.35.
  const SweepTable lucky = Case({{"a", {0.281, 0.459, 0.370}}, {"b", {0.342, 0.195, 0.231}}}).table();
  EXPECT_EQ(marks(lucky), "--");
  EXPECT_GT(*lucky.rows[1].values[0].difference->p, 0.05);
  EXPECT_EQ(mark_text(lucky, "*"), "");
}

TEST(SweepTable, RowsOfOtherSeedsAreComparedByWelchsTest) {
  const SweepTable t = Case({{"a", {0.50, 0.52, 0.51, -1}}, {"b", {0.60, 0.70, 0.65, 0.66}}}).table();
  EXPECT_EQ(t.tests[0], "Welch's t-test");
  EXPECT_EQ(marks(t), "-*");
  EXPECT_EQ(t.rows[0].values[0].difference->runs, 3);  // seeds that both have
  EXPECT_EQ(mark_text(t, "*"), "* above every other row of its column at 5 % (Welch's t-test, two-sided, Holm over the rows)");
}

TEST(SweepTable, ManyRowsNeedALargerLead) {
  const std::pair<std::string, std::vector<double>> a{"a", {0.50, 0.61, 0.40}}, b{"b", {0.58, 0.70, 0.53}};
  const SweepTable two = Case({a, b}).table();
  EXPECT_EQ(marks(two), "-*");
  const double p = *two.rows[0].values[0].difference->p;
  EXPECT_NEAR(p, 0.022547181323, 1e-9);
  const SweepTable four = Case({a, b, {"c", {0.50, 0.61, 0.401}}, {"d", {0.50, 0.61, 0.402}}}).table();
  EXPECT_EQ(marks(four), "----");
  EXPECT_NEAR(*four.rows[3].values[0].difference->p, 3 * 0.020986084484, 1e-9);  // the smallest
  EXPECT_NEAR(*four.rows[0].values[0].difference->p, 3 * 0.020986084484, 1e-9);  // not smaller than those below it
}

TEST(SweepTable, NothingIsMarkedWhereNoTestSaysAnything) {
  for (const SweepTable& t : {Case({{"a", {0.5, 0.5}}, {"b", {0.9}}}).table(),                                           // one run
                              Case({{"a", {0.5, 0.52}}, {"b", {0.9, 0.91}}, {"c", {0.1, -1}}}).table(),                  // one run of a third
                              Case({{"a", {0.5, 0.5, 0.5}}, {"b", {0.9, 0.9, 0.9}}}).table(),                            // seeds change nothing
                              Case({{"a", {0.5, 0.6, 0.7}}, {"b", {0.7, 0.8, 0.9}}}).table(),                            // differences do not vary
                              Case({{"a", {0.5, 0.5}}, {"b", {0.5, 0.5}}}).table(), Case({{"a", {0.5, 0.6}}}).table()})  // equal; alone
    EXPECT_EQ(marks(t).find('*'), std::string::npos) << table_as_text(t);
}

TEST(SweepTable, ARowWithoutNumbersIsNotCompared) {
  EXPECT_EQ(marks(Case({{"a", {0.50, 0.61, 0.40}}, {"b", {0.60, 0.70, 0.52}}, {"c", {-1, -1, -1}}}).table()), "-*-");
}

TEST(SweepTable, IntervalsAndDifferencesStandWhereTheyAreAskedFor) {
  Case c({{"a", {0.50, 0.61, 0.40}}, {"b", {0.60, 0.70, 0.52}}});
  EXPECT_EQ(table_as_csv(c.table()).find("low"), std::string::npos);
  ASSERT_TRUE(c.sweep.statistics.add("interval"));
  ASSERT_TRUE(c.sweep.statistics.add("difference"));
  ASSERT_FALSE(c.sweep.statistics.add("mean"));
  const SweepTable t = c.table();
  EXPECT_NEAR(t.rows[0].values[0].interval->low, 0.24240031532, 1e-7);
  EXPECT_NEAR(t.rows[0].values[0].difference->interval->low, -0.1412791637, 1e-7);
  EXPECT_EQ(table_as_text(t),
            "variant  runs       kmeans.acc   95 % interval           difference to the highest\n"
            "a           3  0.503 ± 0.105    [0.242, 0.764]  -0.103 [-0.141, -0.065], p = 0.007\n"
            "b           3  0.607 ± 0.090 *  [0.383, 0.831]                             highest\n"
            "* above every other row of its column at 5 % (paired t-test, two-sided, over common seeds, Holm over the rows)\n");
  EXPECT_EQ(table_as_csv(t).substr(0, table_as_csv(t).find('\r')),
            "variant,runs,cells,kmeans.acc,kmeans.acc std,kmeans.acc runs,kmeans.acc low,kmeans.acc high,kmeans.acc difference,"
            "kmeans.acc difference low,kmeans.acc difference high,kmeans.acc difference p");
  EXPECT_NE(table_as_markdown(t).find("| b | 3 | **0.607 ± 0.090** | [0.383, 0.831] | highest |"), std::string::npos) << table_as_markdown(t);
  EXPECT_NE(table_as_markdown(t).find("\n\n**Bold**: above every other row"), std::string::npos) << table_as_markdown(t);
  EXPECT_NE(table_as_latex(t).find("{lrrrr}"), std::string::npos) << table_as_latex(t);
  EXPECT_NE(table_as_latex(t).find("\\multicolumn{5}{l}{\\footnotesize Bold: above every other row of its column at 5 \\% (paired"),
            std::string::npos)
      << table_as_latex(t);
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
  EXPECT_EQ(table_as_text(Case({{"a", {0.50, 0.61, 0.40}}, {"b", {0.60, 0.70, 0.52}}}).table()),
            "variant  runs       kmeans.acc\n"
            "a           3  0.503 ± 0.105\n"
            "b           3  0.607 ± 0.090 *\n"
            "* above every other row of its column at 5 % (paired t-test, two-sided, over common seeds, Holm over the rows)\n");
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
  // A spreadsheet takes no name for a formula, and numbers stay numbers.
  EXPECT_EQ(
      table_as_csv(Case({{"=HYPERLINK(\"x\")", {0.5}}, {"-0.5", {-1}}, {"-1+cmd", {-1}}, {"@a", {-1}}}).table()),
      "variant,runs,cells,kmeans.acc,kmeans.acc std,kmeans.acc runs\r\n\"'=HYPERLINK(\"\"x\"\")\",1,1,0.5,,1\r\n-0.5,0,1,,,0\r\n'-1+cmd,0,1,,,0\r\n"
      "'@a,0,1,,,0\r\n");
}

TEST(SweepTable, AsMarkdown) {
  EXPECT_EQ(table_as_markdown(Case({{"a_b|c", {0.50, 0.61, 0.40}}, {"<b>d\nd", {0.60, 0.70, 0.52}}}).table()),
            "| variant | runs | kmeans.acc |\n|---|--:|--:|\n| a\\_b\\|c | 3 | 0.503 ± 0.105 |\n| &lt;b&gt;d d | 3 | **0.607 ± 0.090** |\n\n"
            "**Bold**: above every other row of its column at 5 % (paired t-test, two-sided, over common seeds, Holm over the rows).\n");
}

TEST(SweepTable, AsLatex) {
  EXPECT_EQ(
      table_as_latex(Case({{"a_b & 50%\n<d>", {0.50, 0.61, 0.40}}, {"d", {0.60, 0.70, 0.52}}, {"e", {-1}}}).table()),
      "% \\usepackage{booktabs}\n\\begin{tabular}{lrr}\n\\toprule\nvariant & runs & kmeans.acc \\\\\n\\midrule\n"
      "a\\_b \\& 50\\% \\textless{}d\\textgreater{} & 3 & $0.503 \\pm 0.105$ \\\\\nd & 3 & $\\mathbf{0.607 \\pm 0.090}$ \\\\\n"
      "e & 0 of 1 & -- \\\\\n\\bottomrule\n"
      "\\multicolumn{3}{l}{\\footnotesize Bold: above every other row of its column at 5 \\% (paired t-test, two-sided, over common seeds, Holm "
      "over the rows).} \\\\\n"
      "\\end{tabular}\n");
}

TEST(SweepTable, CellsAsCsv) {
  const Case c({{"a", {0.5, -1}}});
  EXPECT_EQ(cells_as_csv(c.sweep, c.outcomes, {"kmeans.acc"}), "cell,variant,seed,state,kmeans.acc\r\na0,a,0,done,0.5\r\na1,a,1,failed,\r\n");
}

}  // namespace
}  // namespace cdc
