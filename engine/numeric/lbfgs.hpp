#pragma once

#include <functional>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

struct LbfgsResult {
  double value = 0, gradient = 0;  ///< of the objective; its largest derivative
  int iterations = 0;
  bool converged = false;  ///< false: max_iterations, or no step lowers the value any more
};

/// Minimises a smooth function from `at`, which becomes the minimum found: limited-memory BFGS (Liu and Nocedal, "On the limited memory BFGS method",
/// 1989) with 10 pairs; steps fulfil the weak Wolfe conditions (bisection and doubling, Lewis and Overton 2013). `objective` gives the value and
/// fills the gradient. Ends when no derivative exceeds `tolerance`. `each` (may be empty) is told (iteration, value, largest derivative) after an
/// iteration.
CDC_API LbfgsResult lbfgs(std::vector<double>& at, const std::function<double(const std::vector<double>&, std::vector<double>&)>& objective,
                          double tolerance, int max_iterations, const std::function<void(int, double, double)>& each = {});

}  // namespace cdc
