#include "sweep/significance.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

namespace cdc {
namespace {

using Students = boost::math::students_t_distribution<double>;

struct Moments {
  double n = 0, mean = 0, variance = 0;  ///< of the sample: n - 1
  bool varies = false;
};

Moments moments_of(const std::vector<double>& all, double scale) {
  Moments out;
  out.n = static_cast<double>(all.size());
  out.mean = std::accumulate(all.begin(), all.end(), 0.0) / out.n;
  for (const double x : all) out.variance += (x - out.mean) * (x - out.mean);
  if (all.size() > 1) out.variance /= out.n - 1;
  out.varies = all.size() > 1 && std::sqrt(out.variance) > 1e-12 * scale;
  return out;
}

double largest(const std::vector<double>& all) {
  double out = 0;
  for (const double x : all) out = std::max(out, std::abs(x));
  return out;
}

double two_sided(double t, double freedom) { return 2 * boost::math::cdf(boost::math::complement(Students(freedom), std::abs(t))); }

}  // namespace

std::optional<Interval> mean_interval(const std::vector<double>& all) {
  const Moments m = moments_of(all, largest(all));
  if (!m.varies) return std::nullopt;
  const double half = boost::math::quantile(boost::math::complement(Students(m.n - 1), kLevel / 2)) * std::sqrt(m.variance / m.n);
  return Interval{m.mean - half, m.mean + half};
}

std::optional<double> paired_test(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) differences.push_back(a[i] - b[i]);
  const Moments m = moments_of(differences, std::max(largest(a), largest(b)));
  if (!m.varies) return std::nullopt;
  return two_sided(m.mean / std::sqrt(m.variance / m.n), m.n - 1);
}

std::optional<double> welch_test(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 2 || b.size() < 2) return std::nullopt;
  const double scale = std::max(largest(a), largest(b));
  const Moments x = moments_of(a, scale), y = moments_of(b, scale);
  if (!x.varies && !y.varies) return std::nullopt;
  const double u = x.variance / x.n, v = y.variance / y.n;
  return two_sided((x.mean - y.mean) / std::sqrt(u + v), (u + v) * (u + v) / (u * u / (x.n - 1) + v * v / (y.n - 1)));
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> out(p.size());
  double before = 0;
  for (std::size_t i = 0; i < order.size(); ++i)
    out[order[i]] = before = std::max(before, std::min(1.0, p[order[i]] * static_cast<double>(p.size() - i)));
  return out;
}

}  // namespace cdc
