#include "cdc/logistic.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "numeric/clones.hpp"
#include "numeric/lbfgs.hpp"

namespace cdc {
namespace {

constexpr std::int64_t kRows = 64;  ///< of a block, whose rows stay in the first-level cache while classes pass

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// out[r][c] = weights[c] . x[r] + biases[c] for a few rows.
CDC_CLONES void logits_of(const float* x, std::int64_t rows, std::int64_t d, const double* weights, const double* biases, std::int64_t classes,
                          double* out) {
  for (std::int64_t c = 0; c < classes; ++c)
    for (std::int64_t r = 0; r < rows; ++r) {
      double lanes[16] = {};
      const float* row = x + r * d;
      const double* w = weights + c * d;
      std::int64_t j = 0;
      for (; j + 16 <= d; j += 16)
        for (int l = 0; l < 16; ++l) lanes[l] += static_cast<double>(row[j + l]) * w[j + l];
      for (int l = 0; j < d; ++j, ++l) lanes[l] += static_cast<double>(row[j]) * w[j];
      double sum = biases[c];
      for (const double lane : lanes) sum += lane;
      out[r * classes + c] = sum;
    }
}

/// sum[c] += factor[r][c] x[r].
CDC_CLONES void add_products(const float* x, std::int64_t rows, std::int64_t d, const double* factor, std::int64_t classes, double* sum) {
  for (std::int64_t c = 0; c < classes; ++c)
    for (std::int64_t r = 0; r < rows; ++r) {
      const double f = factor[r * classes + c];
      const float* row = x + r * d;
      double* s = sum + c * d;
      for (std::int64_t j = 0; j < d; ++j) s[j] += f * static_cast<double>(row[j]);
    }
}

/// The coordinates that the loss is minimised in: column j is (x - mean) / scale, and its squared weights count `penalty` times.
struct Columns {
  std::vector<double> mean, scale, penalty;  ///< [columns]
};

/// The mean regularised loss of weights [K, D] and biases [K] of such columns, and its derivatives; the weights are scaled, so that the data need no
/// copy.
class Objective {
 public:
  Objective(const float* x, std::int64_t n, std::int64_t d, const Columns& columns, std::vector<std::int32_t> labels, std::int64_t classes)
      : x_(x), n_(n), d_(d), k_(classes), columns_(columns), labels_(std::move(labels)) {
    // At most 32 partial sums, whatever n.
    chunk_ = std::max(kRows, ((n + 31) / 32 + kRows - 1) / kRows * kRows);
    chunks_ = (n + chunk_ - 1) / chunk_;
  }

  double operator()(const std::vector<double>& at, std::vector<double>& gradient) const {
    std::vector<double> weights(size(k_ * d_)), biases(at.begin() + k_ * d_, at.end());
    for (std::int64_t c = 0; c < k_; ++c)
      for (std::int64_t j = 0; j < d_; ++j) {
        weights[size(c * d_ + j)] = at[size(c * d_ + j)] / columns_.scale[size(j)];
        biases[size(c)] -= weights[size(c * d_ + j)] * columns_.mean[size(j)];
      }
    std::vector<double> losses(size(chunks_), 0.0), products(size(chunks_ * k_ * d_), 0.0), sums(size(chunks_ * k_), 0.0);
    parallel_chunks(n_, chunk_, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t chunk = begin / chunk_;
      std::vector<double> p(size(kRows * k_));
      for (std::int64_t from = begin; from < end; from += kRows) {
        const std::int64_t rows = std::min(kRows, end - from);
        logits_of(x_ + from * d_, rows, d_, weights.data(), biases.data(), k_, p.data());
        for (std::int64_t r = 0; r < rows; ++r) losses[size(chunk)] += softmax(p.data() + r * k_, labels_[size(from + r)], sums.data() + chunk * k_);
        add_products(x_ + from * d_, rows, d_, p.data(), k_, products.data() + chunk * k_ * d_);
      }
    });
    double loss = 0, square = 0;
    std::fill(gradient.begin(), gradient.end(), 0.0);
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
      loss += losses[size(chunk)];
      for (std::int64_t i = 0; i < k_ * d_; ++i) gradient[size(i)] += products[size(chunk * k_ * d_ + i)];
      for (std::int64_t c = 0; c < k_; ++c) gradient[size(k_ * d_ + c)] += sums[size(chunk * k_ + c)];
    }
    const auto n = static_cast<double>(n_);
    for (std::int64_t c = 0; c < k_; ++c) {
      double& bias = gradient[size(k_ * d_ + c)];
      for (std::int64_t j = 0; j < d_; ++j) {
        const double w = at[size(c * d_ + j)];
        double& g = gradient[size(c * d_ + j)];
        g = (g - columns_.mean[size(j)] * bias) / columns_.scale[size(j)] / n + columns_.penalty[size(j)] * w;
        square += columns_.penalty[size(j)] * w * w;
      }
      bias /= n;
    }
    return loss / n + 0.5 * square;
  }

