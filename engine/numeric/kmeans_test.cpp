#include "cdc/kmeans.hpp"

#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "cdc/random.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/numeric_test.hpp"

namespace cdc {
namespace {

using test::blobs;
using test::are_far_pairs;
using test::error_of;
using test::far_pairs;

double square(const float* a, const float* b, std::int64_t d) {
  double sum = 0;
  for (std::int64_t j = 0; j < d; ++j) sum += (double{a[j]} - double{b[j]}) * (double{a[j]} - double{b[j]});
  return sum;
}

/// Lloyd's iterations as the textbook has them, in float64.
struct Plain {
  std::vector<float> centres;
  std::vector<std::int32_t> labels;
  double inertia = 0;
};
Plain textbook(const std::vector<float>& x, std::int64_t n, std::int64_t d, std::vector<float> centres, std::int64_t k, int iterations) {
  Plain out;
  out.labels.resize(static_cast<std::size_t>(n));
  const auto assign = [&] {
    out.inertia = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      double best = std::numeric_limits<double>::infinity();
      for (std::int64_t c = 0; c < k; ++c) {
        const double s = square(&x[static_cast<std::size_t>(i * d)], &centres[static_cast<std::size_t>(c * d)], d);
        if (s < best) {
          best = s;
          out.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(c);
        }
      }
      out.inertia += best;
    }
  };
  for (int it = 0; it < iterations; ++it) {
    assign();
    std::vector<double> sums(static_cast<std::size_t>(k * d), 0.0), counts(static_cast<std::size_t>(k), 0.0);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto c = static_cast<std::size_t>(out.labels[static_cast<std::size_t>(i)]);
      ++counts[c];
      for (std::int64_t j = 0; j < d; ++j)
        sums[c * static_cast<std::size_t>(d) + static_cast<std::size_t>(j)] += double{x[static_cast<std::size_t>(i * d + j)]};
    }
    for (std::size_t c = 0; c < counts.size(); ++c)
      for (std::size_t j = 0; j < static_cast<std::size_t>(d); ++j)
        centres[c * static_cast<std::size_t>(d) + j] = static_cast<float>(sums[c * static_cast<std::size_t>(d) + j] / counts[c]);
  }
  assign();
  out.centres = std::move(centres);
  return out;
}

class KMeansSizes : public ::testing::TestWithParam<std::array<std::int64_t, 3>> {};

TEST_P(KMeansSizes, EqualsTheTextbookFromTheSameCentres) {
  const auto [n, d, k] = GetParam();
  for (const double shift : {0.0, 50.0}) {
    const auto x = blobs(n, d, k, 0.7, 11, shift);
    const std::vector<float> start(x.begin(), x.begin() + k * d);
    const Plain plain = textbook(x, n, d, start, k, 12);
    for (const bool prune : {false, true}) {
      KMeansOptions options;
      options.clusters = k;
      options.centres = start.data();
      options.max_iterations = 12;
      options.tolerance = 0;
      options.prune = prune;
      const KMeansResult r = kmeans(x.data(), n, d, options);
      EXPECT_NEAR(r.inertia / plain.inertia, 1, 1e-5) << "prune " << prune << ", shift " << shift;
      std::int64_t different = 0;
      for (std::size_t i = 0; i < r.labels.size(); ++i) different += r.labels[i] != plain.labels[i];
      EXPECT_LE(different, n / 200) << "prune " << prune << ", shift " << shift;
      EXPECT_DOUBLE_EQ(r.inertia, kmeans_inertia(x.data(), n, d, r.centres.data(), r.labels.data()));
      EXPECT_EQ(r.empty, 0);
    }
  }
}
// Around the kernels' widths: one vector, two, a panel and a bit, several panels; columns odd and even; points fewer than a tile, and more than a
// block.
INSTANTIATE_TEST_SUITE_P(Shapes, KMeansSizes,
                         ::testing::Values(std::array<std::int64_t, 3>{7, 3, 2}, std::array<std::int64_t, 3>{500, 1, 5},
                                           std::array<std::int64_t, 3>{1000, 17, 16}, std::array<std::int64_t, 3>{3000, 33, 17},
                                           std::array<std::int64_t, 3>{2000, 64, 33}, std::array<std::int64_t, 3>{4000, 20, 100}));

