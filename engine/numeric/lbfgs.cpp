#include "numeric/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>

namespace cdc {
namespace {

constexpr std::size_t kPairs = 10;
constexpr double kDecrease = 1e-4, kCurvature = 0.9;  ///< Wolfe conditions
constexpr int kTries = 60;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
void add(std::vector<double>& to, double factor, const std::vector<double>& what) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * what[i];
}
double largest(const std::vector<double>& a) {
  double out = 0;
  for (const double v : a) out = std::max(out, std::abs(v));
  return out;
}

struct Pair {
  std::vector<double> step, change;  ///< of the point, of the gradient
  double inverse = 0;                ///< 1 / (step . change)
};

/// - H gradient, by the two loops.
std::vector<double> direction(const std::deque<Pair>& pairs, const std::vector<double>& gradient) {
  std::vector<double> out(gradient.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = -gradient[i];
  std::vector<double> alpha(pairs.size());
  for (std::size_t p = pairs.size(); p-- > 0;) {
    alpha[p] = pairs[p].inverse * dot(pairs[p].step, out);
    add(out, -alpha[p], pairs[p].change);
  }
  if (!pairs.empty()) {
    const Pair& last = pairs.back();
    const double scale = 1.0 / (last.inverse * dot(last.change, last.change));
    for (double& v : out) v *= scale;
  }
  for (std::size_t p = 0; p < pairs.size(); ++p) add(out, alpha[p] - pairs[p].inverse * dot(pairs[p].change, out), pairs[p].step);
  return out;
}

}  // namespace

LbfgsResult lbfgs(std::vector<double>& at, const std::function<double(const std::vector<double>&, std::vector<double>&)>& objective, double tolerance,
                  int max_iterations, const std::function<void(int, double, double)>& each) {
  LbfgsResult result;
  std::vector<double> gradient(at.size()), next(at.size()), next_gradient(at.size());
  std::deque<Pair> pairs;
  result.value = objective(at, gradient);
  while ((result.gradient = largest(gradient)) > tolerance && result.iterations < max_iterations) {
    std::vector<double> along = direction(pairs, gradient);
    double slope = dot(along, gradient);
    if (!(slope < 0)) {  // rounding spoilt the pairs
      pairs.clear();
      along = direction(pairs, gradient);
      slope = dot(along, gradient);
    }
    double low = 0, high = 0, value = 0;  // high 0: none yet
    double step = pairs.empty() ? std::min(1.0, 1.0 / std::sqrt(-slope)) : 1.0;
    bool found = false;
    for (int attempt = 0; attempt < kTries && !found; ++attempt) {
      next = at;
      add(next, step, along);
      value = objective(next, next_gradient);
      if (!(value <= result.value + kDecrease * step * slope)) {
        high = step;
      } else if (dot(next_gradient, along) < kCurvature * slope) {
        low = step;
      } else {
        found = true;
        break;
      }
      step = high > 0 ? (low + high) / 2 : 2 * step;
    }
    if (!found) {
      if (pairs.empty()) return result;
      pairs.clear();
      continue;
    }
    Pair pair;
    pair.step = next;
    add(pair.step, -1.0, at);
    pair.change = next_gradient;
    add(pair.change, -1.0, gradient);
    pair.inverse = 1.0 / dot(pair.step, pair.change);
    pairs.push_back(std::move(pair));
    if (pairs.size() > kPairs) pairs.pop_front();
    at.swap(next);
    gradient.swap(next_gradient);
    result.value = value;
    ++result.iterations;
    if (each) each(result.iterations, value, largest(gradient));
  }
  result.converged = result.gradient <= tolerance;
  return result;
}

}  // namespace cdc
