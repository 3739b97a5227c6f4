#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/diagnostic.hpp"
#include "config/spec.hpp"

namespace cdc {

/// What a sweep's file writes down of an axis: values, or a range that values are drawn from (mode = "random").
struct Axis {
  std::string key;
  Location where, range_where;
  std::vector<Spec> values;
  bool is_range = false, drawn = false, logarithmic = false, integral = false;
  double from = 0, to = 0;
};

/// The place in a range, `part` from 0 to 1 on its scale.
double between(const Axis& axis, double part);
/// A value of a range: twelve digits, 0.3 and not 0.30000000000000004.
Spec value_at(const Axis& axis, double x);
/// Index of the first value that an earlier one equals, 1 and 1.0 too.
std::optional<std::size_t> first_repeated(const std::vector<Spec>& values);

/// A value on each axis. Every combination, the last axis fastest.
std::vector<std::vector<Spec>> grid_points(const std::vector<Axis>& axes);
/// Side by side; a point twice is a problem.
std::vector<std::vector<Spec>> zipped_points(const std::vector<Axis>& axes, std::vector<Diagnostic>& problems);
/// Drawn, without a point twice: one that is there already is drawn again. A problem at `where` where there are not so many.
std::vector<std::vector<Spec>> random_points(const std::vector<Axis>& axes, std::int64_t samples, std::int64_t sample_seed, const Location& where,
                                             std::vector<Diagnostic>& problems);

/// Where one axis replaces what another one, which stands before it, sets.
void check_axes(const std::vector<Axis>& axes, std::vector<Diagnostic>& problems);
/// Whether the change gives the key a value: itself, or within a part that it writes whole.
bool sets(const Override& change, const std::string& key);

}  // namespace cdc