TEST(KMeansKernels, OfEveryWidthFindTheNearestCentre) {
  const std::int64_t n = 1000, d = 37, k = 45;
  const auto x = blobs(n, d, 10, 1.0, 12, 3.0);
  const kmeans_detail::Points points = kmeans_detail::describe_points(x.data(), n, d);
  int tried = 0;
  for (const int lanes : {4, 8, 16}) {
    const kmeans_detail::Kernels* kernels = kmeans_detail::kernels_of(lanes);
    if (!kernels) continue;
    ++tried;
    kmeans_detail::Centres centres;
    centres.pack(*kernels, x.data(), k, d, points.mean.data(), {});
    std::vector<std::int32_t> label(static_cast<std::size_t>(n));
    std::vector<float> score(static_cast<std::size_t>(n));
    kmeans_detail::nearest(*kernels, centres, x.data(), nullptr, n, label.data(), score.data());
    for (std::int64_t i = 0; i < n; ++i) {
      double best = std::numeric_limits<double>::infinity();
      for (std::int64_t c = 0; c < k; ++c) best = std::min(best, square(points.row(i), points.row(c), d));
      EXPECT_NEAR(square(points.row(i), points.row(label[static_cast<std::size_t>(i)]), d), best, 1e-4) << kernels->name << ", point " << i;
      EXPECT_NEAR(points.norm[static_cast<std::size_t>(i)] + score[static_cast<std::size_t>(i)], best, 1e-3) << kernels->name << ", point " << i;
    }
    EXPECT_NEAR(kernels->square_distance(points.row(0), points.row(1), d), square(points.row(0), points.row(1), d), 1e-3);
  }
  EXPECT_GE(tried, 1);
}

TEST(KMeansKernels, BreakTiesByTheLowestCentre) {
  const std::int64_t d = 5, k = 70;
  const std::vector<float> x(static_cast<std::size_t>(20 * d), 1.5f), same(static_cast<std::size_t>(k * d), 1.5f);
  const kmeans_detail::Points points = kmeans_detail::describe_points(x.data(), 20, d);
  kmeans_detail::Centres centres;
  centres.pack(kmeans_detail::kernels(), same.data(), k, d, points.mean.data(), {});
  std::vector<std::int32_t> label(20, -1);
  kmeans_detail::nearest(kmeans_detail::kernels(), centres, x.data(), nullptr, 20, label.data(), nullptr);
  EXPECT_EQ(label, std::vector<std::int32_t>(20, 0));
}

TEST(KMeans, HasTheSameBitsWithAnyNumberOfThreads) {
  const std::int64_t n = 6000, d = 40, k = 50;
  const auto x = blobs(n, d, 60, 1.0, 13);
  const oneapi::tbb::global_control allowed(oneapi::tbb::global_control::max_allowed_parallelism, 16);
  for (const int kind : {0, 1}) {
    KMeansOptions options;
    options.clusters = k;
    options.restarts = 2;
    options.seed = 5;
    options.spherical = kind == 1;
    KMeansResult first;
    for (const int threads : {1, 2, 16}) {
      oneapi::tbb::task_arena arena(threads);
      arena.execute([&] {
        KMeansResult r = kmeans(x.data(), n, d, options);
        if (threads == 1) first = r;
        EXPECT_EQ(r.labels, first.labels) << threads << " threads, kind " << kind;
        EXPECT_EQ(std::memcmp(r.centres.data(), first.centres.data(), first.centres.size() * sizeof(float)), 0)
            << threads << " threads, kind " << kind;
        EXPECT_EQ(std::memcmp(&r.inertia, &first.inertia, sizeof(double)), 0) << threads << " threads, kind " << kind;
        EXPECT_EQ(r.iterations, first.iterations);
      });
    }
  }
}

TEST(KMeans, FindsSeparatedGroupsWhateverTheSeed) {
  const std::int64_t n = 1200, d = 16, k = 12;
  const auto x = blobs(n, d, k, 0.05, 14);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    KMeansOptions options;
    options.clusters = k;
    options.seed = seed;
    const KMeansResult r = kmeans(x.data(), n, d, options);
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(r.labels[static_cast<std::size_t>(i)], r.labels[static_cast<std::size_t>(i % k)]);
    EXPECT_EQ(std::set<std::int32_t>(r.labels.begin(), r.labels.begin() + k).size(), static_cast<std::size_t>(k));
    EXPECT_TRUE(r.converged);
  }
}

