#include "numeric/eigen.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "cdc/parallel.hpp"
#include "numeric/numeric_test.hpp"

namespace cdc {
namespace {

constexpr double kPi = 3.14159265358979323846;

std::size_t at(std::int64_t n, std::int64_t i, std::int64_t j) { return static_cast<std::size_t>(i * n + j); }

std::vector<double> random_symmetric(std::int64_t n, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> out(static_cast<std::size_t>(n * n));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j) out[at(n, i, j)] = out[at(n, j, i)] = random.normal();
  return out;
}

SymmetricProduct product_of(const std::vector<double>& a, std::int64_t n) {
  return [&a, n](const double* x, double* y) {
    parallel_chunks(n, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t c = 0; c < kEigenBlock; ++c) {
          double sum = 0;
          for (std::int64_t j = 0; j < n; ++j) sum += a[at(n, i, j)] * x[j * kEigenBlock + c];
          y[i * kEigenBlock + c] = sum;
        }
    });
  };
}

/// Columns are orthonormal, and A v = value v.
void expect_eigenpairs(const Eigenpairs& pairs, const std::vector<double>& a, std::int64_t n, double tolerance) {
  const auto wanted = static_cast<std::int64_t>(pairs.values.size());
  ASSERT_EQ(pairs.vectors.size(), static_cast<std::size_t>(n * wanted));
  for (std::int64_t v = 0; v < wanted; ++v) {
    if (v > 0) {
      EXPECT_LE(pairs.values[static_cast<std::size_t>(v)], pairs.values[static_cast<std::size_t>(v - 1)] + tolerance);
    }
    for (std::int64_t other = 0; other <= v; ++other) {
      double dot = 0;
      for (std::int64_t i = 0; i < n; ++i) dot += pairs.vectors[at(wanted, i, v)] * pairs.vectors[at(wanted, i, other)];
      EXPECT_NEAR(dot, v == other ? 1 : 0, 1e-10) << v << ", " << other;
    }
    double square = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      double e = -pairs.values[static_cast<std::size_t>(v)] * pairs.vectors[at(wanted, i, v)];
      for (std::int64_t j = 0; j < n; ++j) e += a[at(n, i, j)] * pairs.vectors[at(wanted, j, v)];
      square += e * e;
    }
    EXPECT_LE(std::sqrt(square), tolerance) << v;
  }
}

TEST(SymmetricEigenpairs, SolveTheirEquations) {
  for (const std::int64_t n : {1, 2, 3, 8, 61}) {
    const auto a = random_symmetric(n, 41);
    expect_eigenpairs(symmetric_eigenpairs(a, n), a, n, 1e-12 * static_cast<double>(n + 10));
  }
}

TEST(SymmetricEigenpairs, OfKnownMatricesAreKnown) {
  // A path of n nodes: 2 cos(pi k / (n + 1)).
  const std::int64_t n = 30;
  std::vector<double> path(static_cast<std::size_t>(n * n), 0.0);
  for (std::int64_t i = 0; i + 1 < n; ++i) path[at(n, i, i + 1)] = path[at(n, i + 1, i)] = 1;
  const Eigenpairs p = symmetric_eigenpairs(path, n);
  for (std::int64_t k = 0; k < n; ++k)
    EXPECT_NEAR(p.values[static_cast<std::size_t>(k)], 2 * std::cos(kPi * static_cast<double>(k + 1) / static_cast<double>(n + 1)), 1e-13);
  EXPECT_EQ(symmetric_eigenpairs({3, 0, 0, 0, -1, 0, 0, 0, 5}, 3).values, (std::vector<double>{5, 3, -1}));
  EXPECT_EQ(symmetric_eigenpairs(std::vector<double>(16, 0.0), 4).values, std::vector<double>(4, 0.0));
  // All ones: n once, and 0.
  const std::vector<double> ones(25, 1.0);
  const Eigenpairs one = symmetric_eigenpairs(ones, 5);
  EXPECT_NEAR(one.values[0], 5, 1e-13);
  for (std::size_t k = 1; k < 5; ++k) EXPECT_NEAR(one.values[k], 0, 1e-13);
  expect_eigenpairs(one, ones, 5, 1e-12);
}

