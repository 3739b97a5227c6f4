#include "cdc/spectral.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "cdc/random.hpp"
#include "numeric/numeric_test.hpp"

namespace cdc {
namespace {

using test::error_of;
using test::on_threads;

/// Rings of radius 1, 3, 5, ... around 0; row i lies on ring i % rings.
std::vector<float> rings(std::int64_t n, std::int64_t count, double noise, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> out;
  for (std::int64_t i = 0; i < n; ++i) {
    const double radius = 1 + 2 * static_cast<double>(i % count) + noise * random.normal(), angle = 6.283185307179586 * random.uniform();
    out.push_back(static_cast<float>(radius * std::cos(angle)));
    out.push_back(static_cast<float>(radius * std::sin(angle)));
  }
  return out;
}

using Weights = SpectralOptions::Weights;

TEST(Spectral, FindsRingsThatNoCentreTellsApart) {
  const std::int64_t n = 900;
  for (const double noise : {0.05, 0.25})  // pieces of their own, and tied to each other
    for (const Weights weights : {Weights::connectivity, Weights::gaussian}) {
      const auto x = rings(n, 3, noise, 61);
      SpectralOptions options;
      options.clusters = 3;
      options.weights = weights;
      const SpectralResult r = spectral_clustering(x.data(), n, 2, options);
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < n; ++i) wrong += r.labels[static_cast<std::size_t>(i)] != r.labels[static_cast<std::size_t>(i % 3)];
      EXPECT_LE(wrong, noise < 0.1 ? 0 : n / 50) << noise;
      EXPECT_EQ(std::set<std::int32_t>(r.labels.begin(), r.labels.begin() + 3).size(), 3u);
      ASSERT_EQ(r.eigenvalues.size(), 3u);
      EXPECT_EQ(r.eigenvalues[0], 1);
      for (std::size_t c = 1; c < 3; ++c) {
        EXPECT_LE(r.eigenvalues[c], r.eigenvalues[c - 1] + 1e-9);
        EXPECT_GT(r.eigenvalues[c], 0.9);
      }
    }
}

TEST(Spectral, MoreClustersThanPiecesCutPieces) {
  const auto x = rings(600, 2, 0.02, 62);
  SpectralOptions options;
  options.clusters = 5;
  const SpectralResult r = spectral_clustering(x.data(), 600, 2, options);
  EXPECT_EQ(r.components, 2);
  EXPECT_EQ(r.eigenvalues[1], 1);
  EXPECT_LT(r.eigenvalues[2], 1);
  std::set<std::int32_t> even, odd;
  for (std::size_t i = 0; i < 600; ++i) (i % 2 ? odd : even).insert(r.labels[i]);
  for (const std::int32_t l : even) EXPECT_EQ(odd.count(l), 0u);
  EXPECT_EQ(even.size() + odd.size(), 5u);
}

TEST(Spectral, HasTheSameBitsWithAnyNumberOfThreads) {
  const auto x = rings(3000, 3, 0.3, 63);
  SpectralOptions options;
  options.clusters = 4;
  SpectralResult first;
  on_threads([&](int threads) {
    const SpectralResult r = spectral_clustering(x.data(), 3000, 2, options);
    if (threads == 1) first = r;
    EXPECT_EQ(r.labels, first.labels) << threads;
    EXPECT_EQ(r.eigenvalues, first.eigenvalues) << threads;
  });
}

TEST(Spectral, CopesWithRepeatedRows) {
  std::vector<float> x;
  for (int i = 0; i < 200; ++i) x.insert(x.end(), {static_cast<float>(i % 2), static_cast<float>(i % 4 / 2)});  // four places, 50 rows each
  SpectralOptions options;
  options.clusters = 4;
  for (const Weights weights : {Weights::connectivity, Weights::gaussian}) {
    options.weights = weights;
    const SpectralResult r = spectral_clustering(x.data(), 200, 2, options);
    for (std::size_t i = 0; i < 200; ++i) EXPECT_EQ(r.labels[i], r.labels[i % 4]);
  }
  options.clusters = 2;
  EXPECT_EQ(error_of([&] { spectral_clustering(x.data(), 200, 2, options); }),
            "the graph of 10 nearest neighbours falls apart into 4 pieces, more than the 2 clusters wanted: raise neighbors");
  options.neighbors = 199;
  const SpectralResult whole = spectral_clustering(x.data(), 200, 2, options);
  EXPECT_EQ(whole.components, 1);
  for (const double value : whole.eigenvalues) EXPECT_TRUE(std::isfinite(value));
}

TEST(Spectral, MakesAsManyClustersAsRows) {
  const auto x = rings(8, 2, 0.1, 64);
  SpectralOptions options;
  options.clusters = 8;
  options.neighbors = 7;
  const SpectralResult r = spectral_clustering(x.data(), 8, 2, options);
  EXPECT_EQ(std::set<std::int32_t>(r.labels.begin(), r.labels.end()).size(), 8u);
}

TEST(Spectral, OneClusterIsAllRows) {
  const auto x = rings(300, 1, 0.1, 67);
  SpectralOptions options;
  options.clusters = 1;
  const SpectralResult r = spectral_clustering(x.data(), 300, 2, options);
  EXPECT_EQ(r.labels, std::vector<std::int32_t>(300, 0));
  EXPECT_EQ(r.eigenvalues, (std::vector<double>{1}));
}

TEST(Spectral, RefusesWhatItCannotClusterAndStops) {
  const auto x = rings(20, 2, 0.1, 65);
  SpectralOptions options;
  options.clusters = 21;
  EXPECT_EQ(error_of([&] { spectral_clustering(x.data(), 20, 2, options); }),
            "k-means cannot make 21 clusters of 20 rows: lower clusters or take more data");
  options.clusters = 2;
  options.neighbors = 20;
  EXPECT_EQ(error_of([&] { spectral_clustering(x.data(), 20, 2, options); }),
            "spectral clustering of 20 rows ties each to 1 .. 19 neighbours; neighbors = 20");
  options.neighbors = 0;
  EXPECT_EQ(error_of([&] { spectral_clustering(x.data(), 20, 2, options); }),
            "spectral clustering of 20 rows ties each to 1 .. 19 neighbours; neighbors = 0");
  options.neighbors = 5;
  options.max_restarts = 0;
  EXPECT_EQ(error_of([&] { spectral_clustering(x.data(), 20, 2, options); }), "Lanczos' method needs at least 1 start; max_restarts = 0");
  options.max_restarts = 1;
  options.restarts = 0;
  EXPECT_EQ(error_of([&] { spectral_clustering(x.data(), 20, 2, options); }), "k-means needs at least 1 start; restarts = 0");
  options.restarts = 1;
  const std::vector<float> same(40, 0.1f);
  EXPECT_EQ(error_of([&] { spectral_clustering(same.data(), 20, 2, options); }),
            "all 20 rows of the features are the same: there is nothing to cluster; look at what computed the features");
  std::vector<float> ray;
  for (int i = 1; i <= 20; ++i) ray.insert(ray.end(), {0.3f * static_cast<float>(i), 0.7f * static_cast<float>(i)});
  options.distance = Distance::cosine;
  EXPECT_EQ(error_of([&] { spectral_clustering(ray.data(), 20, 2, options); }),
            "all 20 rows of the features have the same direction: distance = \"cosine\" has nothing to cluster; look at what computed the features");
  ray[6] = ray[7] = 0;
  EXPECT_EQ(error_of([&] { spectral_clustering(ray.data(), 20, 2, options); }),
            "row 3 of the features cannot be brought to length 1: it is all zeros or not finite; look at what computed the features");
  ray[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(error_of([&] { spectral_clustering(ray.data(), 20, 2, options); }),
            "row 3, column 1 of the features is nan: spectral clustering needs finite numbers; look at what computed the features");
  options.distance = Distance::euclidean;
  options.clusters = 8;
  const auto many = rings(600, 2, 0.3, 66);
  EXPECT_EQ(error_of([&] { spectral_clustering(many.data(), 600, 2, options); }),
            "the eigenvectors of the graph of 5 nearest neighbours did not converge within 1 restarts: it nearly falls apart; raise neighbors");
  options.clusters = 2;
  for (const std::string step : {"neighbours", "eigenvectors", "k-means"}) {
    options.neighbors = 19;
    EXPECT_EQ(error_of([&] { spectral_clustering(x.data(), 20, 2, options, [&](const SpectralProgress& p) { return p.step != step; }); }),
              "spectral clustering was stopped");
  }
}


TEST(Spectral, TellsClustersApartHoweverFarOthersAre) {
  for (const double span : {1.0, 1e3, 1e4}) {
    const auto x = test::far_pairs(span, 1);
    SpectralOptions options;
    options.clusters = 6;
    options.neighbors = 10;
    const auto found = spectral_clustering(x.data(), 360, 48, options);
    EXPECT_TRUE(test::are_far_pairs(found.labels)) << span;
    EXPECT_EQ(found.components, 6) << span;
  }
}

}  // namespace
}  // namespace cdc