TEST(KMeans, KeepsTheBestOfItsRestartsAndSeedsMatter) {
  const auto x = blobs(2000, 8, 40, 0.5, 15);
  KMeansOptions options;
  options.clusters = 20;
  options.start = KMeansOptions::Start::random;
  options.seed = 3;
  options.restarts = 1;
  const KMeansResult one = kmeans(x.data(), 2000, 8, options);
  options.restarts = 8;
  const KMeansResult eight = kmeans(x.data(), 2000, 8, options);
  EXPECT_LE(eight.inertia, one.inertia);
  EXPECT_GT(eight.restart, 0);  // of eight starts from random rows the first is hardly the best; this seed's is not
  options.restarts = 1;
  options.seed = 4;
  EXPECT_NE(kmeans(x.data(), 2000, 8, options).labels, one.labels);
}

TEST(KMeans, FillsAnEmptyClusterFromTheMostSpreadOne) {
  // Groups at 0 (tight) and around 10 (spread); the third centre is far from everything.
  const std::vector<float> x = {0, 0.1f, 0.2f, 8, 9, 10, 11, 14}, start = {0, 10, 1000};
  KMeansOptions options;
  options.clusters = 3;
  options.centres = start.data();
  options.tolerance = 0;
  for (const bool prune : {false, true}) {
    options.prune = prune;
    const KMeansResult r = kmeans(x.data(), 8, 1, options);
    EXPECT_EQ(r.empty, 0);
    EXPECT_EQ(r.labels, (std::vector<std::int32_t>{0, 0, 0, 1, 1, 1, 1, 2}));
    EXPECT_FLOAT_EQ(r.centres[2], 14);
  }
  // Many at once, under the pruned assignment too.
  const auto many = blobs(3000, 4, 5, 1.0, 16);
  std::vector<float> far(static_cast<std::size_t>(40 * 4), 1e4f);
  std::copy_n(many.begin(), 20, far.begin());
  options.clusters = 40;
  options.centres = far.data();
  const KMeansResult r = kmeans(many.data(), 3000, 4, options);
  EXPECT_EQ(r.empty, 0);
}

TEST(KMeans, CopesWithFewerDistinctPointsThanClusters) {
  std::vector<float> x;
  for (int i = 0; i < 30; ++i) x.insert(x.end(), {static_cast<float>(i % 3), 100.0f});
  KMeansOptions options;
  options.clusters = 5;
  for (const auto start : {KMeansOptions::Start::kmeans_plus_plus, KMeansOptions::Start::random}) {
    options.start = start;
    const KMeansResult r = kmeans(x.data(), 30, 2, options);
    EXPECT_EQ(r.empty, 2);
    EXPECT_EQ(r.inertia, 0);
    for (int i = 0; i < 30; ++i) EXPECT_EQ(r.labels[static_cast<std::size_t>(i)], r.labels[static_cast<std::size_t>(i % 3)]);
  }
  const std::vector<float> constant(60, 7.25f);
  const KMeansResult r = kmeans(constant.data(), 30, 2, options);
  EXPECT_EQ(r.empty, 4);
  EXPECT_EQ(r.inertia, 0);
  EXPECT_EQ(r.labels, std::vector<std::int32_t>(30, 0));
}

TEST(KMeans, MakesEveryPointACentreWhereThereAreAsMany) {
  const auto x = blobs(9, 3, 9, 0.5, 17);
  KMeansOptions options;
  options.clusters = 9;
  const KMeansResult r = kmeans(x.data(), 9, 3, options);
  EXPECT_EQ(std::set<std::int32_t>(r.labels.begin(), r.labels.end()).size(), 9u);
  EXPECT_EQ(r.inertia, 0);
}