 private:
  /// Turns logits into probabilities less 1 at the label, adds them to `sum`, and returns the cross-entropy.
  double softmax(double* p, std::int32_t label, double* sum) const {
    const double most = *std::max_element(p, p + k_), own = p[label];
    double total = 0;
    for (std::int64_t c = 0; c < k_; ++c) total += p[c] = std::exp(p[c] - most);
    for (std::int64_t c = 0; c < k_; ++c) {
      p[c] = p[c] / total - (c == label ? 1.0 : 0.0);
      sum[c] += p[c];
    }
    return most + std::log(total) - own;
  }

  const float* x_;
  std::int64_t n_, d_, k_;
  const Columns& columns_;
  std::vector<std::int32_t> labels_;
  std::int64_t chunk_ = 0, chunks_ = 0;
};

/// Means and standard deviations of columns, in two passes. A constant column's is 0.
Columns describe_columns(const float* x, std::int64_t n, std::int64_t d) {
  Columns out{std::vector<double>(size(d), 0.0), std::vector<double>(size(d), 0.0), {}};
  parallel_chunks(d, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = begin; j < end; ++j) out.mean[size(j)] += static_cast<double>(x[i * d + j]);
    for (std::int64_t j = begin; j < end; ++j) out.mean[size(j)] /= static_cast<double>(n);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = begin; j < end; ++j) {
        const double e = static_cast<double>(x[i * d + j]) - out.mean[size(j)];
        out.scale[size(j)] += e * e;
      }
    for (std::int64_t j = begin; j < end; ++j) {
      double& scale = out.scale[size(j)];
      scale = std::sqrt(scale / static_cast<double>(n));
      if (scale <= 1e-12 * std::abs(out.mean[size(j)])) scale = 0;  // what is left is rounding
    }
  });
  return out;
}

/// Makes weights and biases those of columns as they are.
void fold(LogisticModel& model) {
  const std::int64_t d = model.columns;
  for (std::int64_t c = 0; c < model.classes; ++c)
    for (std::int64_t j = 0; j < d; ++j) {
      double& w = model.weights[size(c * d + j)];
      w /= model.scale[size(j)];
      model.biases[size(c)] -= w * model.mean[size(j)];
    }
}

void check_finite(const float* x, std::int64_t n, std::int64_t d) {
  std::vector<std::int64_t> bad(size((n + 1023) / 1024), -1);
  parallel_chunks(n, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * d; i < end * d; ++i)
      if (!std::isfinite(x[i])) {
        bad[size(begin / 1024)] = i;
        return;
      }
  });
  for (const std::int64_t i : bad)
    if (i >= 0)
      throw Error(fmt::format("row {}, column {} of the features is {}: logistic regression needs finite numbers; look at what computed the features",
                              i / d, i % d, x[i]));
}

}  // namespace

