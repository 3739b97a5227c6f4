// Scores, assignment and k-means beside scikit-learn and SciPy (tests/oracle/numeric.py). Without LibTorch.
#include <gtest/gtest.h>

#include <cmath>

#include <fmt/format.h>

#include "cdc/assignment.hpp"
#include "cdc/clustering_metrics.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/value.hpp"
#include "support/oracle.hpp"

namespace {

using cdc::Value;
using cdc::test::list;

const Value& oracle() {
  static const Value result = cdc::test::run_oracle("numeric");
  return result;
}

TEST(NumericOracle, ScoresAreScikitLearns) {
  CDC_NEEDS_ORACLE(oracle());
  ASSERT_GE(oracle().at("scores").as_array().size(), 15u);
  for (const Value& c : oracle().at("scores").as_array()) {
    SCOPED_TRACE(c.at("name").as_string());
    const auto prediction = list<std::int32_t>(c.at("prediction")), labels = list<std::int32_t>(c.at("labels"));
    const auto n = static_cast<std::int64_t>(labels.size());
    const cdc::Contingency table = cdc::contingency(prediction.data(), labels.data(), n, c.at("clusters").as_integer(), c.at("classes").as_integer());
    const cdc::ClusteringScores s = cdc::clustering_scores(table);
    const auto near = [&](const char* name, double ours, double tolerance) { EXPECT_NEAR(ours, c.at(name).as_real(), tolerance) << name; };
    near("acc", s.accuracy, 1e-15);
    near("purity", s.purity, 1e-15);
    near("nmi", s.nmi, 1e-12);
    near("ari", s.ari, 1e-12);
    near("homogeneity", s.homogeneity, 1e-12);
    near("completeness", s.completeness, 1e-12);
    near("v_measure", s.v_measure, 1e-12);
    near("emi", cdc::expected_mutual_information(table.cluster_sizes, table.class_sizes, n), 1e-10);
    // Where the greatest possible score is the expected one (singletons on both sides), both divide rounding errors.
    if (c.at("name").as_string() != "singletons on both sides") near("ami", s.ami, 1e-9);
    const cdc::ClusterSpread spread = cdc::cluster_spread(table.cluster_sizes);
    near("entropy_nats", spread.entropy_nats, 1e-12);
    near("largest", spread.largest_share, 1e-15);
    EXPECT_EQ(spread.empty, c.at("empty").as_integer());
  }
}

TEST(NumericOracle, AssignmentsCostWhatScipysDo) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("assignments").as_array()) {
    const auto cost = list<std::int64_t>(c.at("cost"));
    const std::int64_t rows = c.at("rows").as_integer(), columns = c.at("columns").as_integer();
    for (const bool least : {true, false}) {
      const auto column_of = cdc::linear_assignment(cost.data(), rows, columns, least ? cdc::Objective::minimise : cdc::Objective::maximise);
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < rows; ++i)
        if (column_of[static_cast<std::size_t>(i)] >= 0) sum += cost[static_cast<std::size_t>(i * columns + column_of[static_cast<std::size_t>(i)])];
      EXPECT_EQ(sum, c.at(least ? "least" : "greatest").as_integer()) << rows << " x " << columns;
    }
  }
}

TEST(NumericOracle, KMeansFromTheSameCentresIsScikitLearns) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("clusterings").as_array()) {
    const auto x = list<float>(c.at("x")), start = list<float>(c.at("start"));
    const std::int64_t n = c.at("n").as_integer(), d = c.at("d").as_integer();
    for (const Value& run : c.at("runs").as_array())
      for (const bool prune : {false, true}) {
        cdc::KMeansOptions options;
        options.clusters = c.at("k").as_integer();
        options.centres = start.data();
        options.max_iterations = static_cast<int>(run.at("max_iterations").as_integer());
        options.tolerance = run.at("tolerance").as_real();
        options.prune = prune;
        const cdc::KMeansResult r = cdc::kmeans(x.data(), n, d, options);
        SCOPED_TRACE(fmt::format("{} x {} x {}, {} iterations, tolerance {}, prune {}", n, d, options.clusters, options.max_iterations,
                                 options.tolerance, prune));
        EXPECT_NEAR(r.inertia / run.at("inertia").as_real(), 1, 1e-5);
        EXPECT_EQ(r.iterations, run.at("iterations").as_integer());
        EXPECT_EQ(r.labels, list<std::int32_t>(run.at("labels")));
      }
  }
}

TEST(NumericOracle, KMeansFromItsOwnStartsIsAsGood) {
  CDC_NEEDS_ORACLE(oracle());
  const Value& c = oracle().at("whole");
  const auto x = list<float>(c.at("x"));
  const auto theirs = list<double>(c.at("inertias"));
  double mean = 0, ours = 0, square = 0;
  for (const double i : theirs) mean += i / static_cast<double>(theirs.size());
  for (const double i : theirs) square += (i - mean) * (i - mean) / static_cast<double>(theirs.size());
  cdc::KMeansOptions options;
  options.clusters = c.at("k").as_integer();
  options.restarts = 1;
  for (std::size_t seed = 0; seed < theirs.size(); ++seed) {
    options.seed = seed;
    ours += cdc::kmeans(x.data(), c.at("n").as_integer(), c.at("d").as_integer(), options).inertia / static_cast<double>(theirs.size());
  }
  // Means of 20 draws of one distribution differ by more than three standard errors of their difference once in 400.
  EXPECT_LT(std::abs(ours - mean), 3 * std::sqrt(2 * square / static_cast<double>(theirs.size())) + 1e-3 * mean);
}

TEST(NumericOracle, KMeansFindsWhatScikitLearnFindsInFloat64) {
  CDC_NEEDS_ORACLE(oracle());
  ASSERT_EQ(oracle().at("far").as_array().size(), 3u);
  for (const Value& c : oracle().at("far").as_array()) {
    const auto x = list<float>(c.at("x"));
    cdc::KMeansOptions options;
    options.clusters = c.at("k").as_integer();
    const cdc::KMeansResult found = cdc::kmeans(x.data(), c.at("n").as_integer(), c.at("d").as_integer(), options);
    EXPECT_EQ(found.empty, 0);
    EXPECT_NEAR(found.inertia / c.at("inertia").as_real(), 1, 0.01) << x[180 * 48];  // centers are float32
  }
}

}  // namespace
