#include "sweep/chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/escape.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f"};
constexpr const char* kDashes[] = {"", "6 4"};  // the second eight
constexpr double kWidth = 720, kLeft = 64, kRight = 16, kTop = 36, kPlotHeight = 320;

std::string number(double x) { return fmt::format("{:.4g}", x); }
std::string at(double x) { return fmt::format("{:.1f}", x); }

struct Range {
  double low = 0, high = 1;
};

Range range_of(std::vector<double> all) {
  all.erase(std::remove_if(all.begin(), all.end(), [](double x) { return !std::isfinite(x); }), all.end());
  if (all.empty()) throw Error("a chart has no point that can be drawn");
  Range r{*std::min_element(all.begin(), all.end()), *std::max_element(all.begin(), all.end())};
  if (r.high - r.low < 1e-12 * std::max(1.0, std::abs(r.high))) {  // one value: some room about it
    const double room = r.high == 0 ? 0.5 : std::abs(r.high) * 0.1;
    r = {r.low - room, r.high + room};
  }
  return r;
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {
    std::vector<double> xs, ys;
    for (const ChartSeries& s : chart.series) {
      const bool band = !s.low.empty() || !s.high.empty();
      if (s.x.size() != s.y.size() || (band && (s.low.size() != s.x.size() || s.high.size() != s.x.size())))
        throw Error(fmt::format("the series '{}' of a chart has {} x, {} y, {} low and {} high", s.name, s.x.size(), s.y.size(), s.low.size(),
                                s.high.size()));
      for (std::size_t i = 0; i < s.x.size(); ++i) {
        if (!drawn(s, i)) continue;
        if (chart.logarithmic && s.x[i] <= 0) throw Error(fmt::format("a logarithmic axis cannot show {}", s.x[i]));
        xs.push_back(chart.logarithmic ? std::log10(s.x[i]) : s.x[i]);
        for (const std::vector<double>* v : {&s.y, &s.low, &s.high})
          if (!v->empty()) ys.push_back((*v)[i]);
      }
    }
    y_ = range_of(ys);
    x_ = chart.categories.empty() ? range_of(xs) : Range{-0.5, static_cast<double>(chart.categories.size()) - 0.5};
    const double room = (y_.high - y_.low) * 0.05;
    y_ = {y_.low - room, y_.high + room};
    bottom_ = kTop + kPlotHeight;
  }

  std::string svg() {
    axes();
    for (std::size_t i = 0; i < chart_.series.size(); ++i) line(i);
    const double after = legend();
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" aria-label=\"{2}\">\n"
               "<style>text{{font:12px system-ui,sans-serif;fill:#222}}.t{{font-size:14px;font-weight:600}}.g{{stroke:#8884;stroke-width:1}}"
               ".a{{stroke:#888}}.d{{fill:#fff}}@media (prefers-color-scheme:dark){{text{{fill:#ddd}}.d{{fill:#16181c}}}}</style>\n"
               "<rect class=\"d\" width=\"{0}\" height=\"{1}\"/>\n",
               kWidth, at(after), xml_text(chart_.title)) +
           body_ + "</svg>\n";
  }

 private:
  static bool drawn(const ChartSeries& s, std::size_t i) { return std::isfinite(s.x[i]) && std::isfinite(s.y[i]); }
  double px(double x) const {
    const double v = chart_.logarithmic ? std::log10(x) : x;
    return kLeft + 8 + (v - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight - 16);
  }
  double py(double y) const { return bottom_ - (y - y_.low) / (y_.high - y_.low) * kPlotHeight; }

  void text(double x, double y, const char* anchor, const std::string& what, const char* more = "") {
    body_ += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\"{}>{}</text>\n", at(x), at(y), anchor, more, xml_text(what));
  }

  void axes() {
    text(kLeft, 20, "start", chart_.title, " class=\"t\"");
    for (const double y : round_ticks(y_.low, y_.high, 6)) {
      body_ += fmt::format("<line class=\"g\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>\n", kLeft, kWidth - kRight, at(py(y)), at(py(y)));
      text(kLeft - 6, py(y) + 4, "end", number(y));
    }
    body_ += fmt::format("<line class=\"a\" x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\"/>\n", kLeft, kWidth - kRight, at(bottom_));
    if (!chart_.categories.empty()) {
      // Names side by side where they fit, else slanted.
      std::size_t longest = 0;
      for (const std::string& name : chart_.categories) longest = std::max(longest, name.size());
      const double room = (kWidth - kLeft - kRight - 16) / static_cast<double>(chart_.categories.size());
      const bool slanted = static_cast<double>(longest) * 6.5 > room;
      for (std::size_t i = 0; i < chart_.categories.size(); ++i) {
        const double x = px(static_cast<double>(i));
        if (slanted)
          text(x, bottom_ + 16, "end", chart_.categories[i], fmt::format(" transform=\"rotate(-35 {} {})\"", at(x), at(bottom_ + 16)).c_str());
        else
          text(x, bottom_ + 18, "middle", chart_.categories[i]);
      }
      below_ = slanted ? 24 + static_cast<double>(longest) * 4 : 24;
    } else {
      std::vector<double> ticks;
      if (chart_.logarithmic) {
        for (double e = std::floor(x_.low); e <= std::ceil(x_.high); ++e)
          for (const double m : {1.0, 2.0, 5.0}) {
            const double v = m * std::pow(10.0, e);
            if (std::log10(v) >= x_.low - 1e-9 && std::log10(v) <= x_.high + 1e-9 && (m == 1 || x_.high - x_.low < 2)) ticks.push_back(v);
          }
        if (ticks.empty()) ticks = {std::pow(10.0, x_.low), std::pow(10.0, x_.high)};
      } else {
        ticks = round_ticks(x_.low, x_.high, 8);
      }
      for (const double x : ticks) {
        body_ += fmt::format("<line class=\"a\" x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\"/>\n", at(px(x)), at(bottom_), at(bottom_ + 5));
        text(px(x), bottom_ + 18, "middle", number(x));
      }
      below_ = 24;
    }
    text((kLeft + kWidth - kRight) / 2, bottom_ + below_ + 14, "middle", chart_.x_title);
    text(16, kTop + kPlotHeight / 2, "middle", chart_.y_title, fmt::format(" transform=\"rotate(-90 16 {})\"", at(kTop + kPlotHeight / 2)).c_str());
    below_ += chart_.x_title.empty() ? 4 : 24;
  }

  void line(std::size_t index) {
    const ChartSeries& s = chart_.series[index];
    const char *colour = kColours[index % 8], *dash = kDashes[index / 8 % 2];
    // Points over names stand side by side.
    const double n = static_cast<double>(chart_.series.size());
    const double shift = chart_.categories.empty() ? 0 : (static_cast<double>(index) - (n - 1) / 2) * std::min(14.0, 60.0 / n);
    const bool many = s.x.size() > 40;
    std::string path, there, back;
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      if (!drawn(s, i)) continue;
      const std::string x = at(px(s.x[i]) + shift);
      path += fmt::format("{}{},{}", path.empty() ? "M" : "L", x, at(py(s.y[i])));
      if (s.low.empty() || !std::isfinite(s.low[i]) || !std::isfinite(s.high[i])) continue;
      there += fmt::format("{}{},{}", there.empty() ? "M" : "L", x, at(py(s.high[i])));
      back = fmt::format("L{},{}", x, at(py(s.low[i]))) + back;
      if (!chart_.categories.empty())
        body_ += fmt::format("<line stroke=\"{0}\" stroke-width=\"2\" x1=\"{1}\" x2=\"{1}\" y1=\"{2}\" y2=\"{3}\"/>\n", colour, x, at(py(s.low[i])),
                             at(py(s.high[i])));
    }
    if (chart_.categories.empty()) {
      if (!there.empty()) body_ += fmt::format("<path fill=\"{}\" fill-opacity=\"0.18\" d=\"{}{}Z\"/>\n", colour, there, back);
      body_ += fmt::format("<path fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{} d=\"{}\"/>\n", colour,
                           *dash != '\0' ? fmt::format(" stroke-dasharray=\"{}\"", dash) : "", path);
    }
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      if (!drawn(s, i)) continue;
      const std::string where = chart_.categories.empty() ? number(s.x[i]) : chart_.categories[static_cast<std::size_t>(s.x[i])];
      std::string tells = fmt::format("{}{}{}: {}", s.name, s.name.empty() ? "" : ", ", where, number(s.y[i]));
      if (!s.low.empty() && std::isfinite(s.high[i])) tells += " ± " + number(s.high[i] - s.y[i]);
      body_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"><title>{}</title></circle>\n", at(px(s.x[i]) + shift), at(py(s.y[i])),
                           many ? "1.5" : "4", colour, xml_text(tells));
    }
  }

  /// Its lower edge.
  double legend() {
    double x = kLeft, y = bottom_ + below_ + 6;
    if (chart_.series.size() == 1 && chart_.series[0].name.empty()) return y + 4;
    y += 12;
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      const double wide = 34 + static_cast<double>(chart_.series[i].name.size()) * 6.8;
      if (x + wide > kWidth - kRight && x > kLeft) {
        x = kLeft;
        y += 18;
      }
      const char* dash = kDashes[i / 8 % 2];
      body_ += fmt::format("<line stroke=\"{0}\" stroke-width=\"3\"{1} x1=\"{2}\" x2=\"{3}\" y1=\"{4}\" y2=\"{4}\"/>\n", kColours[i % 8],
                           *dash != '\0' ? " stroke-dasharray=\"6 4\"" : "", at(x), at(x + 18), at(y - 4));
      text(x + 24, y, "start", chart_.series[i].name);
      x += wide;
    }
    return y + 14;
  }

  const Chart& chart_;
  Range x_, y_;
  double bottom_ = 0, below_ = 0;
  std::string body_;
};

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(1, count);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = power * 10;
  for (const double m : {1.0, 2.0, 5.0})
    if (m * power >= rough * 0.999) {
      step = m * power;
      break;
    }
  std::vector<double> out;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i)
    out.push_back(i == 0 ? 0 : std::stod(fmt::format("{:.12g}", i * step)));
  return out;
}

std::string chart_as_svg(const Chart& chart) {
  if (chart.series.size() > 16) throw Error(fmt::format("a chart of {} series cannot be read: at most 16", chart.series.size()));
  return Drawing(chart).svg();
}

}  // namespace cdc
