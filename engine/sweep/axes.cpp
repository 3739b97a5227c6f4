#include "sweep/axes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "cdc/random.hpp"

namespace cdc {
namespace {

/// The same text of equal values: numbers are equal whatever their type.
std::string identity(const Value& value) {
  if (value.is_integer() && std::abs(static_cast<double>(value.as_integer())) <= 0x1p53)
    return Value(static_cast<double>(value.as_integer())).to_json();
  if (value.is_real() && value.as_real() == 0) return Value(0.0).to_json();
  if (value.is_array()) {
    std::string out = "[";
    for (const Value& one : value.as_array()) out += identity(one) + ",";
    return out + "]";
  }
  if (value.is_table()) {
    std::string out = "{";
    std::set<std::string> parts;  // in any order of the file
    for (const auto& [name, one] : value.as_table()) parts.insert(Value(name).to_json() + ":" + identity(one));
    for (const std::string& part : parts) out += part + ",";
    return out + "}";
  }
  return value.to_json();
}

std::string identity(const std::vector<Spec>& point) {
  std::string out;
  for (const Spec& value : point) out += identity(value.value()) + "\n";
  return out;
}

Spec drawn(const Axis& axis, Random random) {
  if (!axis.drawn) return axis.values[random.below(axis.values.size())];
  if (axis.integral && !axis.logarithmic) {  // both ends as likely as the rest
    const auto n = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(axis.to - axis.from) + 1));
    Spec at = value_at(axis, 0);
    at.scalar = Value(static_cast<std::int64_t>(axis.from) + n);
    return at;
  }
  return value_at(axis, between(axis, random.uniform()));
}

/// How many points there are, infinity where one of the axes is of reals.
double number_of_points(const std::vector<Axis>& axes) {
  double out = 1;
  for (const Axis& axis : axes)
    out *= !axis.drawn ? static_cast<double>(axis.values.size()) : axis.integral ? axis.to - axis.from + 1 : static_cast<double>(INFINITY);
  return out;
}

}  // namespace

double between(const Axis& axis, double part) {
  if (part >= 1) return axis.to;
  return axis.logarithmic ? axis.from * std::pow(axis.to / axis.from, part) : axis.from + (axis.to - axis.from) * part;
}

Spec value_at(const Axis& axis, double x) {
  Spec out;
  out.where = axis.range_where;
  out.key_where = axis.where;
  out.scalar = axis.integral ? Value(static_cast<std::int64_t>(std::llround(x))) : Value(std::stod(fmt::format("{:.12g}", x)));
  out.type = out.scalar.type();
  return out;
}

std::optional<std::size_t> first_repeated(const std::vector<Spec>& values) {
  std::set<std::string> known;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!known.insert(identity(values[i].value())).second) return i;
  return std::nullopt;
}

std::vector<std::vector<Spec>> grid_points(const std::vector<Axis>& axes) {
  std::vector<std::vector<Spec>> out(1);
  for (const Axis& axis : axes) {
    std::vector<std::vector<Spec>> longer;
    for (const std::vector<Spec>& point : out)
      for (const Spec& value : axis.values) {
        longer.push_back(point);
        longer.back().push_back(value);
      }
    out = std::move(longer);
  }
  return out;
}

std::vector<std::vector<Spec>> zipped_points(const std::vector<Axis>& axes, std::vector<Diagnostic>& problems) {
  std::vector<std::vector<Spec>> out;
  std::set<std::string> known;
  for (std::size_t i = 0; i < (axes.empty() ? 1 : axes.front().values.size()); ++i) {
    std::vector<Spec> point;
    for (const Axis& axis : axes) point.push_back(axis.values[i]);
    if (!known.insert(identity(point)).second)
      problems.push_back({point.front().where, fmt::format("place {} of the axes is the same point as an earlier one, and the same run twice is no "
                                                           "repetition: take it out; repetitions are seeds = [0, 1, 2] in [sweep]",
                                                           i + 1)});
    out.push_back(std::move(point));
  }
  return out;
}

std::vector<std::vector<Spec>> random_points(const std::vector<Axis>& axes, std::int64_t samples, std::int64_t sample_seed, const Location& where,
                                             std::vector<Diagnostic>& problems) {
  std::vector<std::vector<Spec>> out;
  const auto too_few = [&](double there) {
    problems.push_back(
        {where, fmt::format("the axes have {:.0f} points in all, so that {} cannot be drawn without one twice: set samples = {:.0f} or "
                            "fewer, or mode = \"grid\" for all of them",
                            there, samples, there)});
    return std::vector<std::vector<Spec>>();
  };
  if (const double there = number_of_points(axes); there < static_cast<double>(samples)) return too_few(there);
  constexpr std::uint64_t kMostDraws = 1000000;  // of a range of reals so narrow that there are only so many of twelve digits
  std::set<std::string> known;
  std::uint64_t draws = 0;
  for (std::int64_t i = 0; i < samples; ++i)
    for (std::uint64_t attempt = 0;; ++attempt) {
      std::vector<Spec> point;
      for (std::size_t a = 0; a < axes.size(); ++a)
        point.push_back(
            drawn(axes[a], Random(static_cast<std::uint64_t>(sample_seed), attempt, static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(a))));
      if (known.insert(identity(point)).second) {
        out.push_back(std::move(point));
        break;
      }
      if (++draws == kMostDraws) return too_few(static_cast<double>(known.size()));
    }
  return out;
}

void check_axes(const std::vector<Axis>& axes, std::vector<Diagnostic>& problems) {
  for (std::size_t a = 0; a < axes.size(); ++a)
    for (std::size_t b = a + 1; b < axes.size(); ++b) {
      const Axis &first = axes[a], &later = axes[b];
      if (first.key.rfind(later.key + ".", 0) == 0)
        problems.push_back({later.where, fmt::format("the axis '{}' replaces all that '{}' (line {}) sets: write it before that one", later.key,
                                                     first.key, first.where.line)});
      else if (std::any_of(first.values.begin(), first.values.end(), [&](const Spec& value) { return sets({first.key, value}, later.key); }))
        problems.push_back(
            {later.where, fmt::format("a value of the axis '{}' (line {}) sets '{}' too, and this axis would replace that: take it out "
                                      "here or there",
                                      first.key, first.where.line, later.key)});
    }
}

bool sets(const Override& change, const std::string& key) {
  if (change.key == key) return true;
  if (key.rfind(change.key + ".", 0) != 0) return false;
  const Spec* at = &change.value;
  for (std::string rest = key.substr(change.key.size() + 1); at != nullptr && !rest.empty();) {
    const std::size_t dot = rest.find('.');
    at = at->is_table() ? at->find(rest.substr(0, dot)) : nullptr;
    rest = dot == std::string::npos ? "" : rest.substr(dot + 1);
  }
  return at != nullptr;
}

}  // namespace cdc