LogisticModel fit_logistic(const float* x, const std::int32_t* labels, std::int64_t n, std::int64_t d, std::int64_t classes,
                           const LogisticOptions& options, const std::function<bool(const LogisticProgress&)>& progress) {
  if (n < 1 || d < 1) throw Error(fmt::format("logistic regression of {} rows of {} columns: there must be some", n, d));
  if (!(options.c > 0)) throw Error(fmt::format("logistic regression needs a positive C; C = {}", options.c));
  if (!(options.tolerance > 0)) throw Error(fmt::format("logistic regression needs a positive tolerance; tolerance = {}", options.tolerance));
  if (options.max_iterations < 1)
    throw Error(fmt::format("logistic regression needs at least 1 iteration; max_iterations = {}", options.max_iterations));
  // Classes without rows are left out: their biases have no finite best value.
  std::vector<std::int32_t> place(size(std::max<std::int64_t>(classes, 0)), -1), own(labels, labels + n);
  for (std::int64_t i = 0; i < n; ++i) {
    if (labels[i] < 0 || labels[i] >= classes)
      throw Error(fmt::format("sample {} has label {}: labels must lie in 0 .. {}", i, labels[i], classes - 1));
    place[size(labels[i])] = 0;
  }
  std::vector<std::int64_t> present;
  for (std::int64_t c = 0; c < classes; ++c)
    if (place[size(c)] == 0) {
      place[size(c)] = static_cast<std::int32_t>(present.size());
      present.push_back(c);
    }
  if (present.size() < 2) throw Error("logistic regression needs samples of at least two classes to be fitted on");
  for (std::int32_t& label : own) label = place[size(label)];
  check_finite(x, n, d);

  LogisticModel model;
  model.columns = d;
  model.classes = classes;
  Columns columns = describe_columns(x, n, d);
  const double penalty = 1.0 / (options.c * static_cast<double>(n));
  if (options.standardise) {
    for (double& scale : columns.scale) scale = scale > 0 ? scale : 1.0;
    columns.penalty.assign(size(d), penalty);
  } else {
    // The same minimum in coordinates in which the loss, of curvature 1/4 at most, bends about alike in all directions: far fewer iterations.
    for (double& scale : columns.scale) {
      scale = std::sqrt(scale * scale + 4 * penalty);
      columns.penalty.push_back(penalty / (scale * scale));
    }
  }
  const auto k = static_cast<std::int64_t>(present.size());
  std::vector<double> at(size(k * (d + 1)), 0.0);
  const Objective objective(x, n, d, columns, std::move(own), k);
  const LbfgsResult r = lbfgs(at, std::cref(objective), options.tolerance, options.max_iterations, [&](int iteration, double loss, double gradient) {
    if (progress && !progress({iteration, loss, gradient})) throw Stopped("logistic regression was stopped");
  });
  model.weights.assign(size(classes * d), 0.0);
  model.biases.assign(size(classes), -std::numeric_limits<double>::infinity());
  for (std::int64_t c = 0; c < k; ++c) {
    std::copy_n(at.begin() + c * d, d, model.weights.begin() + present[size(c)] * d);
    model.biases[size(present[size(c)])] = at[size(k * d + c)];
  }
  model.mean = columns.mean;
  model.scale = columns.scale;
  if (!options.standardise) {
    fold(model);
    model.mean.assign(size(d), 0.0);
    model.scale.assign(size(d), 1.0);
  }
  model.loss = r.value;
  model.iterations = r.iterations;
  model.converged = r.converged;
  return model;
}

std::vector<std::int32_t> predict_logistic(const LogisticModel& model, const float* x, std::int64_t n) {
  const std::int64_t d = model.columns, k = model.classes;
  LogisticModel plain = model;
  fold(plain);
  check_finite(x, n, d);
  std::vector<std::int32_t> out(size(n));
  parallel_chunks(n, kRows, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> logits(size((end - begin) * k));
    logits_of(x + begin * d, end - begin, d, plain.weights.data(), plain.biases.data(), k, logits.data());
    for (std::int64_t i = begin; i < end; ++i) {
      const double* row = logits.data() + (i - begin) * k;
      out[size(i)] = static_cast<std::int32_t>(std::max_element(row, row + k) - row);
    }
  });
  return out;
}

}  // namespace cdc