TEST(KMeans, ClustersByAngleWhenSpherical) {
  Random random(18);
  const std::int64_t n = 900, d = 6;
  std::vector<float> x(static_cast<std::size_t>(n * d));
  for (std::int64_t i = 0; i < n; ++i) {  // three directions, lengths from 0.01 to 100
    const double length = std::pow(10.0, random.uniform(-2, 2));
    for (std::int64_t j = 0; j < d; ++j)
      x[static_cast<std::size_t>(i * d + j)] = static_cast<float>(length * ((j == i % 3 ? 1.0 : 0.0) + 0.05 * random.normal()));
  }
  KMeansOptions options;
  options.clusters = 3;
  options.spherical = true;
  const KMeansResult r = kmeans(x.data(), n, d, options);
  for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(r.labels[static_cast<std::size_t>(i)], r.labels[static_cast<std::size_t>(i % 3)]);
  for (std::int64_t c = 0; c < 3; ++c) {
    const std::vector<float> origin(static_cast<std::size_t>(d), 0.0f);
    EXPECT_NEAR(square(&r.centres[static_cast<std::size_t>(c * d)], origin.data(), d), 1, 1e-5);
  }
}

TEST(KMeans, SeedsByDistance) {
  // One far point: greedy k-means++ takes it as one of two centres whatever the seed.
  std::vector<float> x(200, 0.0f);
  for (int i = 0; i < 100; ++i) x[static_cast<std::size_t>(2 * i)] = 0.001f * static_cast<float>(i);
  x[2 * 63 + 1] = 1000;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto rows = kmeans_plus_plus(x.data(), 100, 2, 2, seed);
    EXPECT_EQ(std::count(rows.begin(), rows.end(), 63), 1) << seed;
  }
  const auto many = blobs(5000, 12, 300, 0.3, 19);
  const auto rows = kmeans_plus_plus(many.data(), 5000, 12, 300, 1);
  EXPECT_EQ(std::set<std::int64_t>(rows.begin(), rows.end()).size(), 300u);
  EXPECT_EQ(rows, kmeans_plus_plus(many.data(), 5000, 12, 300, 1));
  EXPECT_NE(rows, kmeans_plus_plus(many.data(), 5000, 12, 300, 2));
}

TEST(KMeans, StopsWhenAsked) {
  const auto x = blobs(3000, 8, 30, 1.0, 20);
  KMeansOptions options;
  options.clusters = 30;
  int calls = 0;
  EXPECT_THROW(kmeans(x.data(), 3000, 8, options, [&](const KMeansProgress&) { return ++calls < 3; }), Stopped);
  EXPECT_EQ(calls, 3);
  options.start = KMeansOptions::Start::random;
  EXPECT_EQ(error_of([&] { kmeans(x.data(), 3000, 8, options, [](const KMeansProgress&) { return false; }); }), "k-means was stopped");
}

