#include "numeric/approximate_neighbors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "numeric/numeric_test.hpp"

namespace cdc {
namespace {

using test::blobs;
using test::error_of;
using test::on_threads;

ApproximateNeighborsOptions of(std::int64_t k, std::int64_t compared = 1500) {
  ApproximateNeighborsOptions out;
  out.k = k;
  out.compared = compared;
  return out;
}

/// Share of the exact neighbours found; all of `ours` must be neighbours that can be, nearest first, with their distances.
double recall(const std::vector<float>& x, std::int64_t n, std::int64_t d, const Neighbors& ours) {
  const Neighbors exact = nearest_neighbors(x.data(), n, d, ours.k, Distance::euclidean);
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = [&](const std::vector<std::int32_t>& index) {
      return std::vector<std::int32_t>(index.begin() + i * ours.k, index.begin() + (i + 1) * ours.k);
    };
    std::vector<std::int32_t> a = row(ours.index), b = row(exact.index), both;
    for (std::int64_t j = 0; j < ours.k; ++j) {
      const float distance = ours.distance[static_cast<std::size_t>(i * ours.k + j)];
      double square = 0;
      for (std::int64_t c = 0; c < d; ++c) {
        const double e = double{x[static_cast<std::size_t>(i * d + c)]} - double{x[static_cast<std::size_t>(a[static_cast<std::size_t>(j)] * d + c)]};
        square += e * e;
      }
      EXPECT_NEAR(distance, std::sqrt(square), 1e-6 * (1 + std::sqrt(square)));
      if (j > 0) {
        EXPECT_GE(distance, ours.distance[static_cast<std::size_t>(i * ours.k + j - 1)]);
      }
    }
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    EXPECT_EQ(std::adjacent_find(a.begin(), a.end()), a.end()) << "a neighbour twice, of row " << i;
    EXPECT_FALSE(std::binary_search(a.begin(), a.end(), static_cast<std::int32_t>(i))) << "a row is its own neighbour";
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    found += static_cast<std::int64_t>(both.size());
  }
  return static_cast<double>(found) / static_cast<double>(n * ours.k);
}

TEST(ApproximateNeighbors, FindNineInTenOfClusteredRows) {
  const std::int64_t n = 9000, d = 24;
  const auto x = blobs(n, d, 30, 0.8, 41, 5.0);
  EXPECT_GE(recall(x, n, d, approximate_neighbors(x.data(), n, d, of(14))), 0.9);
}

TEST(ApproximateNeighbors, FindMoreWhereMoreRowsAreCompared) {
  const std::int64_t n = 8000, d = 16;
  const auto x = blobs(n, d, 1, 1.0, 42);
  const double few = recall(x, n, d, approximate_neighbors(x.data(), n, d, of(10, 300))),
               many = recall(x, n, d, approximate_neighbors(x.data(), n, d, of(10, 3000)));
  EXPECT_GT(few, 0.3);
  EXPECT_LT(few, 0.9);  // else the comparison says nothing
  EXPECT_GT(many, few + 0.1);
}

TEST(ApproximateNeighbors, FindNineInTenInAProjection) {
  // 240 columns of which a 40-dimensional subspace holds nearly all: searched in the projection.
  const std::int64_t n = 6000, d = 240, inner = 40;
  const auto hidden = blobs(n, inner, 20, 0.7, 43);
  Random random(44);
  std::vector<float> mix(static_cast<std::size_t>(inner * d)), x(static_cast<std::size_t>(n * d));
  for (float& v : mix) v = static_cast<float>(random.normal() / 6);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < d; ++j) {
      double sum = 0.05 * random.normal();
      for (std::int64_t c = 0; c < inner; ++c)
        sum += double{hidden[static_cast<std::size_t>(i * inner + c)]} * double{mix[static_cast<std::size_t>(c * d + j)]};
      x[static_cast<std::size_t>(i * d + j)] = static_cast<float>(sum);
    }
  EXPECT_GE(recall(x, n, d, approximate_neighbors(x.data(), n, d, of(14))), 0.9);
}

TEST(ApproximateNeighbors, AreTheExactOnesOfFewRows) {
  const std::int64_t n = 700, d = 9;
  const auto x = blobs(n, d, 5, 1.0, 45);
  const Neighbors ours = approximate_neighbors(x.data(), n, d, of(7)), exact = nearest_neighbors(x.data(), n, d, 7, Distance::euclidean);
  EXPECT_EQ(ours.index, exact.index);
  EXPECT_EQ(ours.distance, exact.distance);
  // So they are where hardly fewer than all rows would be compared.
  ApproximateNeighborsOptions all = of(7, 350);
  all.exact_below = 0;
  EXPECT_EQ(approximate_neighbors(x.data(), n, d, all).index, exact.index);
}

