#include "sweep/chart.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cdc/error.hpp"

namespace cdc {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::string error_of(const Chart& chart) {
  try {
    chart_as_svg(chart);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

Chart lines() {
  Chart c;
  c.title = "acc < 1 & more";
  c.x_title = "tau";
  c.y_title = "ACC";
  c.series = {{"one", {1, 2, 3}, {0.5, 0.6, 0.7}, {0.4, 0.5, 0.6}, {0.6, 0.7, 0.8}}, {"two", {1, 3}, {0.2, 0.3}, {}, {}}};
  return c;
}

TEST(Chart, ALineAndABandASeriesAndAPointAValue) {
  const std::string svg = chart_as_svg(lines());
  EXPECT_EQ(count(svg, "<path fill=\"none\""), 2);
  EXPECT_EQ(count(svg, "fill-opacity"), 1);
  EXPECT_EQ(count(svg, "<circle"), 5);
  EXPECT_NE(svg.find("<title>one, 2: 0.6 ± 0.1</title>"), std::string::npos) << svg;
  EXPECT_NE(svg.find("<title>two, 3: 0.3</title>"), std::string::npos);
  EXPECT_NE(svg.find("acc &lt; 1 &amp; more</text>"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(Chart, PointsThatAreNotFiniteAreLeftOut) {
  Chart c = lines();
  c.series[0].y[1] = kNan;
  c.series[0].low[2] = c.series[0].high[2] = kNan;  // a point without a band
  const std::string svg = chart_as_svg(c);
  EXPECT_EQ(count(svg, "<circle"), 4);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(Chart, NamesHavePointsWithBarsAndNoLines) {
  Chart c;
  c.categories = {"whole", "a rather long name of a variant", "another name that is long", "and another", "and one more"};
  c.series = {{"", {0, 1, 2, 3, 4}, {0.5, 0.6, 0.5, 0.5, 0.5}, {0.4, 0.5, 0.4, 0.4, 0.4}, {0.6, 0.7, 0.6, 0.6, 0.6}}};
  const std::string svg = chart_as_svg(c);
  EXPECT_EQ(count(svg, "<path"), 0);
  EXPECT_EQ(count(svg, "rotate(-35"), 5);
  EXPECT_NE(svg.find("<title>whole: 0.5 ± 0.1</title>"), std::string::npos) << svg;
}

TEST(Chart, ALogarithmicAxisSpacesFactorsEvenly) {
  Chart c;
  c.logarithmic = true;
  c.series = {{"", {1e-4, 1e-3, 1e-2}, {1, 2, 3}, {}, {}}};
  const std::string svg = chart_as_svg(c);
  for (const char* tick : {">0.0001<", ">0.001<", ">0.01<"}) EXPECT_NE(svg.find(tick), std::string::npos) << tick;
  std::vector<double> xs;
  for (std::size_t at = svg.find("cx=\""); at != std::string::npos; at = svg.find("cx=\"", at + 1)) xs.push_back(std::stod(svg.substr(at + 4)));
  ASSERT_EQ(xs.size(), 3u);
  EXPECT_NEAR(xs[1] - xs[0], xs[2] - xs[1], 0.11);
}

TEST(Chart, OneValueHasRoomAboutIt) {
  Chart c;
  c.series = {{"", {5}, {0}, {}, {}}};
  EXPECT_EQ(error_of(c), "");
  c.series[0].y[0] = 1e300;
  EXPECT_EQ(error_of(c), "");
}

TEST(Chart, SaysWhatCannotBeDrawn) {
  Chart c = lines();
  c.series[1].x.pop_back();
  EXPECT_EQ(error_of(c), "the series 'two' of a chart has 1 x, 2 y, 0 low and 0 high");
  c.series = {{"", {1}, {kNan}, {}, {}}};
  EXPECT_EQ(error_of(c), "a chart has no point that can be drawn");
  c = lines();
  c.logarithmic = true;
  c.series[0].x[0] = 0;
  EXPECT_EQ(error_of(c), "a logarithmic axis cannot show 0");
  c.series.assign(17, lines().series[0]);
  EXPECT_EQ(error_of(c), "a chart of 17 series cannot be read: at most 16");
}

TEST(Chart, TicksAreRound) {
  EXPECT_EQ(round_ticks(0, 1, 5), (std::vector<double>{0, 0.2, 0.4, 0.6, 0.8, 1}));
  EXPECT_EQ(round_ticks(0.13, 0.61, 5), (std::vector<double>{0.2, 0.3, 0.4, 0.5, 0.6}));
  EXPECT_EQ(round_ticks(-3, 12, 4), (std::vector<double>{0, 5, 10}));
}

}  // namespace
}  // namespace cdc
