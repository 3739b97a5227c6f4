#include "cdc/logistic.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cdc/random.hpp"
#include "numeric/lbfgs.hpp"
#include "numeric/numeric_test.hpp"

namespace cdc {
namespace {

using test::error_of;
using test::on_threads;

struct Sample {
  std::vector<float> x;
  std::vector<std::int32_t> labels;
};

/// n rows of `classes` overlapping groups; columns of very different means and spreads.
Sample groups(std::int64_t n, std::int64_t d, std::int64_t classes, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> centres(static_cast<std::size_t>(classes * d));
  for (double& c : centres) c = random.normal();
  Sample out;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto label = static_cast<std::int32_t>(i % classes);
    out.labels.push_back(label);
    for (std::int64_t j = 0; j < d; ++j) {
      const double v = centres[static_cast<std::size_t>(label * d + j)] + 1.5 * random.normal();
      out.x.push_back(static_cast<float>(static_cast<double>(j) * 10 + v * std::pow(10.0, static_cast<double>(j % 3) - 1)));
    }
  }
  return out;
}

/// The regularised mean loss, written out.
double loss_of(const LogisticModel& m, const Sample& s, double c) {
  double loss = 0, square = 0;
  for (std::size_t i = 0; i < s.labels.size(); ++i) {
    double total = 0, own = 0;
    for (std::int64_t k = 0; k < m.classes; ++k) {
      double logit = m.biases[static_cast<std::size_t>(k)];
      for (std::int64_t j = 0; j < m.columns; ++j) {
        const auto column = static_cast<std::size_t>(j);
        logit += m.weights[static_cast<std::size_t>(k * m.columns + j)] *
                 (double{s.x[i * static_cast<std::size_t>(m.columns) + column]} - m.mean[column]) / m.scale[column];
      }
      total += std::exp(logit);
      if (k == s.labels[i]) own = logit;
    }
    loss += std::log(total) - own;
  }
  for (const double w : m.weights) square += w * w;
  const auto n = static_cast<double>(s.labels.size());
  return loss / n + square / (2 * c * n);
}

TEST(Lbfgs, FindsTheMinimumOfRosenbrocksValley) {
  std::vector<double> at = {-1.2, 1};
  int calls = 0;
  const LbfgsResult r = lbfgs(
      at,
      [](const std::vector<double>& p, std::vector<double>& g) {
        const double a = 1 - p[0], b = p[1] - p[0] * p[0];
        g = {-2 * a - 400 * p[0] * b, 200 * b};
        return a * a + 100 * b * b;
      },
      1e-8, 200, [&](int iteration, double, double) { calls = iteration; });
  EXPECT_TRUE(r.converged);
  EXPECT_EQ(calls, r.iterations);
  EXPECT_LT(r.iterations, 100);
  EXPECT_NEAR(at[0], 1, 1e-7);
  EXPECT_NEAR(at[1], 1, 1e-7);
}

TEST(Lbfgs, EndsWhereNoStepLowersTheValue) {
  std::vector<double> at = {1};
  const LbfgsResult r = lbfgs(
      at,
      [](const std::vector<double>& p, std::vector<double>& g) {
        g = {-1};  // wrong: the value rises that way
        return p[0];
      },
      1e-8, 50);
  EXPECT_FALSE(r.converged);
  EXPECT_EQ(r.iterations, 0);
  EXPECT_EQ(at[0], 1);
}

TEST(Logistic, IsAtTheMinimumOfItsLoss) {
  const Sample s = groups(700, 9, 4, 51);
  for (const bool standardise : {true, false}) {
    LogisticOptions options;
    options.c = 0.3;
    options.standardise = standardise;
    options.max_iterations = 5000;
    LogisticModel m = fit_logistic(s.x.data(), s.labels.data(), 700, 9, 4, options);
    EXPECT_TRUE(m.converged);
    const double least = loss_of(m, s, options.c);
    EXPECT_NEAR(m.loss, least, 1e-9);
    Random random(52);
    for (int direction = 0; direction < 20; ++direction) {
      LogisticModel other = m;
      for (double& w : other.weights) w += 1e-2 * random.normal();
      for (double& b : other.biases) b += 1e-2 * random.normal();
      EXPECT_GT(loss_of(other, s, options.c), least);
    }
    if (!standardise) continue;
    for (std::size_t j = 0; j < 9; ++j) {
      double mean = 0, square = 0;
      for (std::size_t i = 0; i < 700; ++i) {
        const double v = (double{s.x[i * 9 + j]} - m.mean[j]) / m.scale[j];
        mean += v / 700;
        square += v * v / 700;
      }
      EXPECT_NEAR(mean, 0, 1e-9);
      EXPECT_NEAR(square, 1, 1e-9);
    }
  }
}

TEST(Logistic, PredictsTheLikeliestClassAndNeverOneWithoutRows) {
  Sample s = groups(600, 5, 3, 53);
  for (std::int32_t& l : s.labels) l = l == 2 ? 4 : l;       // classes 0, 1, 4 of 6
  for (std::size_t i = 0; i < 600; ++i) s.x[i * 5 + 2] = 7;  // a constant column
  const LogisticModel m = fit_logistic(s.x.data(), s.labels.data(), 600, 5, 6, {});
  EXPECT_EQ(m.biases[2], -std::numeric_limits<double>::infinity());
  EXPECT_EQ(m.scale[2], 1);
  const auto predicted = predict_logistic(m, s.x.data(), 600);
  int right = 0;
  for (std::size_t i = 0; i < 600; ++i) {
    EXPECT_TRUE(predicted[i] == 0 || predicted[i] == 1 || predicted[i] == 4);
    right += predicted[i] == s.labels[i];
  }
  EXPECT_GT(right, 300);
}

TEST(Logistic, HasTheSameBitsWithAnyNumberOfThreads) {
  const Sample s = groups(5000, 20, 5, 54);
  LogisticModel first;
  on_threads([&](int threads) {
    const LogisticModel m = fit_logistic(s.x.data(), s.labels.data(), 5000, 20, 5, {});
    if (threads == 1) first = m;
    EXPECT_EQ(m.weights, first.weights) << threads;
    EXPECT_EQ(m.biases, first.biases) << threads;
    EXPECT_EQ(m.loss, first.loss) << threads;
  });
}

TEST(Logistic, RefusesWhatItCannotFitAndStops) {
  Sample s = groups(30, 2, 3, 55);
  const auto run = [&](LogisticOptions options = {}, std::int64_t n = 30, std::int64_t classes = 3) {
    return error_of([&] { fit_logistic(s.x.data(), s.labels.data(), n, 2, classes, options); });
  };
  LogisticOptions options;
  options.c = 0;
  EXPECT_EQ(run(options), "logistic regression needs a positive C; C = 0");
  options = {};
  options.tolerance = 0;
  EXPECT_EQ(run(options), "logistic regression needs a positive tolerance; tolerance = 0");
  options = {};
  options.max_iterations = 0;
  EXPECT_EQ(run(options), "logistic regression needs at least 1 iteration; max_iterations = 0");
  EXPECT_EQ(run({}, 0), "logistic regression of 0 rows of 2 columns: there must be some");
  EXPECT_EQ(run({}, 1), "logistic regression needs samples of at least two classes to be fitted on");
  EXPECT_EQ(run({}, 30, 2), "sample 2 has label 2: labels must lie in 0 .. 1");
  EXPECT_THROW(fit_logistic(s.x.data(), s.labels.data(), 30, 2, 3, {}, [](const LogisticProgress&) { return false; }), Stopped);
  const LogisticModel m = fit_logistic(s.x.data(), s.labels.data(), 30, 2, 3, {});
  s.x[5] = std::numeric_limits<float>::quiet_NaN();
  const std::string what = "row 2, column 1 of the features is nan: logistic regression needs finite numbers; look at what computed the features";
  EXPECT_EQ(run(), what);
  EXPECT_EQ(error_of([&] { predict_logistic(m, s.x.data(), 30); }), what);
}

}  // namespace
}  // namespace cdc
