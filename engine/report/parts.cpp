#include "report/parts.hpp"

#include <fmt/chrono.h>

#include <ctime>

namespace cdc {

Value report_head(const std::string& kind, const std::string& title, const ReportOptions& options) {
  Value page = Value::table(), made = Value::table();
  page["kind"] = kind;
  page["title"] = title;
  made["by"] = options.made_by;
  made["at"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  page["made"] = std::move(made);
  return page;
}

Value charts_table(const std::vector<Chart>& charts) {
  const auto list = [](const auto& all) {
    Value out = Value::array();
    for (const auto& one : all) out.push_back(one);
    return out;
  };
  Value out = Value::array();
  for (const Chart& chart : charts) {
    Value one = Value::table(), series = Value::array();
    one["title"] = chart.title;
    one["x_title"] = chart.x_title;
    one["y_title"] = chart.y_title;
    one["logarithmic"] = chart.logarithmic;
    one["categories"] = list(chart.categories);
    for (const ChartSeries& s : chart.series) {
      Value line = Value::table();
      line["name"] = s.name;
      line["x"] = list(s.x);
      line["y"] = list(s.y);
      if (!s.low.empty()) {
        line["low"] = list(s.low);
        line["high"] = list(s.high);
      }
      series.push_back(std::move(line));
    }
    one["series"] = std::move(series);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace cdc
