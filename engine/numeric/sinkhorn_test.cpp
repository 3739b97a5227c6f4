#include "cdc/sinkhorn.hpp"

#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "cdc/error.hpp"
#include "cdc/random.hpp"

namespace {

using Floats = std::vector<float>;

Floats normal_scores(std::int64_t rows, std::int64_t columns, std::uint64_t seed, double sigma = 1.0) {
  cdc::Random random(seed);
  Floats s(static_cast<std::size_t>(rows * columns));
  for (float& x : s) x = static_cast<float>(sigma * random.normal());
  return s;
}

/// The definition, in float64 on logarithms, one entry after another.
std::vector<double> plain(const Floats& s, std::int64_t rows, std::int64_t columns, double epsilon, int iterations, const float* marginal = nullptr) {
  const auto n = static_cast<std::size_t>(rows), k = static_cast<std::size_t>(columns);
  std::vector<double> q(s.begin(), s.end());
  for (double& x : q) x /= epsilon;
  const auto log_sum = [&](std::size_t first, std::size_t count, std::size_t stride) {
    double m = q[first], sum = 0;
    for (std::size_t i = 0; i < count; ++i) m = std::max(m, q[first + i * stride]);
    for (std::size_t i = 0; i < count; ++i) sum += std::exp(q[first + i * stride] - m);
    return m + std::log(sum);
  };
  for (int it = 0; it < iterations; ++it) {
    for (std::size_t j = 0; j < k; ++j) {
      const double share = marginal ? static_cast<double>(marginal[j]) : 1.0 / static_cast<double>(k);
      const double l = log_sum(j, n, k) - std::log(static_cast<double>(n) * share);
      for (std::size_t i = 0; i < n; ++i) q[i * k + j] -= l;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const double l = log_sum(i * k, k, 1);
      for (std::size_t j = 0; j < k; ++j) q[i * k + j] -= l;
    }
  }
  for (double& x : q) x = std::exp(x);
  return q;
}

double worst(const Floats& a, const std::vector<double>& b) {
  double w = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    w = std::isfinite(a[i]) ? std::max(w, std::abs(static_cast<double>(a[i]) - b[i])) : std::numeric_limits<double>::infinity();
  return w;
}

cdc::SinkhornReport run(const Floats& s, std::int64_t rows, std::int64_t columns, Floats& codes, cdc::SinkhornOptions options = {}) {
  codes.assign(s.size(), -1.0f);
  return cdc::sinkhorn(s.data(), rows, columns, rows, options, codes.data());
}

struct Shape {
  std::int64_t rows, columns;
};

TEST(Sinkhorn, AgreesWithTheDefinitionInFloat64) {
  for (const Shape shape : {Shape{256, 10}, {300, 7}, {64, 64}, {2000, 37}, {1024, 130}, {5, 3}, {1, 4}, {8, 1}}) {
    for (const double epsilon : {0.05, 0.5}) {
      for (const int variant : {0, 4, 8, 16, -4, -8, -16}) {
        const bool logs = variant < 0;
        Floats s = normal_scores(shape.rows, shape.columns, 1);
        for (float& x : s) x = std::tanh(x);
        Floats codes;
        cdc::SinkhornOptions options;
        options.epsilon = epsilon;
        options.force_log_domain = logs;
        options.vector_width = std::abs(variant);
        EXPECT_EQ(run(s, shape.rows, shape.columns, codes, options).log_domain, logs);
        EXPECT_LT(worst(codes, plain(s, shape.rows, shape.columns, epsilon, 3)), 1e-5)
            << shape.rows << " x " << shape.columns << " epsilon " << epsilon;
      }
    }
  }
}

TEST(Sinkhorn, MarginalsHoldAfterManyIterations) {
  const std::int64_t rows = 400, columns = 12;
  const Floats s = normal_scores(rows, columns, 2, 0.1);
  Floats marginal(columns);
  for (std::size_t j = 0; j < marginal.size(); ++j) marginal[j] = static_cast<float>(j + 1) / 78.0f;
  for (const float* m : {static_cast<const float*>(nullptr), static_cast<const float*>(marginal.data())}) {
    Floats codes;
    cdc::SinkhornOptions options;
    options.iterations = 200;
    options.marginal = m;
    run(s, rows, columns, codes, options);
    std::vector<double> column(static_cast<std::size_t>(columns));
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
      double row = 0;
      for (std::size_t j = 0; j < column.size(); ++j) {
        row += codes[i * column.size() + j];
        column[j] += codes[i * column.size() + j];
      }
      EXPECT_NEAR(row, 1.0, 2e-6);
    }
    for (std::size_t j = 0; j < column.size(); ++j) EXPECT_NEAR(column[j] / rows, m ? m[j] : 1.0 / columns, 1e-5) << j;
    EXPECT_LT(worst(codes, plain(s, rows, columns, 0.05, 200, m)), 1e-5);
  }
}

TEST(Sinkhorn, OneRowScaledSixtyTimesGoesToTheLogDomainAndAgrees) {
  for (const std::int64_t columns : {10, 100}) {
    const std::int64_t rows = 512;
    Floats s = normal_scores(rows, columns, 3);
    for (std::int64_t j = 0; j < columns; ++j) s[static_cast<std::size_t>(7 * columns + j)] *= 60;
    Floats codes;
    EXPECT_TRUE(run(s, rows, columns, codes).log_domain);
    EXPECT_LT(worst(codes, plain(s, rows, columns, 0.05, 3)), 1e-5);
  }
}

