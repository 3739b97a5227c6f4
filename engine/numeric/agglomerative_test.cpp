#include "cdc/agglomerative.hpp"
#include "numeric/numeric_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

namespace cdc {
namespace {

using test::blobs;
using test::error_of;
using test::on_threads;

using Linkage = AgglomerativeOptions::Linkage;

double distance(const std::vector<float>& x, std::size_t d, std::size_t a, std::size_t b) {
  double sum = 0;
  for (std::size_t j = 0; j < d; ++j) sum += std::pow(double{x[a * d + j]} - double{x[b * d + j]}, 2);
  return std::sqrt(sum);
}

/// Heights of the textbook's algorithm: of all pairs of clusters the nearest merges, each distance from its definition.
std::vector<double> textbook(const std::vector<float>& x, std::size_t d, Linkage linkage) {
  std::vector<std::vector<std::size_t>> clusters;
  for (std::size_t i = 0; i < x.size() / d; ++i) clusters.push_back({i});
  const auto between = [&](const std::vector<std::size_t>& a, const std::vector<std::size_t>& b) {
    const auto na = static_cast<double>(a.size()), nb = static_cast<double>(b.size());
    if (linkage == Linkage::ward) {
      double sum = 0;
      for (std::size_t j = 0; j < d; ++j) {
        double ma = 0, mb = 0;
        for (const std::size_t i : a) ma += double{x[i * d + j]} / na;
        for (const std::size_t i : b) mb += double{x[i * d + j]} / nb;
        sum += (ma - mb) * (ma - mb);
      }
      return std::sqrt(2 * na * nb / (na + nb) * sum);
    }
    double least = std::numeric_limits<double>::infinity(), most = 0, total = 0;
    for (const std::size_t i : a)
      for (const std::size_t o : b) {
        const double one = distance(x, d, i, o);
        least = std::min(least, one);
        most = std::max(most, one);
        total += one;
      }
    return linkage == Linkage::single ? least : linkage == Linkage::complete ? most : total / (na * nb);
  };
  std::vector<double> heights;
  while (clusters.size() > 1) {
    double best = std::numeric_limits<double>::infinity();
    std::size_t p = 0, q = 0;
    for (std::size_t a = 0; a < clusters.size(); ++a)
      for (std::size_t b = a + 1; b < clusters.size(); ++b)
        if (const double one = between(clusters[a], clusters[b]); one < best) {
          best = one;
          p = a;
          q = b;
        }
    heights.push_back(best);
    clusters[p].insert(clusters[p].end(), clusters[q].begin(), clusters[q].end());
    clusters.erase(clusters.begin() + static_cast<std::ptrdiff_t>(q));
  }
  return heights;
}

struct Way {
  Linkage linkage;
  bool wide = false;  ///< columns of zeros are added, beyond those of which Ward's linkage keeps means
};

class Agglomerative : public ::testing::TestWithParam<Way> {
 protected:
  static AgglomerativeOptions options_of_linkage() {
    AgglomerativeOptions options;
    options.linkage = GetParam().linkage;
    return options;
  }
  static AgglomerativeResult run(const std::vector<float>& x, std::int64_t n, std::int64_t d, const AgglomerativeOptions& options,
                                 const std::function<bool(std::int64_t, std::int64_t)>& progress = {}) {
    if (!GetParam().wide) return agglomerative_clustering(x.data(), n, d, options, progress);
    constexpr std::int64_t kWide = 200;
    std::vector<float> wide(static_cast<std::size_t>(n * kWide));
    for (std::int64_t i = 0; i < n; ++i) std::copy_n(x.data() + i * d, d, wide.data() + i * kWide);
    return agglomerative_clustering(wide.data(), n, kWide, options, progress);
  }
};

TEST_P(Agglomerative, HeightsAreTheTextbooks) {
  const auto x = blobs(60, 5, 6, 0.6, 71);
  AgglomerativeOptions options = options_of_linkage();
  options.clusters = 4;
  const AgglomerativeResult r = run(x, 60, 5, options);
  const auto heights = textbook(x, 5, GetParam().linkage);
  ASSERT_EQ(r.merges.size(), heights.size());
  for (std::size_t i = 0; i < heights.size(); ++i) EXPECT_NEAR(r.merges[i].height, heights[i], 1e-5) << i;
  EXPECT_EQ(r.merges.back().size, 60);
  EXPECT_EQ(r.labels.front(), 0);
  EXPECT_EQ(std::set<std::int32_t>(r.labels.begin(), r.labels.end()), (std::set<std::int32_t>{0, 1, 2, 3}));
}

TEST_P(Agglomerative, FindsSeparatedGroups) {
  const auto x = blobs(700, 16, 7, 0.05, 72);
  AgglomerativeOptions options = options_of_linkage();
  options.clusters = 7;
  for (const std::int64_t max_samples : {0, 100, 699, 700}) {
    options.max_samples = max_samples;
    const AgglomerativeResult r = run(x, 700, 16, options);
    EXPECT_EQ(r.rows.size(), max_samples == 0 ? 700u : static_cast<std::size_t>(max_samples));
    EXPECT_EQ(r.merges.size(), r.rows.size() - 1);
    for (std::size_t i = 0; i < 700; ++i) EXPECT_EQ(r.labels[i], r.labels[i % 7]) << max_samples;
    EXPECT_EQ(std::set<std::int32_t>(r.labels.begin(), r.labels.begin() + 7).size(), 7u);
  }
}

TEST_P(Agglomerative, HasTheSameBitsWithAnyNumberOfThreads) {
  const auto x = blobs(1500, 90, 20, 1.0, 73);
  AgglomerativeOptions options = options_of_linkage();
  options.max_samples = 1400;
  AgglomerativeResult first;
  on_threads([&](int threads) {
    const AgglomerativeResult r = run(x, 1500, 90, options);
    if (threads == 1) first = r;
    EXPECT_EQ(r.labels, first.labels) << threads;
    EXPECT_EQ(r.rows, first.rows) << threads;
    for (std::size_t i = 0; i < r.merges.size(); ++i) EXPECT_EQ(r.merges[i].height, first.merges[i].height);
  });
}

TEST_P(Agglomerative, CopesWithRepeatedRowsAndWithOne) {
  std::vector<float> x;
  for (int i = 0; i < 40; ++i) x.insert(x.end(), {static_cast<float>(i % 4), 1.0f});
  AgglomerativeOptions options = options_of_linkage();
  options.clusters = 4;
  const AgglomerativeResult r = run(x, 40, 2, options);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(r.labels[i], static_cast<std::int32_t>(i % 4));
  EXPECT_EQ(r.merges[35].height, 0);
  options.clusters = 1;
  EXPECT_EQ(run(x, 40, 2, options).labels, std::vector<std::int32_t>(40, 0));
  const auto no_merge = [](std::int64_t, std::int64_t) {
    ADD_FAILURE();
    return true;
  };
  EXPECT_EQ(run(x, 1, 2, options, no_merge).labels, (std::vector<std::int32_t>{0}));
}

TEST_P(Agglomerative, MakesAWholeTreeOfRowsWhoseDistancesAreMostlyEqual) {
  std::vector<float> x;
  for (int i = 0; i < 3375; ++i)
    x.insert(x.end(), {0.1f * static_cast<float>(i % 15), 0.1f * static_cast<float>(i / 15 % 15), 0.1f * static_cast<float>(i / 225)});
  AgglomerativeOptions options = options_of_linkage();
  options.clusters = 3375;
  const AgglomerativeResult r = run(x, 3375, 3, options);
  EXPECT_EQ(std::set<std::int32_t>(r.labels.begin(), r.labels.end()).size(), 3375u);
  ASSERT_EQ(r.merges.size(), 3374u);
  EXPECT_EQ(r.merges.back().size, 3375);
  std::set<std::int64_t> merged;
  for (const Merge& m : r.merges) {
    EXPECT_LT(m.a, m.b);
    EXPECT_TRUE(merged.insert(m.a).second && merged.insert(m.b).second);
  }
}

TEST_P(Agglomerative, CopesWithDistancesBeyondFloat32) {
  const std::vector<float> x = {3e38f, -3e38f, 2.9e38f, -2.9e38f};
  AgglomerativeOptions options = options_of_linkage();
  options.clusters = 2;
  EXPECT_EQ(run(x, 4, 1, options).labels, (std::vector<std::int32_t>{0, 1, 0, 1}));
}

TEST_P(Agglomerative, StopsBetweenMergesAndWhileDistancesAreComputed) {
  const auto x = blobs(100, 4, 4, 1.0, 75);
  const bool means = GetParam().linkage == Linkage::ward && !GetParam().wide;
  std::vector<std::int64_t> told;
  run(x, 100, 4, options_of_linkage(), [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, 99);
    told.push_back(done);
    return true;
  });
  EXPECT_EQ(told.front(), means ? 1 : 0);
  EXPECT_EQ(told.back(), 99);
  for (const std::int64_t last : {told.front(), std::int64_t{50}}) {
    std::int64_t done = -1;
    EXPECT_EQ(error_of([&] { run(x, 100, 4, options_of_linkage(), [&](std::int64_t now, std::int64_t) { return (done = now) < last; }); }),
              "agglomerative clustering was stopped");
    EXPECT_EQ(done, last);
  }
}

INSTANTIATE_TEST_SUITE_P(Linkages, Agglomerative,
                         ::testing::Values(Way{Linkage::ward}, Way{Linkage::ward, true}, Way{Linkage::average}, Way{Linkage::complete},
                                           Way{Linkage::single}));

TEST(AgglomerativeWard, DistancesAndMeansMakeTheSameTree) {
  const auto x = blobs(900, 129, 12, 1.0, 76);
  AgglomerativeOptions options;
  const AgglomerativeResult distances = agglomerative_clustering(x.data(), 900, 129, options);
  options.max_bytes = 4.0 * 900 * 900 - 1;
  const AgglomerativeResult means = agglomerative_clustering(x.data(), 900, 129, options);
  EXPECT_EQ(distances.labels, means.labels);
  for (std::size_t i = 0; i < means.merges.size(); ++i) {
    const Merge &a = distances.merges[i], &b = means.merges[i];
    EXPECT_EQ(a.a, b.a);
    EXPECT_EQ(a.b, b.b);
    EXPECT_NEAR(a.height, b.height, 1e-12 * b.height);
  }
}

TEST(AgglomerativeErrors, SayWhatIsWrong) {
  auto x = blobs(10, 2, 2, 1.0, 74);
  const auto run = [&](const std::function<void(AgglomerativeOptions&)>& change) {
    AgglomerativeOptions options;
    options.clusters = 2;
    change(options);
    return error_of([&] { agglomerative_clustering(x.data(), 10, 2, options); });
  };
  using Options = AgglomerativeOptions;
  EXPECT_EQ(run([](Options& o) { o.clusters = 0; }), "agglomerative clustering needs at least 1 cluster; clusters = 0");
  EXPECT_EQ(run([](Options& o) { o.clusters = 11; }),
            "agglomerative clustering cannot make 11 clusters of 10 rows: lower clusters or take more data");
  EXPECT_EQ(run([](Options& o) { o.max_samples = 1; }), "agglomerative clustering cannot make 2 clusters of a sample of 1 rows: raise max_samples");
  Options large;
  large.linkage = Linkage::average;
  EXPECT_EQ(error_of([&] { agglomerative_clustering(x.data(), 70000, 2, large); }),
            "the distances between 70000 rows take 9.8 GB, more than 4.0 GB: take linkage = \"ward\", which needs none, or lower max_samples");
  EXPECT_EQ(error_of([&] { agglomerative_clustering(x.data(), 10, 0, {}); }), "agglomerative clustering needs features with at least 1 column");
  x[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(run([](Options&) {}),
            "row 1, column 1 of the features is nan: agglomerative clustering needs finite numbers; look at what computed the features");
}


TEST(Agglomerative, RowsBeyondTheSampleGoToTheirClustersHoweverFarOthersAre) {
  for (const double span : {1.0, 1e3, 1e6})
    for (const double scale : {1.0, 1e-30, 1e18, 1e19, 1e30})
      for (const auto linkage : {AgglomerativeOptions::Linkage::ward, AgglomerativeOptions::Linkage::average}) {
        const auto x = test::far_pairs(span, scale);
        AgglomerativeOptions options;
        options.clusters = 6;
        options.linkage = linkage;
        options.max_samples = 200;
        EXPECT_TRUE(test::are_far_pairs(agglomerative_clustering(x.data(), 360, 48, options).labels)) << span << " " << scale;
      }
}

}  // namespace
}  // namespace cdc