TEST(KMeans, RefusesWhatItCannotCluster) {
  auto x = blobs(10, 3, 2, 1.0, 21);
  KMeansOptions options;
  const auto run = [&](std::int64_t n, std::int64_t d) { return error_of([&] { kmeans(x.data(), n, d, options); }); };
  options.clusters = 11;
  EXPECT_EQ(run(10, 3), "k-means cannot make 11 clusters of 10 rows: lower clusters or take more data");
  options.clusters = 0;
  EXPECT_EQ(run(10, 3), "k-means needs at least 1 cluster; clusters = 0");
  options.clusters = 2;
  EXPECT_EQ(run(10, 0), "k-means needs features with at least 1 column");
  options.restarts = 0;
  EXPECT_EQ(run(10, 3), "k-means needs at least 1 start; restarts = 0");
  options.restarts = 1;
  options.max_iterations = 0;
  EXPECT_EQ(run(10, 3), "k-means needs at least 1 iteration; max_iterations = 0");
  options.max_iterations = 10;
  options.tolerance = -1;
  EXPECT_EQ(run(10, 3), "k-means' tolerance must not be negative; tolerance = -1");
  options.tolerance = 0;
  x[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(run(10, 3), "row 2, column 1 of the features is nan: k-means needs finite numbers; look at what computed the features");
  x[7] = 0;
  x[28] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(run(10, 3), "row 9, column 1 of the features is -inf: k-means needs finite numbers; look at what computed the features");
  x[28] = 0;
  x[12] = x[13] = x[14] = 0;
  options.spherical = true;
  EXPECT_EQ(run(10, 3), "row 4 of the features cannot be brought to length 1: it is all zeros or not finite; look at what computed the features");
}


TEST(KMeans, TellsClustersApartHoweverFarOthersAre) {
  for (const double span : {1.0, 1e3, 1e4, 1e6})
    for (const double scale : {1.0, 1e18, 1e19, 1e30, 1e-25, 1e-35}) {
      const auto x = far_pairs(span, scale);
      for (const bool prune : {true, false}) {
        KMeansOptions options;
        options.clusters = 6;
        options.prune = prune;
        const auto found = kmeans(x.data(), 360, 48, options);
        EXPECT_TRUE(are_far_pairs(found.labels)) << span << " " << scale;
        EXPECT_EQ(found.empty, 0);
        EXPECT_DOUBLE_EQ(found.inertia, kmeans_inertia(x.data(), 360, 48, found.centres.data(), found.labels.data()));
        options.centres = found.centres.data();
        EXPECT_EQ(kmeans(x.data(), 360, 48, options).labels, found.labels) << span << " " << scale;
      }
    }
}

TEST(KMeans, ScaleChangesNothingElse) {
  const auto x = blobs(2000, 20, 12, 0.5, 22);
  KMeansOptions options;
  options.clusters = 12;
  const auto found = kmeans(x.data(), 2000, 20, options);
  for (const int exponent : {60, 100, 120, -60, -100}) {
    std::vector<float> scaled = x;
    for (float& v : scaled) v = std::ldexp(v, exponent);
    const auto same = kmeans(scaled.data(), 2000, 20, options);
    EXPECT_EQ(same.labels, found.labels) << exponent;
    EXPECT_DOUBLE_EQ(std::ldexp(same.inertia, -2 * exponent), found.inertia) << exponent;
  }
}

TEST(KMeans, CountsDistinctRows) {
  const std::vector<float> x = {0, 1, -0.0f, 1, 2, 3, 2, 3, 2, 4};
  EXPECT_EQ(distinct_rows(x.data(), 5, 2, 10), 3);
  EXPECT_EQ(distinct_rows(x.data(), 5, 2, 2), 2);
  EXPECT_EQ(distinct_rows(x.data(), 0, 2, 2), 0);
}


TEST(KMeans, OneRowFarFromAllOthersIsAClusterAndTheOthersKeepTheirs) {
  for (const float far : {1e6f, 1e10f, 1e19f, 1e25f, 1e35f}) {
    auto x = far_pairs(1, 1);
    x.resize(361 * 48, 0.0f);
    x[360 * 48] = far;
    KMeansOptions options;
    options.clusters = 7;
    auto labels = kmeans(x.data(), 361, 48, options).labels;
    EXPECT_EQ(std::count(labels.begin(), labels.end(), labels.back()), 1) << far;
    labels.pop_back();
    EXPECT_TRUE(are_far_pairs(labels)) << far;
  }
}

TEST(KMeans, CentersThatAreGivenMayBeAnywhereButNotInfinite) {
  const auto x = far_pairs(1, 1);
  KMeansOptions options;
  options.clusters = 2;
  for (const float far : {1e10f, 1e19f, 1e30f}) {
    std::vector<float> centres(2 * 48, 0.0f);
    centres[48] = far;
    options.centres = centres.data();
    const auto found = kmeans(x.data(), 360, 48, options);
    EXPECT_EQ(found.empty, 0) << far;
    for (const std::int32_t label : found.labels) ASSERT_TRUE(label == 0 || label == 1);
  }
  std::vector<float> centres(2 * 48, 0.0f);
  centres[50] = std::numeric_limits<float>::infinity();
  options.centres = centres.data();
  EXPECT_EQ(error_of([&] { kmeans(x.data(), 360, 48, options); }), "center 1, column 2 of those to start from is inf: k-means needs finite numbers");
}

TEST(KMeans, NoLabelIsMadeUpWhereNoDistanceIsFinite) {
  // What stands between a label and the memory that it names, should a caller ever not scale.
  const std::vector<float> x = {1e30f, -1e30f};
  const double mean = 0;
  kmeans_detail::Centres centres;
  centres.pack(kmeans_detail::kernels(), x.data(), 2, 1, &mean, {});
  std::vector<std::int32_t> label(2);
  EXPECT_EQ(error_of([&] { kmeans_detail::nearest(kmeans_detail::kernels(), centres, x.data(), nullptr, 2, label.data(), nullptr); }).substr(0, 42),
            "no center has a finite distance to row 0 o");
}

}  // namespace
}  // namespace cdc
