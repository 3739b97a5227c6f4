#include "numeric/pca.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "numeric/eigen.hpp"
#include "numeric/numeric_test.hpp"

namespace cdc {
namespace {

using test::on_threads;

/// Rows with columns of ever less variance, mixed by a few reflections, far from 0.
std::vector<float> stretched(std::int64_t n, std::int64_t d, std::uint64_t seed, double scale = 1) {
  Random random(seed);
  std::vector<float> out;
  for (std::int64_t i = 0; i < n; ++i) {
    std::vector<double> row(static_cast<std::size_t>(d));
    double sum = 0;
    for (std::int64_t j = 0; j < d; ++j) sum += row[static_cast<std::size_t>(j)] = random.normal() * std::pow(0.8, static_cast<double>(j));
    for (const double v : row) out.push_back(static_cast<float>(scale * (v - 2 * sum / static_cast<double>(d) + 3)));
  }
  return out;
}

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

class PcaColumns : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(PcaColumns, AreEigenvectorsOfTheCovariance) {
  const std::int64_t n = 1500, d = GetParam(), wanted = std::min<std::int64_t>(d, 4);
  const auto x = stretched(n, d, 51);
  std::vector<double> mean(at(d)), matrix(at(d * d));
  for (std::int64_t i = 0; i < n * d; ++i) mean[at(i % d)] += double{x[at(i)]} / static_cast<double>(n);
  double trace = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t a = 0; a < d; ++a)
      for (std::int64_t b = 0; b < d; ++b)
        matrix[at(a * d + b)] += (double{x[at(i * d + a)]} - mean[at(a)]) * (double{x[at(i * d + b)]} - mean[at(b)]) / static_cast<double>(n);
  for (std::int64_t j = 0; j < d; ++j) trace += matrix[at(j * d + j)];
  const Eigenpairs exact = symmetric_eigenpairs(matrix, d);
  const PrincipalComponents ours = principal_components(x.data(), n, d, wanted, n, 0);
  EXPECT_NEAR(ours.total_variance, trace, 1e-5 * trace);
  for (std::int64_t c = 0; c < wanted; ++c) {
    EXPECT_NEAR(ours.variance[at(c)], exact.values[at(c)], 1e-5 * exact.values[0]);
    double dot = 0, length = 0, most = 0;
    for (std::int64_t j = 0; j < d; ++j) {
      const double v = double{ours.directions[at(c * d + j)]};
      dot += v * exact.vectors[at(j * d + c)];
      length += v * v;
      if (std::abs(v) > std::abs(most)) most = v;
    }
    EXPECT_NEAR(std::abs(dot), 1, 1e-3) << c;
    EXPECT_NEAR(length, 1, 1e-5) << c;
    EXPECT_GT(most, 0) << c;
  }
  const std::vector<float> along = project(ours, x.data(), n);
  for (const std::int64_t i : {std::int64_t{0}, n / 2, n - 1})
    for (std::int64_t c = 0; c < wanted; ++c) {
      double sum = 0;
      for (std::int64_t j = 0; j < d; ++j) sum += (double{x[at(i * d + j)]} - mean[at(j)]) * double{ours.directions[at(c * d + j)]};
      EXPECT_NEAR(along[at(i * wanted + c)], sum, 1e-4);
    }
}
// All eigenvectors at once, and Lanczos' method; the second of one panel of columns.
INSTANTIATE_TEST_SUITE_P(Columns, PcaColumns, ::testing::Values(std::int64_t{1}, std::int64_t{8}, std::int64_t{37}, std::int64_t{130}));

TEST(Pca, OfARandomSampleAreAboutThoseOfAll) {
  const std::int64_t n = 6000, d = 10;
  const auto x = stretched(n, d, 52);
  const PrincipalComponents all = principal_components(x.data(), n, d, 2, n, 0), some = principal_components(x.data(), n, d, 2, 2000, 0);
  EXPECT_NEAR(some.variance[0] / all.variance[0], 1, 0.15);
  EXPECT_NE(some.variance[0], all.variance[0]);
}

TEST(Pca, OfAnyScaleAndOfRowsThatDoNotVary) {
  const std::int64_t n = 300, d = 6;
  for (const double scale : {1e-25, 1e17}) {
    const auto x = stretched(n, d, 53, scale);
    const PrincipalComponents ours = principal_components(x.data(), n, d, 2, n, 0);
    EXPECT_GT(ours.variance[0], 0.1 * scale * scale);
    EXPECT_LT(ours.variance[0], 10 * scale * scale);
  }
  const std::vector<float> same(at(n * d), 0.1f);
  const PrincipalComponents none = principal_components(same.data(), n, d, 2, n, 0);
  EXPECT_EQ(none.variance, (std::vector<double>{0, 0}));
  EXPECT_EQ(none.total_variance, 0);
  EXPECT_EQ(none.directions, (std::vector<float>{1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}));
}

TEST(Pca, HasTheSameBitsWithAnyNumberOfThreads) {
  const std::int64_t n = 3000, d = 140;
  const auto x = stretched(n, d, 54);
  PrincipalComponents first;
  on_threads([&](int threads) {
    const PrincipalComponents r = principal_components(x.data(), n, d, 8, 2500, 1);
    if (threads == 1) first = r;
    EXPECT_EQ(r.variance, first.variance) << threads;
    EXPECT_EQ(r.directions, first.directions) << threads;
    EXPECT_EQ(project(r, x.data(), n), project(first, x.data(), n)) << threads;
  });
}

}  // namespace
}  // namespace cdc