TEST(Sinkhorn, AnyRangeAgrees) {
  for (const double sigma : {0.01, 1.0, 3.0, 10.0, 100.0, 1e6}) {
    const std::int64_t rows = 200, columns = 20;
    const Floats s = normal_scores(rows, columns, 4, sigma);
    Floats codes;
    const auto report = run(s, rows, columns, codes);
    if (sigma < 0.1) {
      EXPECT_FALSE(report.log_domain);
    }
    if (sigma > 50) {
      EXPECT_TRUE(report.log_domain);
    }
    EXPECT_LT(worst(codes, plain(s, rows, columns, 0.05, 3)), 1e-5) << sigma;
  }
}

TEST(Sinkhorn, AColumnFarBelowTheOthersIsServedAllTheSame) {
  const std::int64_t rows = 100, columns = 5;
  Floats s = normal_scores(rows, columns, 5, 0.1);
  for (const float offset : {3.0f, 4.2f, 6.0f}) {  // 60, 84 and 120 in the exponent
    for (std::int64_t i = 0; i < rows; ++i) s[static_cast<std::size_t>(i * columns + 2)] -= offset;
    Floats codes;
    run(s, rows, columns, codes);
    EXPECT_LT(worst(codes, plain(s, rows, columns, 0.05, 3)), 1e-5) << offset;
  }
}

TEST(Sinkhorn, AConstantColumnAndEqualScoresGiveFiniteCodes) {
  const std::int64_t rows = 64, columns = 6;
  Floats s = normal_scores(rows, columns, 6);
  for (std::int64_t i = 0; i < rows; ++i) s[static_cast<std::size_t>(i * columns + 4)] = 0.25f;
  Floats codes;
  run(s, rows, columns, codes);
  EXPECT_LT(worst(codes, plain(s, rows, columns, 0.05, 3)), 1e-5);
  run(Floats(s.size(), 3.0f), rows, columns, codes);
  for (const float c : codes) EXPECT_NEAR(c, 1.0 / 6, 1e-6);
}

TEST(Sinkhorn, SameBitsWithOneTwoAndSixteenThreads) {
  for (const bool logs : {false, true}) {
    const std::int64_t rows = 3000, columns = 300;
    const Floats s = normal_scores(rows, columns, 7, logs ? 5.0 : 0.3);
    Floats first;
    for (const int threads : {1, 2, 16}) {
      const oneapi::tbb::global_control allow(oneapi::tbb::global_control::max_allowed_parallelism, 16);
      oneapi::tbb::task_arena arena(threads);
      Floats codes;
      arena.execute([&] { EXPECT_EQ(run(s, rows, columns, codes).log_domain, logs); });
      if (first.empty()) first = codes;
      EXPECT_EQ(codes, first) << threads;
    }
  }
}

TEST(Sinkhorn, LastRowsAloneAreThoseOfTheWhole) {
  const std::int64_t rows = 700, columns = 30, rows_out = 130;
  for (const double sigma : {0.2, 20.0}) {
    const Floats s = normal_scores(rows, columns, 8, sigma);
    Floats all, part(static_cast<std::size_t>(rows_out * columns));
    run(s, rows, columns, all);
    cdc::sinkhorn(s.data(), rows, columns, rows_out, {}, part.data());
    for (std::size_t i = 0; i < part.size(); ++i) ASSERT_NEAR(part[i], all[all.size() - part.size() + i], 1e-6);
  }
}

TEST(Sinkhorn, ScoresThatAreNotFiniteAreNamed) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    for (const bool logs : {false, true}) {
      Floats s = normal_scores(40, 9, 10), codes(s.size());
      s[12 * 9 + 8] = bad;
      cdc::SinkhornOptions options;
      options.force_log_domain = logs;
      try {
        cdc::sinkhorn(s.data(), 40, 9, 40, options, codes.data());
        FAIL() << "no error for " << bad;
      } catch (const cdc::Error& e) {
        const std::string text = e.what();
        EXPECT_NE(text.find("row 12 (sample) of 40"), std::string::npos) << text;
        EXPECT_NE(text.find("column 8 (cluster)"), std::string::npos) << text;
        EXPECT_NE(text.find("lower the learning rate"), std::string::npos) << text;
      }
    }
  }
}

TEST(Sinkhorn, OptionsThatMakeNoSenseAreRefused) {
  Floats s(6), codes(6);
  cdc::SinkhornOptions options;
  options.epsilon = 0;
  EXPECT_THROW(cdc::sinkhorn(s.data(), 2, 3, 2, options, codes.data()), cdc::Error);
  options.epsilon = 1;
  options.iterations = 0;
  EXPECT_THROW(cdc::sinkhorn(s.data(), 2, 3, 2, options, codes.data()), cdc::Error);
  EXPECT_THROW(cdc::sinkhorn(s.data(), 2, 3, 3, {}, codes.data()), cdc::Error);
  EXPECT_THROW(cdc::sinkhorn(s.data(), 0, 3, 0, {}, codes.data()), cdc::Error);
}

}  // namespace
