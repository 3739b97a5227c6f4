#include "sweep/plots.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <map>

#include "support/files.hpp"

namespace cdc {
namespace {

using test::write_file;

/// A sweep whose runs' ACC is a function of their place on two axes, with two seeds that lie .02 apart.
struct Case {
  Sweep sweep;
  std::vector<CellOutcome> outcomes;
  Case(const std::vector<Value>& xs, const std::vector<Value>& ys) {
    sweep.axes = {"stage.a.x", "stage.a.y"};
    for (const Value& x : xs)
      for (const Value& y : ys)
        for (std::int64_t seed = 0; seed < 2; ++seed) {
          SweepCell cell;
          cell.point = {{"stage.a.x", x}, {"stage.a.y", y}};
          cell.seed = seed;
          cell.id = "c" + std::to_string(sweep.cells.size());
          sweep.cells.push_back(cell);
          CellOutcome outcome;
          outcome.state = CellOutcome::State::done;
          outcome.summary["scores"]["kmeans"]["acc"] = (x.is_number() ? x.as_real() : 0.5) * 0.01 + 0.02 * static_cast<double>(seed);
          outcomes.push_back(std::move(outcome));
        }
  }
  std::map<std::string, Chart> scores() const {
    std::map<std::string, Chart> out;
    for (auto& [name, chart] : score_charts(sweep, make_table(sweep, outcomes))) out[name] = chart;
    return out;
  }
};

TEST(SweepPlots, AChartAnAxisWithALineForEachOfTheRest) {
  const auto all = Case({3, 1, 2}, {"u", "v"}).scores();
  ASSERT_EQ(all.size(), 2u);
  const Chart& x = all.at("kmeans.acc_by_x");
  ASSERT_EQ(x.series.size(), 2u);
  EXPECT_EQ(x.series[0].name, "y=u");
  EXPECT_EQ(x.series[0].x, (std::vector<double>{1, 2, 3}));  // from left to right
  EXPECT_NEAR(x.series[0].y[0], 0.02, 1e-12);
  EXPECT_NEAR(x.series[0].high[0] - x.series[0].y[0], 0.02 / std::sqrt(2), 1e-12);
  EXPECT_FALSE(x.logarithmic);
  const Chart& y = all.at("kmeans.acc_by_y");
  EXPECT_EQ(y.categories, (std::vector<std::string>{"u", "v"}));
  EXPECT_EQ(y.series.size(), 3u);
}

TEST(SweepPlots, WideRangesAreLogarithmic) {
  EXPECT_TRUE(Case({1e-4, 1e-3, 1e-2}, {1}).scores().at("kmeans.acc_by_x").logarithmic);
  EXPECT_FALSE(Case({0.0, 1.0, 100.0}, {1}).scores().at("kmeans.acc_by_x").logarithmic);
}

TEST(SweepPlots, MoreThan16LinesBecomeTheirMean) {
  std::vector<Value> many;
  for (int i = 0; i < 17; ++i) many.emplace_back(i);
  const Chart chart = Case({1, 2}, many).scores().at("kmeans.acc_by_x");
  ASSERT_EQ(chart.series.size(), 1u);
  EXPECT_EQ(chart.title, "kmeans.acc, mean over the rest");
  EXPECT_NEAR(chart.series[0].y[1], 0.03, 1e-12);
  EXPECT_NEAR(chart.series[0].high[1], 0.03, 1e-12);
}

TEST(SweepPlots, CurvesAreOfWhatRunsReportHoweverDeepAndNotOfSpeed) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("cdc_plots_" + std::to_string(::getpid()));
  Case c({1}, {"u"});
  SweepOptions options;
  options.folder = folder;
  for (std::size_t i = 0; i < 2; ++i) {
    std::filesystem::create_directories(cell_folder(options, c.sweep.cells[i]));
    std::string lines = "{\"stage\":\"train\",\"seconds\":3}\n";
    for (int epoch = 1; epoch <= 3; ++epoch)
      lines += "{\"stage\":\"train\",\"epoch\":" + std::to_string(epoch) + ",\"loss\":" + std::to_string(4 - epoch + static_cast<int>(i)) +
               ",\"seconds\":1.0,\"images_per_second\":9.0,\"kmeans\":{\"oracle\":{\"acc\":0.5}}}\n";
    write_file(cell_folder(options, c.sweep.cells[i]) / "metrics.jsonl", lines);
  }
  const auto all = curve_charts(c.sweep, make_table(c.sweep, c.outcomes), c.outcomes, options);
  const std::vector<Chart> one = run_curves(cell_folder(options, c.sweep.cells[1]));
  std::filesystem::remove_all(folder);
  ASSERT_EQ(one.size(), 2u);  // in the order of the file
  EXPECT_EQ(one[0].title, "train: loss");
  EXPECT_EQ(one[0].series[0].y, (std::vector<double>{4, 3, 2}));
  EXPECT_EQ(one[1].series[0].name, "kmeans.oracle.acc");
  EXPECT_TRUE(run_curves(folder / "absent").empty());
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].first, "curve_train_kmeans.oracle.acc");
  EXPECT_EQ(all[1].first, "curve_train_loss");
  ASSERT_EQ(all[1].second.series.size(), 1u);
  EXPECT_EQ(all[1].second.series[0].name, "x=1, y=u");
  EXPECT_EQ(all[1].second.series[0].y, (std::vector<double>{3.5, 2.5, 1.5}));
}

}  // namespace
}  // namespace cdc
