#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

struct LogisticOptions {
  double c = 1;               ///< inverse of the strength of regularisation, as scikit-learn's C: sum of losses + |W|^2 / (2 c); biases are free
  bool standardise = true;    ///< bring each column to mean 0 and standard deviation 1 first; a constant column is only centred
  double tolerance = 1e-5;    ///< ends when no derivative of the mean regularised loss is larger; by weights of columns brought to about one spread
  int max_iterations = 1000;  ///< of L-BFGS
};

/// How far the fit is.
struct LogisticProgress {
  int iteration = 0;              ///< from 1
  double loss = 0, gradient = 0;  ///< mean regularised loss; largest derivative
};

struct LogisticModel {
  std::int64_t columns = 0, classes = 0;
  std::vector<double> weights;      ///< [classes, columns], of standardised columns where they were standardised
  std::vector<double> biases;       ///< [classes]; -infinity of a class that no row fitted on has
  std::vector<double> mean, scale;  ///< [columns] a column is (x - mean) / scale; 0 and 1 without standardising
  double loss = 0;
  int iterations = 0;
  bool converged = false;
};

/// Multinomial logistic regression of x [n, d] (row-major float32) on labels 0 .. classes - 1, computed in float64 by L-BFGS (Liu and Nocedal 1989;
/// 10 pairs, weak Wolfe steps by bisection). The same bits with any number of threads. `progress` (may be empty) is called once an iteration; false:
/// stops, by throwing Stopped. cdc::Error where n or d is 0, a parameter is out of range, a label is, fewer than two classes have rows, or a value is
/// not finite.
CDC_API LogisticModel fit_logistic(const float* x, const std::int32_t* labels, std::int64_t n, std::int64_t d, std::int64_t classes,
                                   const LogisticOptions& options, const std::function<bool(const LogisticProgress&)>& progress = {});

/// [n] the likeliest class of each row, the lowest of equals.
CDC_API std::vector<std::int32_t> predict_logistic(const LogisticModel& model, const float* x, std::int64_t n);

}  // namespace cdc
