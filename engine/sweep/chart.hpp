#pragma once

#include <string>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

/// A line through points, with a band from `low` to `high` where those are given.
struct ChartSeries {
  std::string name;
  std::vector<double> x, y, low, high;  ///< of equal length; low and high may be empty
};

/// Lines over numbers, or points over names.
struct Chart {
  std::string title, x_title, y_title;
  bool logarithmic = false;             ///< the x axis
  std::vector<std::string> categories;  ///< names at x = 0, 1, ...: no lines then
  std::vector<ChartSeries> series;      ///< at most 16; more are more than anyone can tell apart
};

/// SVG 1.1, 720 units wide, in colours that colour-blind people can tell apart (Okabe and Ito, 2008) and that suit a dark page too; each point tells
/// its value under the pointer. Points that are not finite are left out. cdc::Error where lengths differ, no point is left, or a logarithmic axis has
/// a point at or below 0.
CDC_API std::string chart_as_svg(const Chart& chart);

/// Round numbers, 1, 2 or 5 times a power of ten apart, from `low` to `high`, about `count` of them.
CDC_API std::vector<double> round_ticks(double low, double high, int count);

}  // namespace cdc
