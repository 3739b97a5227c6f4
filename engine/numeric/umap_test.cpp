#include "numeric/umap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "numeric/numeric_test.hpp"

namespace cdc {
namespace {

using test::blobs;
using test::error_of;
using test::on_threads;

UmapOptions of_epochs(int epochs) {
  UmapOptions out;
  out.epochs = epochs;
  return out;
}

bool finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

/// Share of the embedding's 10 nearest neighbours that are of the row's own group (i % groups).
double purity(const Umap& map, std::int64_t groups) {
  const auto n = static_cast<std::int64_t>(map.points.size()) / 2;
  const Neighbors near = nearest_neighbors(map.points.data(), n, 2, 10, Distance::euclidean);
  std::int64_t same = 0;
  for (std::int64_t e = 0; e < n * 10; ++e) same += near.index[static_cast<std::size_t>(e)] % groups == e / 10 % groups;
  return static_cast<double>(same) / static_cast<double>(n * 10);
}

TEST(Umap, KeepsGroupsApart) {
  // In the first two principal components, where it starts, the groups overlap.
  const std::int64_t n = 1200, d = 20, groups = 12;
  const auto x = blobs(n, d, groups, 0.5, 61);
  const Umap start = umap_embedding(x.data(), n, d, of_epochs(1)), map = umap_embedding(x.data(), n, d, {});
  EXPECT_EQ(map.epochs, 500);
  EXPECT_EQ(map.neighbors.k, 14);
  EXPECT_EQ(map.neighbors.index, nearest_neighbors(x.data(), n, d, 14, Distance::euclidean).index);
  EXPECT_LT(purity(start, groups), 0.8);
  EXPECT_GT(purity(map, groups), 0.99);
}

TEST(Umap, KeepsMinDistBetweenPoints) {
  const std::int64_t n = 500, d = 5;
  const auto x = blobs(n, d, 1, 1.0, 62);
  const auto typical = [&](double min_dist) {
    UmapOptions options;
    options.min_dist = min_dist;
    const Umap map = umap_embedding(x.data(), n, d, options);
    std::vector<float> nearest = nearest_neighbors(map.points.data(), n, 2, 1, Distance::euclidean).distance;
    std::nth_element(nearest.begin(), nearest.begin() + n / 2, nearest.end());
    return nearest[n / 2];
  };
  EXPECT_GT(typical(0.8), 1.5f * typical(0.01));
}

TEST(Umap, HasTheSameBitsWithAnyNumberOfThreadsAndOthersOfAnotherSeed) {
  const std::int64_t n = 17000, d = 12;  // approximate neighbours, several tasks a group of nodes
  const auto x = blobs(n, d, 15, 0.5, 63);
  std::vector<float> first;
  on_threads([&](int threads) {
    const Umap map = umap_embedding(x.data(), n, d, of_epochs(12));
    if (threads == 1) first = map.points;
    EXPECT_EQ(map.points, first) << threads;
  });
  EXPECT_EQ(umap_embedding(x.data(), n, d, of_epochs(12), [](const UmapProgress&) { return true; }).epochs, 12);
  UmapOptions other = of_epochs(12);
  other.seed = 1;
  EXPECT_NE(umap_embedding(x.data(), n, d, other).points, first);
}

TEST(Umap, OfHardlyAnyRowsIsFinite) {
  const auto x = blobs(20, 4, 2, 0.5, 64);
  const Umap one = umap_embedding(x.data(), 1, 4, {});
  EXPECT_EQ(one.points, (std::vector<float>{0, 0}));
  EXPECT_EQ(one.neighbors.queries, 1);
  EXPECT_EQ(one.neighbors.k, 0);
  for (const std::int64_t n : {2, 3, 9, 15, 16, 20}) {
    const Umap map = umap_embedding(x.data(), n, 4, {});
    EXPECT_EQ(map.points.size(), static_cast<std::size_t>(2 * n));
    EXPECT_EQ(map.neighbors.k, std::min<std::int64_t>(15, n) - 1);
    EXPECT_TRUE(finite(map.points)) << n;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < i; ++j)
        EXPECT_FALSE(std::equal(map.points.begin() + 2 * i, map.points.begin() + 2 * i + 2, map.points.begin() + 2 * j)) << n;
  }
}

TEST(Umap, OfRowsThatDoNotDifferIsFinite) {
  for (const std::int64_t n : {40, 6000}) {  // exact and approximate neighbours
    const std::vector<float> same(static_cast<std::size_t>(n * 3), 7.0f);
    const Umap map = umap_embedding(same.data(), n, 3, of_epochs(20));
    EXPECT_TRUE(finite(map.points));
    EXPECT_FALSE(std::equal(map.points.begin(), map.points.begin() + 2, map.points.begin() + 2));
  }
  // Every row 30 times: more equal rows than neighbours.
  std::vector<float> repeated;
  const auto x = blobs(20, 6, 20, 0.1, 65);
  for (int r = 0; r < 30; ++r) repeated.insert(repeated.end(), x.begin(), x.end());
  EXPECT_TRUE(finite(umap_embedding(repeated.data(), 600, 6, {}).points));
  // One column; the second axis starts at random.
  const auto line = blobs(300, 1, 3, 0.2, 66);
  EXPECT_TRUE(finite(umap_embedding(line.data(), 300, 1, {}).points));
}

TEST(Umap, TellsHowFarItIsAndStops) {
  const auto x = blobs(100, 4, 2, 0.5, 67);
  std::vector<std::string> steps;
  std::int64_t last = 0;
  umap_embedding(x.data(), 100, 4, of_epochs(5), [&](const UmapProgress& p) {
    if (steps.empty() || steps.back() != p.step) {
      steps.emplace_back(p.step);
      last = 0;
    }
    EXPECT_GT(p.done, last);
    EXPECT_LE(p.done, p.total);
    last = p.done;
    return true;
  });
  EXPECT_EQ(steps, (std::vector<std::string>{"neighbours", "epochs"}));
  EXPECT_EQ(last, 5);
  for (const char* step : {"neighbours", "epochs"})
    EXPECT_THROW(umap_embedding(x.data(), 100, 4, of_epochs(5), [&](const UmapProgress& p) { return std::strcmp(p.step, step) != 0; }), Stopped);
}

TEST(Umap, RefusesWhatHasNoEmbedding) {
  auto x = blobs(30, 3, 2, 0.5, 68);
  const auto run = [&](std::int64_t n, std::int64_t d, const UmapOptions& options = {}) {
    return error_of([&] { umap_embedding(x.data(), n, d, options); });
  };
  EXPECT_EQ(run(0, 3), "UMAP needs at least 1 row of features");
  EXPECT_EQ(run(30, 0), "UMAP needs features with at least 1 column");
  UmapOptions options;
  options.neighbors = 1;
  EXPECT_EQ(run(30, 3, options), "UMAP needs at least 2 neighbours, the row itself counted; neighbors = 1");
  EXPECT_EQ(run(30, 3, of_epochs(-1)), "UMAP needs at least 1 epoch, or 0 for as many as suit the rows; epochs = -1");
  options = {};
  options.min_dist = 1.5;
  EXPECT_EQ(run(30, 3, options), "UMAP needs min_dist in 0 .. spread = 1; min_dist = 1.5");
  options.min_dist = -0.1;
  EXPECT_EQ(run(30, 3, options), "UMAP needs min_dist in 0 .. spread = 1; min_dist = -0.1");
  options.spread = 0;
  EXPECT_EQ(run(30, 3, options), "UMAP needs a finite spread above 0; spread = 0");
  x[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(run(30, 3), "row 2, column 1 of the features is nan: UMAP needs finite numbers; look at what computed the features");
  x[7] = 3e18f;
  EXPECT_EQ(run(30, 3),
            "row 2 of the features lies more than 1e+18 from the mean, too far for float32 products: bring the features to a smaller scale");
}

TEST(UmapCurve, IsNearestToWhatMinDistAndSpreadAsk) {
  for (const auto& [min_dist, spread] : std::vector<std::pair<double, double>>{{0.1, 1}, {0, 1}, {0.99, 1}, {0.3, 2.5}, {1, 1}}) {
    const UmapCurve curve = umap_curve(min_dist, spread);
    const auto error = [&, low = min_dist, scale = spread](double a, double b) {
      double sum = 0;
      for (int i = 0; i < 300; ++i) {
        const double d = 3 * scale * i / 299, wanted = d < low ? 1 : std::exp(-(d - low) / scale), e = 1 / (1 + a * std::pow(d, 2 * b)) - wanted;
        sum += e * e;
      }
      return sum;
    };
    const double least = error(curve.a, curve.b);
    for (const double step : {-1e-3, 1e-3}) {
      EXPECT_GT(error(curve.a * (1 + step), curve.b), least) << min_dist;
      EXPECT_GT(error(curve.a, curve.b * (1 + step)), least) << min_dist;
    }
  }
}

TEST(FuzzySimplicialSet, GivesEachRowTheSameSumOfWeights) {
  Neighbors near;
  near.queries = 6;
  near.k = 3;
  near.index = {3, 4, 5, 3, 4, 5, 3, 4, 5, 0, 1, 2, 0, 1, 2, 0, 1, 2};
  near.distance = {1, 2, 4, 1, 3, 3.5f, 2, 2.5f, 9, 0, 0, 0, 5, 5, 5, 1, 1, 1};
  const NeighborGraph graph = fuzzy_simplicial_set(near);
  ASSERT_EQ(graph.nodes(), 6);
  for (const double w : graph.weight) {
    EXPECT_GT(w, 0);
    EXPECT_LE(w, 1 + 1e-15);
  }
  // Rows 3 .. 5 have all their neighbours at their least distance: weights 1 that the union keeps.
  ASSERT_EQ(graph.weight.size(), 18u);
  for (const double w : graph.weight) EXPECT_NEAR(w, 1, 1e-15);
  near.queries = 4;
  near.index = {1, 2, 3, 2, 3, 0, 3, 0, 1, 0, 1, 2};
  near.distance = {1, 2, 4, 1, 3, 3.5f, 2, 2.5f, 9, 1, 1.5f, 7};
  const NeighborGraph all = fuzzy_simplicial_set(near);
  // Row by row by hand: exp(-(d - rho) / sigma), sums of log2(4) = 2.
  double one_way[4][4] = {};
  for (int i = 0; i < 4; ++i) {
    double low = 1e-6, high = 1e3;
    const float* d = near.distance.data() + 3 * i;
    const auto sum = [&](double sigma) {
      double s = 0;
      for (int j = 0; j < 3; ++j) s += std::exp(-(double{d[j]} - double{d[0]}) / sigma);
      return s;
    };
    for (int step = 0; step < 200; ++step) (sum((low + high) / 2) > 2 ? high : low) = (low + high) / 2;
    for (int j = 0; j < 3; ++j) one_way[i][near.index[static_cast<std::size_t>(3 * i + j)]] = std::exp(-(double{d[j]} - double{d[0]}) / low);
  }
  for (int i = 0; i < 4; ++i)
    for (std::int64_t e = all.begin[static_cast<std::size_t>(i)]; e < all.begin[static_cast<std::size_t>(i + 1)]; ++e) {
      const auto o = all.other[static_cast<std::size_t>(e)];
      EXPECT_NEAR(all.weight[static_cast<std::size_t>(e)], one_way[i][o] + one_way[o][i] - one_way[i][o] * one_way[o][i], 2e-5);
    }
}

}  // namespace
}  // namespace cdc