TEST(ApproximateNeighbors, OfEqualRowsAndFarOnesAreFound) {
  // All rows equal; then a quarter equal and a few very far, whose cells hold hardly any rows.
  const std::int64_t n = 6000, d = 8;
  std::vector<float> x(static_cast<std::size_t>(n * d), 2.5f);
  const Neighbors same = approximate_neighbors(x.data(), n, d, of(5));
  EXPECT_EQ(recall(x, n, d, same) <= 1, true);
  EXPECT_EQ(*std::max_element(same.distance.begin(), same.distance.end()), 0);
  const auto others = blobs(n, d, 10, 0.5, 46);
  std::copy(others.begin() + n / 4 * d, others.end(), x.begin() + n / 4 * d);
  for (std::int64_t i = n - 50; i < n; ++i) x[static_cast<std::size_t>(i * d + i % d)] += static_cast<float>(1000 * (i + 1 - n + 50));
  const Neighbors near = approximate_neighbors(x.data(), n, d, of(5));
  recall(x, n, d, near);
  for (std::int64_t i = 0; i < n / 4 * 5; ++i) EXPECT_EQ(near.distance[static_cast<std::size_t>(i)], 0) << i;
}

TEST(ApproximateNeighbors, HaveTheSameBitsWithAnyNumberOfThreads) {
  const std::int64_t n = 6000, d = 200;
  const auto x = blobs(n, d, 12, 0.6, 47);
  Neighbors first;
  on_threads([&](int threads) {
    const Neighbors r = approximate_neighbors(x.data(), n, d, of(10));
    if (threads == 1) first = r;
    EXPECT_EQ(r.index, first.index) << threads;
    EXPECT_EQ(r.distance, first.distance) << threads;
  });
}

TEST(ApproximateNeighbors, TellHowFarTheyAreAndStop) {
  const std::int64_t n = 20000, d = 8;
  const auto x = blobs(n, d, 12, 0.6, 48);
  std::int64_t last = 0, calls = 0;
  approximate_neighbors(x.data(), n, d, of(5), [&](std::int64_t done) {
    EXPECT_GT(done, last);
    last = done;
    ++calls;
    return true;
  });
  EXPECT_EQ(last, n);
  EXPECT_GT(calls, 1);
  EXPECT_THROW(approximate_neighbors(x.data(), n, d, of(5), [](std::int64_t) { return false; }), Stopped);
}

TEST(ApproximateNeighbors, RefuseWhatHasNone) {
  const std::int64_t n = 5500, d = 3;
  auto x = blobs(n, d, 4, 1.0, 49);
  const auto run = [&](std::int64_t rows, std::int64_t columns, const ApproximateNeighborsOptions& options) {
    return error_of([&] { approximate_neighbors(x.data(), rows, columns, options); });
  };
  EXPECT_EQ(run(10, d, of(10)), "10 nearest neighbours cannot be taken of 10 rows: k must lie in 1 .. 9");
  EXPECT_EQ(run(n, 0, of(3)), "nearest neighbours need features with at least 1 column");
  EXPECT_EQ(run(n, d, of(3, 0)), "a search for nearest neighbours compares each row with at least 1 other; compared = 0");
  x[7] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(run(n, d, of(3)), "row 2, column 1 of the features is inf: nearest neighbours need finite numbers; look at what computed the features");
  x[7] = 4e18f;
  EXPECT_EQ(run(n, d, of(3)),
            "row 2 of the features lies more than 1e+18 from the mean, too far for float32 products: bring the features to a smaller scale");
}


TEST(ApproximateNeighbors, AreTheNearestHoweverFarOthersAre) {
  const std::int64_t n = 4000, d = 12;
  auto x = blobs(n, d, 40, 0.01, 9);
  for (std::int64_t i = 0; i < n; ++i) x[static_cast<std::size_t>(i * d)] += static_cast<float>(1e4 * static_cast<double>(i % 4));
  ApproximateNeighborsOptions options = of(10, 300);
  options.exact_below = 0;
  EXPECT_EQ(recall(x, n, d, approximate_neighbors(x.data(), n, d, options)), 1);
  for (float& v : x) v *= 1e-24f;
  EXPECT_EQ(recall(x, n, d, approximate_neighbors(x.data(), n, d, options)), 1);
}

}  // namespace
}  // namespace cdc
