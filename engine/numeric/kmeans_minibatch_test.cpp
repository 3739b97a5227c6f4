#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "cdc/kmeans.hpp"
#include "numeric/numeric_test.hpp"

namespace cdc {
namespace {

using test::blobs;
using test::are_far_pairs;
using test::error_of;
using test::far_pairs;
using test::on_threads;

TEST(MiniBatchKMeans, FindsSeparatedGroupsWhateverTheSeed) {
  const std::int64_t n = 1200, d = 16, k = 12;
  const auto x = blobs(n, d, k, 0.05, 14);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    MiniBatchKMeansOptions options;
    options.clusters = k;
    options.seed = seed;
    options.batch_size = 256;
    const KMeansResult r = minibatch_kmeans(x.data(), n, d, options);
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(r.labels[static_cast<std::size_t>(i)], r.labels[static_cast<std::size_t>(i % k)]);
    EXPECT_EQ(std::set<std::int32_t>(r.labels.begin(), r.labels.begin() + k).size(), static_cast<std::size_t>(k));
    EXPECT_TRUE(r.converged);
    EXPECT_EQ(r.empty, 0);
    EXPECT_DOUBLE_EQ(r.inertia, kmeans_inertia(x.data(), n, d, r.centres.data(), r.labels.data()));
  }
}

TEST(MiniBatchKMeans, HasTheSameBitsWithAnyNumberOfThreads) {
  const std::int64_t n = 6000, d = 140, k = 50;
  const auto x = blobs(n, d, 60, 1.0, 13);
  for (const bool spherical : {false, true}) {
    MiniBatchKMeansOptions options;
    options.clusters = k;
    options.seed = 5;
    options.batch_size = 512;
    options.spherical = spherical;
    KMeansResult first;
    on_threads([&](int threads) {
      const KMeansResult r = minibatch_kmeans(x.data(), n, d, options);
      if (threads == 1) first = r;
      EXPECT_EQ(r.labels, first.labels) << threads;
      EXPECT_EQ(r.centres, first.centres) << threads;
      EXPECT_EQ(r.inertia, first.inertia) << threads;
      EXPECT_EQ(r.iterations, first.iterations) << threads;
    });
    if (!spherical) continue;
    for (std::int64_t c = 0; c < k; ++c) {
      double length = 0;
      for (std::int64_t j = 0; j < d; ++j) length += std::pow(double{first.centres[static_cast<std::size_t>(c * d + j)]}, 2);
      EXPECT_NEAR(length, 1, 1e-5);
    }
  }
}

TEST(MiniBatchKMeans, ReassignsCentresThatGetNoPoints) {
  // Nine of ten rows are 0: random first centres are nearly all there, and all but one of those get no points.
  const std::int64_t n = 2000, k = 10;
  std::vector<float> x;
  for (std::int64_t i = 0; i < n; ++i) x.push_back(i % 10 == 0 ? static_cast<float>(1 + i / 10 % 9) : 0.0f);
  MiniBatchKMeansOptions options;
  options.clusters = k;
  options.batch_size = 200;
  options.inits = 1;
  options.init_samples = k;
  options.start = KMeansOptions::Start::random;
  options.max_no_improvement = 0;
  options.max_passes = 30;
  double with = 0, without = 0;
  for (options.seed = 0; options.seed < 20; ++options.seed) {
    options.reassignment_ratio = 0.005;
    with += minibatch_kmeans(x.data(), n, 1, options).inertia;
    options.reassignment_ratio = 0;
    without += minibatch_kmeans(x.data(), n, 1, options).inertia;
  }
  EXPECT_LT(with, 0.75 * without);  // of scikit-learn's over 20 seeds 0.39, of single seeds up to 1
}

TEST(MiniBatchKMeans, KeepsTheBestOfItsFirstCentresAndSeedsMatter) {
  const auto x = blobs(3000, 8, 40, 0.1, 16);
  MiniBatchKMeansOptions options;
  options.clusters = 40;
  options.start = KMeansOptions::Start::random;
  options.inits = 20;
  options.seed = 3;
  const KMeansResult twenty = minibatch_kmeans(x.data(), 3000, 8, options);
  EXPECT_GT(twenty.restart, 0);
  options.seed = 4;
  EXPECT_NE(minibatch_kmeans(x.data(), 3000, 8, options).labels, twenty.labels);
}

TEST(MiniBatchKMeans, EndsByEachOfItsRules) {
  const auto x = blobs(1000, 4, 5, 0.5, 17);
  MiniBatchKMeansOptions options;
  options.clusters = 5;
  options.batch_size = 100;
  options.max_passes = 3;
  options.max_no_improvement = 0;
  KMeansResult r = minibatch_kmeans(x.data(), 1000, 4, options);
  EXPECT_EQ(r.iterations, 30);
  EXPECT_FALSE(r.converged);
  options.tolerance = 1;
  r = minibatch_kmeans(x.data(), 1000, 4, options);
  EXPECT_LT(r.iterations, 30);
  EXPECT_TRUE(r.converged);
  options.tolerance = 0;
  options.max_no_improvement = 1;
  r = minibatch_kmeans(x.data(), 1000, 4, options);
  EXPECT_LT(r.iterations, 30);
  EXPECT_TRUE(r.converged);
}

TEST(MiniBatchKMeans, CopesWithFewerDistinctPointsThanClusters) {
  const std::vector<float> constant(60, 7.25f);
  MiniBatchKMeansOptions options;
  options.clusters = 5;
  const KMeansResult r = minibatch_kmeans(constant.data(), 30, 2, options);
  EXPECT_EQ(r.empty, 4);
  EXPECT_EQ(r.inertia, 0);
}

TEST(MiniBatchKMeans, RefusesWhatItCannotDo) {
  auto x = blobs(10, 3, 2, 1.0, 21);
  const auto run = [&](const std::function<void(MiniBatchKMeansOptions&)>& change) {
    MiniBatchKMeansOptions options;
    options.clusters = 2;
    change(options);
    return error_of([&] { minibatch_kmeans(x.data(), 10, 3, options); });
  };
  using Options = MiniBatchKMeansOptions;
  EXPECT_EQ(run([](Options& o) { o.clusters = 11; }), "k-means cannot make 11 clusters of 10 rows: lower clusters or take more data");
  EXPECT_EQ(run([](Options& o) { o.batch_size = 0; }), "k-means needs at least 1 row a batch; batch_size = 0");
  EXPECT_EQ(run([](Options& o) { o.max_passes = 0; }), "k-means needs at least 1 pass over the data; max_passes = 0");
  EXPECT_EQ(run([](Options& o) { o.inits = 0; }), "k-means needs at least 1 start; inits = 0");
  EXPECT_EQ(run([](Options& o) { o.init_samples = 1; }),
            "k-means cannot choose 2 first centres among init_samples = 1 rows: raise init_samples, or 0 for the usual number");
  EXPECT_EQ(run([](Options& o) { o.reassignment_ratio = 1; }), "k-means' reassignment_ratio must lie in 0 .. 1, without 1; reassignment_ratio = 1");
  EXPECT_EQ(run([](Options& o) { o.max_no_improvement = -1; }), "k-means' max_no_improvement must not be negative; max_no_improvement = -1");
  EXPECT_EQ(run([](Options& o) { o.tolerance = -1; }), "k-means' tolerance must not be negative; tolerance = -1");
  x[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(run([](Options&) {}), "row 2, column 1 of the features is nan: k-means needs finite numbers; look at what computed the features");
  x[6] = x[7] = x[8] = 0;
  EXPECT_EQ(run([](Options& o) { o.spherical = true; }),
            "row 2 of the features cannot be brought to length 1: it is all zeros or not finite; look at what computed the features");
}


TEST(MiniBatchKMeans, TellsClustersApartHoweverFarOthersAre) {
  for (const double span : {1.0, 1e3, 1e4, 1e6})
    for (const double scale : {1.0, 1e18, 1e19, 1e-25}) {
      const auto x = far_pairs(span, scale);
      MiniBatchKMeansOptions options;
      options.clusters = 6;
      options.batch_size = 120;
      const auto found = minibatch_kmeans(x.data(), 360, 48, options);
      EXPECT_TRUE(are_far_pairs(found.labels)) << span << " " << scale;
      EXPECT_EQ(found.empty, 0);
    }
}

}  // namespace
}  // namespace cdc
