#pragma once

#include <optional>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

// Student's t about a few runs. Nothing comes back where a test or an interval says nothing: fewer than two numbers, or numbers that do not vary
// (equal to twelve digits). Numbers that are equal by rounding, or by luck of two runs, would give p = 0.

/// The level of all tests, and of intervals 1 - kLevel.
inline constexpr double kLevel = 0.05;

struct Interval {
  double low = 0, high = 0;
};

/// Of the mean, 95 %: mean -+ t(0.975, n - 1) s / sqrt(n).
CDC_API std::optional<Interval> mean_interval(const std::vector<double>& all);
/// Two-sided p of the paired t-test: that the differences a[i] - b[i] have mean 0.
CDC_API std::optional<double> paired_test(const std::vector<double>& a, const std::vector<double>& b);
/// Two-sided p of Welch's t-test: that both have one mean, whatever their variances (Welch 1947; degrees of freedom after Satterthwaite).
CDC_API std::optional<double> welch_test(const std::vector<double>& a, const std::vector<double>& b);
/// p adjusted for so many tests, in their order (Holm 1979): one below the level holds, with all of them.
CDC_API std::vector<double> holm(const std::vector<double>& p);

}  // namespace cdc
