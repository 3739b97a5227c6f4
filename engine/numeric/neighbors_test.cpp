#include "cdc/neighbors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cdc/random.hpp"
#include "numeric/kmeans_kernels.hpp"
#include "numeric/numeric_test.hpp"

namespace cdc {
namespace {

using test::error_of;
using test::far_pairs;
using test::on_threads;

std::vector<float> noise(std::int64_t n, std::int64_t d, std::uint64_t seed, double shift = 0) {
  Random random(seed);
  std::vector<float> out(static_cast<std::size_t>(n * d));
  for (float& v : out) v = static_cast<float>(random.normal() + shift);
  return out;
}

/// Every distance in float64, sorted.
Neighbors textbook(const std::vector<float>& queries, const std::vector<float>& x, std::int64_t d, std::int64_t k, Distance distance, bool itself) {
  const auto width = static_cast<std::size_t>(d);
  Neighbors out;
  out.queries = static_cast<std::int64_t>(queries.size() / width);
  out.k = k;
  for (std::size_t i = 0; i < queries.size() / width; ++i) {
    std::vector<std::pair<double, std::int32_t>> all;
    for (std::size_t o = 0; o < x.size() / width; ++o) {
      if (itself && o == i) continue;
      double square = 0, dot = 0, a = 0, b = 0;
      for (std::size_t j = 0; j < width; ++j) {
        const double u = double{queries[i * width + j]}, v = double{x[o * width + j]};
        square += (u - v) * (u - v);
        dot += u * v;
        a += u * u;
        b += v * v;
      }
      all.emplace_back(distance == Distance::euclidean ? std::sqrt(square) : 1 - dot / std::sqrt(a * b), static_cast<std::int32_t>(o));
    }
    std::sort(all.begin(), all.end());
    for (std::size_t j = 0; j < static_cast<std::size_t>(k); ++j) {
      out.index.push_back(all[j].second);
      out.distance.push_back(static_cast<float>(all[j].first));
    }
  }
  return out;
}

void expect_same(const Neighbors& ours, const Neighbors& theirs) {
  ASSERT_EQ(ours.queries, theirs.queries);
  ASSERT_EQ(ours.k, theirs.k);
  EXPECT_EQ(ours.index, theirs.index);
  ASSERT_EQ(ours.distance.size(), theirs.distance.size());
  for (std::size_t i = 0; i < ours.distance.size(); ++i) EXPECT_NEAR(ours.distance[i], theirs.distance[i], 1e-5 * (1 + theirs.distance[i])) << i;
}

class NeighborsSizes : public ::testing::TestWithParam<std::array<std::int64_t, 3>> {};

TEST_P(NeighborsSizes, EqualEveryDistanceSorted) {
  const auto [n, d, k] = GetParam();
  for (const Distance distance : {Distance::euclidean, Distance::cosine})
    for (const double shift : {0.0, 20.0}) {
      SCOPED_TRACE(::testing::Message() << "cosine " << (distance == Distance::cosine) << ", shift " << shift);
      const auto x = noise(n, d, 31, shift), queries = noise(50, d, 32, shift);
      // Directions far from 0 nearly agree; float32 products cannot tell all of them apart.
      if (distance == Distance::cosine && shift > 0) continue;
      expect_same(nearest_neighbors(x.data(), n, d, k, distance), textbook(x, x, d, k, distance, true));
      expect_same(nearest_neighbors(queries.data(), 50, x.data(), n, d, k, distance), textbook(queries, x, d, k, distance, false));
    }
}
// Fewer rows than a vector, one panel and a bit, several blocks; columns odd and even; k up to all others.
INSTANTIATE_TEST_SUITE_P(Shapes, NeighborsSizes,
                         ::testing::Values(std::array<std::int64_t, 3>{4, 2, 3}, std::array<std::int64_t, 3>{33, 7, 5},
                                           std::array<std::int64_t, 3>{40, 64, 39}, std::array<std::int64_t, 3>{700, 33, 1},
                                           std::array<std::int64_t, 3>{700, 128, 20}, std::array<std::int64_t, 3>{300, 600, 10}));

TEST(Neighbors, OfEqualDistancesTheLowerRowComesFirst) {
  const std::int64_t n = 200, d = 6;
  std::vector<float> x;
  const auto three = noise(3, d, 33);
  for (std::int64_t i = 0; i < n; ++i) x.insert(x.end(), three.begin() + i % 3 * d, three.begin() + (i % 3 + 1) * d);
  for (const Distance distance : {Distance::euclidean, Distance::cosine}) {
    const Neighbors r = nearest_neighbors(x.data(), n, d, 4, distance);
    for (std::int64_t i = 0; i < n; ++i) {
      std::vector<std::int32_t> expected;
      for (std::int64_t o = i % 3; expected.size() < 4; o += 3)
        if (o != i) expected.push_back(static_cast<std::int32_t>(o));
      EXPECT_EQ(std::vector<std::int32_t>(r.index.begin() + i * 4, r.index.begin() + i * 4 + 4), expected) << i;
      EXPECT_NEAR(r.distance[static_cast<std::size_t>(i * 4)], 0, 1e-7);
    }
  }
  const std::vector<float> constant(static_cast<std::size_t>(n * d), 3.25f);
  const Neighbors r = nearest_neighbors(constant.data(), n, d, 2, Distance::euclidean);
  EXPECT_EQ(r.index[0], 1);
  EXPECT_EQ(r.index[1], 2);
  EXPECT_EQ(r.index[static_cast<std::size_t>(2 * n - 2)], 0);
  EXPECT_EQ(r.index[static_cast<std::size_t>(2 * n - 1)], 1);
}

TEST(Neighbors, HaveTheSameBitsWithAnyNumberOfThreads) {
  const std::int64_t n = 3000, d = 24;
  const auto x = noise(n, d, 34);
  Neighbors first;
  on_threads([&](int threads) {
    const Neighbors r = nearest_neighbors(x.data(), n, d, 10, Distance::cosine);
    if (threads == 1) first = r;
    EXPECT_EQ(r.index, first.index) << threads;
    EXPECT_EQ(r.distance, first.distance) << threads;
  });
}

TEST(Neighbors, LeastOfAPanelIsThatOfItsScoresAtEveryWidth) {
  int tried = 0;
  for (const int lanes : {4, 8, 16}) {
    const kmeans_detail::Kernels* kernels = kmeans_detail::kernels_of(lanes);
    if (!kernels) continue;
    ++tried;
    for (const int vectors : {1, 2}) {
      const int width = vectors * lanes;
      alignas(64) float dots[12 * 32], bias[32], least[12];
      Random random(35);
      for (float& v : dots) v = static_cast<float>(random.normal());
      for (float& v : bias) v = static_cast<float>(random.normal());
      kernels->least(dots, vectors, bias, kernels->rows, least);
      for (int r = 0; r < kernels->rows; ++r) {
        float expected = std::numeric_limits<float>::infinity();
        for (int l = 0; l < width; ++l) expected = std::min(expected, bias[l] - 2.0f * dots[r * width + l]);
        EXPECT_EQ(least[r], expected) << kernels->name << ", vectors " << vectors << ", row " << r;
      }
    }
  }
  EXPECT_GE(tried, 1);
}

TEST(Neighbors, TellHowFarTheyAreAndStop) {
  const auto x = noise(2000, 8, 36);
  std::int64_t last = 0;
  nearest_neighbors(x.data(), 2000, 8, 3, Distance::euclidean, [&](std::int64_t done) {
    EXPECT_GT(done, last);
    last = done;
    return true;
  });
  EXPECT_EQ(last, 2000);
  EXPECT_THROW(nearest_neighbors(x.data(), 2000, 8, 3, Distance::euclidean, [](std::int64_t) { return false; }), Stopped);
}

TEST(Neighbors, RefuseWhatHasNone) {
  auto x = noise(10, 3, 37);
  const auto run = [&](std::int64_t n, std::int64_t d, std::int64_t k, Distance distance = Distance::euclidean) {
    return error_of([&] { nearest_neighbors(x.data(), n, d, k, distance); });
  };
  EXPECT_EQ(run(10, 3, 10), "10 nearest neighbours cannot be taken of 10 rows: k must lie in 1 .. 9");
  EXPECT_EQ(run(10, 3, 0), "0 nearest neighbours cannot be taken of 10 rows: k must lie in 1 .. 9");
  EXPECT_EQ(error_of([&] { nearest_neighbors(x.data(), 2, x.data(), 10, 3, 11, Distance::euclidean); }),
            "11 nearest neighbours cannot be taken of 10 rows: k must lie in 1 .. 10");
  EXPECT_EQ(run(10, 0, 1), "nearest neighbours need features with at least 1 column");
  EXPECT_EQ(run(std::int64_t{1} << 31, 3, 1), "nearest neighbours of 2147483648 rows: at most 2^31 - 1 are possible");
  x[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(run(10, 3, 1), "row 2, column 1 of the features is nan: nearest neighbours need finite numbers; look at what computed the features");
  const auto data = noise(10, 3, 38);
  EXPECT_EQ(error_of([&] { nearest_neighbors(x.data(), 10, data.data(), 10, 3, 1, Distance::euclidean); }),
            "row 2, column 1 of the features is nan: nearest neighbours need finite numbers; look at what computed the features");
  x[7] = 3e18f;
  const std::string far =
      "row 2 of the features lies more than 1e+18 from the mean, too far for float32 products: bring the features to a smaller scale";
  EXPECT_EQ(run(10, 3, 1), far);
  EXPECT_EQ(error_of([&] { nearest_neighbors(x.data(), 10, data.data(), 10, 3, 1, Distance::euclidean); }), far);
  EXPECT_EQ(nearest_neighbors(x.data(), 10, 3, 1, Distance::cosine).queries, 10);
  x[6] = x[7] = x[8] = 0;
  EXPECT_EQ(run(10, 3, 1, Distance::cosine),
            "row 2 of the features cannot be brought to length 1: it is all zeros or not finite; look at what computed the features");
}


TEST(Neighbors, AreTheNearestHoweverFarOthersAre) {
  for (const double span : {1.0, 1e3, 1e4, 1e6})
    for (const double scale : {1.0, 1e-25}) {
      const auto x = far_pairs(span, scale);
      const auto found = nearest_neighbors(x.data(), 360, 48, 20, Distance::euclidean);
      const auto of_queries = nearest_neighbors(x.data(), 360, x.data(), 360, 48, 21, Distance::euclidean);
      for (std::int64_t i = 0; i < 360; ++i) {
        std::vector<std::pair<double, std::int32_t>> all;
        for (std::int32_t o = 0; o < 360; ++o) {
          double square = 0;
          for (std::int64_t j = 0; j < 48; ++j) {
            const double e = static_cast<double>(x[static_cast<std::size_t>(i * 48 + j)]) - static_cast<double>(x[static_cast<std::size_t>(o * 48 + j)]);
            square += e * e;
          }
          all.emplace_back(std::sqrt(square), o);
        }
        std::sort(all.begin(), all.end());
        for (std::size_t j = 0; j < 20; ++j) {
          const auto at = static_cast<std::size_t>(i) * 20 + j;
          ASSERT_FLOAT_EQ(found.distance[at], static_cast<float>(all[j + 1].first)) << span << " " << scale << " row " << i;
          ASSERT_EQ(found.index[at] / 60, i / 60);
          ASSERT_FLOAT_EQ(of_queries.distance[static_cast<std::size_t>(i) * 21 + j + 1], found.distance[at]);
        }
      }
    }
}

}  // namespace
}  // namespace cdc
