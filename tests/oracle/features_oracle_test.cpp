// Neighbours, clusterings, kNN and linear probe beside scikit-learn and SciPy (tests/oracle/features.py).
#include <gtest/gtest.h>

#include <cmath>

#include "../../plugins/metric/metric_test.hpp"
#include "cdc/agglomerative.hpp"
#include "cdc/clustering_metrics.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/logistic.hpp"
#include "cdc/neighbors.hpp"
#include "cdc/spectral.hpp"
#include "support/oracle.hpp"

namespace {

using cdc::Value;
using cdc::test::list;

const Value& oracle() {
  static const Value result = cdc::test::run_oracle("features");
  return result;
}

TEST(FeaturesOracle, NeighboursAreScikitLearns) {
  CDC_NEEDS_ORACLE(oracle());
  ASSERT_EQ(oracle().at("neighbours").as_array().size(), 3u);
  for (const Value& c : oracle().at("neighbours").as_array()) {
    const auto x = list<float>(c.at("x")), queries = list<float>(c.at("queries"));
    const std::int64_t n = c.at("n").as_integer(), d = c.at("d").as_integer(), k = c.at("k").as_integer();
    for (const bool cosine : {false, true})
      for (const bool own : {false, true}) {
        const std::string name = std::string(cosine ? "cosine" : "euclidean") + (own ? " own" : " others");
        SCOPED_TRACE(name + " " + std::to_string(n));
        const auto metric = cosine ? cdc::Distance::cosine : cdc::Distance::euclidean;
        const cdc::Neighbors r =
            own ? cdc::nearest_neighbors(x.data(), n, d, k, metric)
                : cdc::nearest_neighbors(queries.data(), static_cast<std::int64_t>(queries.size()) / d, x.data(), n, d, k, metric);
        EXPECT_EQ(r.index, list<std::int32_t>(c.at(name).at("index")));
        const auto distance = list<double>(c.at(name).at("distance"));
        ASSERT_EQ(r.distance.size(), distance.size());
        for (std::size_t i = 0; i < distance.size(); ++i) EXPECT_NEAR(double{r.distance[i]}, distance[i], 1e-6 * (1 + distance[i]));
      }
  }
}

TEST(FeaturesOracle, MiniBatchKMeansIsAsGood) {
  CDC_NEEDS_ORACLE(oracle());
  const Value& c = oracle().at("minibatch");
  const auto x = list<float>(c.at("x"));
  const auto theirs = list<double>(c.at("inertias"));
  double mean = 0, ours = 0, square = 0;
  for (const double i : theirs) mean += i / static_cast<double>(theirs.size());
  for (const double i : theirs) square += (i - mean) * (i - mean) / static_cast<double>(theirs.size());
  cdc::MiniBatchKMeansOptions options;
  options.clusters = c.at("k").as_integer();
  options.batch_size = 256;
  for (std::size_t seed = 0; seed < theirs.size(); ++seed) {
    options.seed = seed;
    ours += cdc::minibatch_kmeans(x.data(), c.at("n").as_integer(), c.at("d").as_integer(), options).inertia / static_cast<double>(theirs.size());
  }
  // Means of 20 draws of one distribution differ by more than three standard errors of their difference once in 400.
  EXPECT_LT(std::abs(ours - mean), 3 * std::sqrt(2 * square / static_cast<double>(theirs.size())) + 1e-3 * mean);
}

TEST(FeaturesOracle, KnnAccuraciesAreScikitLearns) {
  CDC_NEEDS_ORACLE(oracle());
  const Value& c = oracle().at("classifiers");
  const std::int64_t n = c.at("n").as_integer(), train = c.at("train").as_integer(), classes = c.at("classes").as_integer();
  ASSERT_EQ(c.at("knn").as_array().size(), 3u);
  for (const Value& one : c.at("knn").as_array()) {
    cdc::test::StageHarness harness;
    Value given = Value::table();
    given["k"] = one.at("k");
    given["temperature"] = one.at("temperature");
    const auto data =
        std::make_shared<cdc::test::Labelled>(n, list<std::int32_t>(c.at("labels")), std::vector<std::string>(static_cast<std::size_t>(classes), "a"),
                                              std::vector<cdc::SplitPart>{{"train", train}, {"test", n - train}});
    const Value scores =
        cdc::test::score_features("metric.knn", harness, given, data, {cdc::test::features_of(list<float>(c.at("x")), c.at("d").as_integer())});
    EXPECT_NEAR(scores.at("features0").at("knn_acc").as_real(), one.at("weighted").as_real(), 1e-12) << given.to_json();
    EXPECT_NEAR(scores.at("features0").at("knn_majority_acc").as_real(), one.at("majority").as_real(), 1e-12) << given.to_json();
  }
}

TEST(FeaturesOracle, LinearProbesAreScikitLearns) {
  CDC_NEEDS_ORACLE(oracle());
  const Value& c = oracle().at("classifiers");
  const std::int64_t n = c.at("n").as_integer(), train = c.at("train").as_integer(), d = c.at("d").as_integer(),
                     classes = c.at("classes").as_integer();
  const auto x = list<float>(c.at("x"));
  const auto labels = list<std::int32_t>(c.at("labels"));
  ASSERT_EQ(c.at("probe").as_array().size(), 6u);
  for (const Value& one : c.at("probe").as_array()) {
    cdc::LogisticOptions options;
    options.c = one.at("C").as_real();
    options.standardise = one.at("standardise").as_boolean();
    options.tolerance = 1e-7;
    const cdc::LogisticModel m = cdc::fit_logistic(x.data(), labels.data(), train, d, classes, options);
    EXPECT_TRUE(m.converged);
    const auto theirs = list<double>(one.at("weights"));
    ASSERT_EQ(m.weights.size(), theirs.size());
    for (std::size_t i = 0; i < theirs.size(); ++i) EXPECT_NEAR(m.weights[i], theirs[i], 1e-3 * (1 + std::abs(theirs[i]))) << options.c;
    const auto predicted = cdc::predict_logistic(m, x.data() + train * d, n - train);
    std::int64_t right = 0;
    for (std::int64_t i = 0; i < n - train; ++i) right += predicted[static_cast<std::size_t>(i)] == labels[static_cast<std::size_t>(train + i)];
    EXPECT_NEAR(static_cast<double>(right) / static_cast<double>(n - train), one.at("accuracy").as_real(), 0.002) << options.c;
  }
}

double rand_index(const std::vector<std::int32_t>& ours, const Value& theirs, std::int64_t k) {
  const auto labels = list<std::int32_t>(theirs);
  return cdc::clustering_scores(cdc::contingency(ours.data(), labels.data(), static_cast<std::int64_t>(ours.size()), k, k)).ari;
}

TEST(FeaturesOracle, DendrogramsAreScikitLearnsAndScipys) {
  CDC_NEEDS_ORACLE(oracle());
  ASSERT_EQ(oracle().at("trees").as_array().size(), 4u);
  for (const Value& c : oracle().at("trees").as_array()) {
    using Linkage = cdc::AgglomerativeOptions::Linkage;
    const std::string linkage = c.at("linkage").as_string();
    SCOPED_TRACE(linkage);
    const auto x = list<float>(c.at("x"));
    cdc::AgglomerativeOptions options;
    options.clusters = c.at("k").as_integer();
    options.linkage = linkage == "ward"       ? Linkage::ward
                      : linkage == "average"  ? Linkage::average
                      : linkage == "complete" ? Linkage::complete
                                              : Linkage::single;
    const cdc::AgglomerativeResult r = cdc::agglomerative_clustering(x.data(), c.at("n").as_integer(), c.at("d").as_integer(), options);
    const auto heights = list<double>(c.at("heights")), sizes = list<double>(c.at("sizes"));
    ASSERT_EQ(r.merges.size(), heights.size());
    for (std::size_t i = 0; i < heights.size(); ++i) {
      EXPECT_NEAR(r.merges[i].height, heights[i], 1e-6 * heights[i]) << i;
      EXPECT_EQ(r.merges[i].size, static_cast<std::int64_t>(sizes[i])) << i;
    }
    EXPECT_DOUBLE_EQ(rand_index(r.labels, c.at("labels"), options.clusters), 1);
  }
}

TEST(FeaturesOracle, SpectralClusteringsAreScikitLearns) {
  CDC_NEEDS_ORACLE(oracle());
  ASSERT_EQ(oracle().at("graphs").as_array().size(), 2u);
  for (const Value& c : oracle().at("graphs").as_array())
    for (const auto weights : {cdc::SpectralOptions::Weights::connectivity, cdc::SpectralOptions::Weights::gaussian}) {
      SCOPED_TRACE(c.at("name").as_string());
      const auto x = list<float>(c.at("x"));
      cdc::SpectralOptions options;
      options.clusters = c.at("k").as_integer();
      options.neighbors = c.at("neighbors").as_integer();
      options.weights = weights;
      const cdc::SpectralResult r = cdc::spectral_clustering(x.data(), c.at("n").as_integer(), c.at("d").as_integer(), options);
      const auto values = list<double>(c.at(weights == cdc::SpectralOptions::Weights::gaussian ? "gaussian" : "connectivity"));
      ASSERT_EQ(r.eigenvalues.size(), values.size());
      for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(r.eigenvalues[i], values[i], 1e-9) << i;
      EXPECT_GT(rand_index(r.labels, c.at("labels"), options.clusters), 0.95);
      EXPECT_GT(rand_index(r.labels, c.at("truth"), options.clusters), 0.9);
    }
}

}  // namespace