TEST(LargestEigenpairs, AreThoseOfTheWholeMatrix) {
  for (const std::int64_t n : {1, 3, 50, 300})
    for (const std::int64_t wanted : {std::int64_t{1}, std::int64_t{3}, std::int64_t{20}, n}) {
      if (wanted > n) continue;
      SCOPED_TRACE(::testing::Message() << wanted << " of " << n);
      const auto a = random_symmetric(n, 42);
      const Eigenpairs all = symmetric_eigenpairs(a, n), some = largest_eigenpairs(n, wanted, product_of(a, n), 1e-9, 500);
      EXPECT_TRUE(some.converged);
      ASSERT_EQ(some.values.size(), static_cast<std::size_t>(wanted));
      for (std::size_t v = 0; v < some.values.size(); ++v) EXPECT_NEAR(some.values[v], all.values[v], 1e-10 * static_cast<double>(n));
      expect_eigenpairs(some, a, n, 1e-7);
    }
}

TEST(LargestEigenpairs, FindRepeatedEigenvaluesAsOftenAsTheyAre) {
  // A ring's eigenvalues 2 cos(2 pi k / n) come in pairs.
  const std::int64_t n = 200;
  std::vector<double> ring(static_cast<std::size_t>(n * n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) ring[at(n, i, (i + 1) % n)] = ring[at(n, (i + 1) % n, i)] = 1;
  const Eigenpairs pairs = largest_eigenpairs(n, 9, product_of(ring, n), 1e-8, 500);
  EXPECT_TRUE(pairs.converged);
  for (std::size_t k = 0; k < 9; ++k)
    EXPECT_NEAR(pairs.values[k], 2 * std::cos(2 * kPi * static_cast<double>((k + 1) / 2) / static_cast<double>(n)), 1e-10);
  expect_eigenpairs(pairs, ring, n, 1e-6);
  // Every direction is an eigenvector: the first products show no new one.
  std::vector<double> identity(static_cast<std::size_t>(n * n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) identity[at(n, i, i)] = 1;
  expect_eigenpairs(largest_eigenpairs(n, 30, product_of(identity, n), 1e-8, 10), identity, n, 1e-10);
  // A block of ones of each of 3 rows, beside zeros: fewer directions than a basis holds.
  std::vector<double> blocks(static_cast<std::size_t>(n * n), 0.0);
  for (std::int64_t i = 0; i < 9; ++i)
    for (std::int64_t j = 0; j < 9; ++j) blocks[at(n, i, j)] = i / 3 == j / 3 ? 1 : 0;
  const Eigenpairs three = largest_eigenpairs(n, 5, product_of(blocks, n), 1e-8, 10);
  for (std::size_t k = 0; k < 5; ++k) EXPECT_NEAR(three.values[k], k < 3 ? 3 : 0, 1e-12);
}

TEST(LargestEigenpairs, SayWhenTheyDidNotConverge) {
  const auto a = random_symmetric(300, 43);
  const Eigenpairs pairs = largest_eigenpairs(300, 5, product_of(a, 300), 1e-12, 2);
  EXPECT_FALSE(pairs.converged);
  EXPECT_EQ(pairs.restarts, 1);
  const std::vector<double> broken(static_cast<std::size_t>(100 * 100), std::nan(""));
  EXPECT_FALSE(largest_eigenpairs(100, 2, product_of(broken, 100), 1e-6, 3).converged);
}

TEST(LargestEigenpairs, HaveTheSameBitsWithAnyNumberOfThreads) {
  const std::int64_t n = 2500;
  // A path with weights: few products, many rows.
  Random random(44);
  std::vector<double> weight(static_cast<std::size_t>(n));
  for (double& w : weight) w = random.uniform();
  const SymmetricProduct product = [&](const double* x, double* y) {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t c = 0; c < kEigenBlock; ++c)
        y[i * kEigenBlock + c] = (i > 0 ? weight[static_cast<std::size_t>(i - 1)] * x[(i - 1) * kEigenBlock + c] : 0.0) +
                                 (i + 1 < n ? weight[static_cast<std::size_t>(i)] * x[(i + 1) * kEigenBlock + c] : 0.0);
  };
  Eigenpairs first;
  test::on_threads([&](int threads) {
    const Eigenpairs pairs = largest_eigenpairs(n, 4, product, 1e-6, 100);
    if (threads == 1) first = pairs;
    EXPECT_TRUE(pairs.converged);
    EXPECT_EQ(pairs.values, first.values) << threads;
    EXPECT_EQ(pairs.vectors, first.vectors) << threads;
  });
}

}  // namespace
}  // namespace cdc
