#include "cdc/clustering_metrics.hpp"

#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "cdc/error.hpp"
#include "cdc/random.hpp"

namespace cdc {
namespace {

using Labels = std::vector<std::int32_t>;

ClusteringScores score(const Labels& prediction, const Labels& labels, std::int64_t clusters, std::int64_t classes) {
  const Contingency table = contingency(prediction.data(), labels.data(), static_cast<std::int64_t>(labels.size()), clusters, classes);
  const ClusteringScores scores = clustering_scores(table);
  EXPECT_EQ(normalised_mutual_information(table), scores.nmi);
  return scores;
}

Labels draw(Random& random, std::size_t n, std::uint64_t groups) {
  Labels out(n);
  for (auto& x : out) x = static_cast<std::int32_t>(random.below(groups));
  return out;
}

TEST(Contingency, CountsEveryPair) {
  const Contingency t = contingency(Labels{0, 0, 1, 2}.data(), Labels{1, 1, 0, 1}.data(), 4, 4, 2);
  EXPECT_EQ(t.counts, (std::vector<std::int32_t>{0, 2, 1, 0, 0, 1, 0, 0}));
  EXPECT_EQ(t.cluster_sizes, (std::vector<std::int64_t>{2, 1, 1, 0}));
  EXPECT_EQ(t.class_sizes, (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(cluster_sizes(Labels{0, 0, 1, 2}.data(), 4, 4), t.cluster_sizes);
}

TEST(Contingency, IsTheSameWithAnyNumberOfThreads) {
  Random random(3);
  const Labels prediction = draw(random, 700001, 50), labels = draw(random, 700001, 30);
  Contingency first;
  const oneapi::tbb::global_control allowed(oneapi::tbb::global_control::max_allowed_parallelism, 16);
  for (const int threads : {1, 2, 16}) {
    oneapi::tbb::task_arena arena(threads);
    arena.execute([&] {
      const Contingency t = contingency(prediction.data(), labels.data(), 700001, 50, 30);
      if (threads == 1) first = t;
      EXPECT_EQ(t.counts, first.counts) << threads;
      EXPECT_EQ(std::accumulate(t.counts.begin(), t.counts.end(), std::int64_t{0}), 700001);
    });
  }
}

std::string message(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Contingency, NamesWhatIsOutOfRange) {
  const Labels good = {0, 1}, negative = {0, -1}, large = {0, 7};
  EXPECT_EQ(message([&] { contingency(negative.data(), good.data(), 2, 2, 2); }), "sample 1 has cluster -1: clusters must lie in 0 .. 1");
  EXPECT_EQ(message([&] { contingency(large.data(), good.data(), 2, 7, 2); }), "sample 1 has cluster 7: clusters must lie in 0 .. 6");
  EXPECT_EQ(message([&] { contingency(good.data(), negative.data(), 2, 2, 3); }), "sample 1 has label -1: labels must lie in 0 .. 2");
  EXPECT_EQ(message([&] { contingency(good.data(), large.data(), 2, 2, 3); }), "sample 1 has label 7: labels must lie in 0 .. 2");
  EXPECT_EQ(message([&] { cluster_sizes(negative.data(), 2, 2); }), "sample 1 has cluster -1: clusters must lie in 0 .. 1");
  EXPECT_EQ(message([&] { contingency(good.data(), good.data(), 0, 2, 2); }), "there are no samples to score");
  EXPECT_EQ(message([&] { contingency(good.data(), good.data(), 2, 0, 2); }), "the number of clusters must be positive, and is 0");
  EXPECT_EQ(message([&] { contingency(good.data(), good.data(), std::int64_t{1} << 31, 2, 2); }),
            "2147483648 samples are too many to score: the counts hold up to 2147483647");
  EXPECT_EQ(message([&] { contingency(good.data(), good.data(), 2, 1 << 20, 1 << 10); }),
            "1048576 clusters against 1024 classes make a table too large to score: lower the number of clusters");
}

TEST(ClusteringScores, OfAPerfectRelabellingAreOne) {
  Random random(4);
  const Labels labels = draw(random, 1000, 7);
  const auto order = random.permutation(7);
  Labels prediction(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) prediction[i] = static_cast<std::int32_t>(order[static_cast<std::size_t>(labels[i])]);
  const ClusteringScores s = score(prediction, labels, 7, 7);
  EXPECT_EQ(s.accuracy, 1);
  EXPECT_EQ(s.purity, 1);
  EXPECT_EQ(s.ari, 1);
  for (const double x : {s.nmi, s.ami, s.homogeneity, s.completeness, s.v_measure}) EXPECT_NEAR(x, 1, 1e-12);
  for (std::size_t c = 0; c < 7; ++c) {
    EXPECT_EQ(order[static_cast<std::size_t>(s.matching[static_cast<std::size_t>(order[c])])], order[c]);
    EXPECT_EQ(s.majority[static_cast<std::size_t>(order[c])], static_cast<std::int32_t>(c));
  }
}

TEST(ClusteringScores, OfDegenerateClusteringsFollowTheConventions) {
  const Labels one = {0, 0, 0, 0}, two = {0, 0, 1, 1}, crossed = {0, 1, 0, 1}, all = {0, 1, 2, 3};
  const ClusteringScores single = score(one, one, 1, 1);
  EXPECT_EQ(single.nmi, 1);
  EXPECT_EQ(single.ami, 1);
  EXPECT_EQ(single.ari, 1);
  EXPECT_EQ(single.v_measure, 1);
  const ClusteringScores collapsed = score(one, two, 5, 2);  // one of five clusters used
  EXPECT_EQ(collapsed.nmi, 0);
  EXPECT_EQ(collapsed.ami, 0);
  EXPECT_EQ(collapsed.ari, 0);
  EXPECT_EQ(collapsed.homogeneity, 0);
  EXPECT_EQ(collapsed.completeness, 1);
  EXPECT_EQ(collapsed.accuracy, 0.5);
  EXPECT_EQ(collapsed.majority, (Labels{0, -1, -1, -1, -1}));
  const ClusteringScores independent = score(crossed, two, 2, 2);
  EXPECT_EQ(independent.nmi, 0);
  EXPECT_EQ(independent.v_measure, 0);
  EXPECT_EQ(independent.accuracy, 0.5);
  const ClusteringScores shattered = score(all, two, 4, 2);
  EXPECT_EQ(shattered.purity, 1);
  EXPECT_EQ(shattered.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(shattered.homogeneity, 1);
  EXPECT_EQ(shattered.ari, 0);
  EXPECT_EQ(std::count(shattered.matching.begin(), shattered.matching.end(), -1), 2);
}

// Every assignment of classes to clusters, and every pair of samples: the definitions, without cleverness.
TEST(ClusteringScores, EqualTheirDefinitions) {
  Random random(5);
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::int64_t k = 2 + static_cast<std::int64_t>(random.below(4)), c = 2 + static_cast<std::int64_t>(random.below(4));
    const std::size_t n = 40;
    const Labels prediction = draw(random, n, static_cast<std::uint64_t>(k)), labels = draw(random, n, static_cast<std::uint64_t>(c));
    const ClusteringScores s = score(prediction, labels, k, c);
    std::vector<std::int32_t> order(static_cast<std::size_t>(std::max(k, c)));
    std::iota(order.begin(), order.end(), 0);
    int best = 0;
    do {
      int hits = 0;
      for (std::size_t i = 0; i < n; ++i) hits += order[static_cast<std::size_t>(prediction[i])] == labels[i];
      best = std::max(best, hits);
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_DOUBLE_EQ(s.accuracy, best / 40.0);
    double together = 0, in_prediction = 0, in_labels = 0, pairs = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        const bool p = prediction[i] == prediction[j], l = labels[i] == labels[j];
        together += p && l;
        in_prediction += p;
        in_labels += l;
        ++pairs;
      }
    const double expected = in_prediction * in_labels / pairs;
    EXPECT_NEAR(s.ari, (together - expected) / ((in_prediction + in_labels) / 2 - expected), 1e-12);
  }
}

// The expectation over all orders of one side, by drawing them all.
TEST(ClusteringScores, ExpectedMutualInformationIsTheMeanOverPermutations) {
  const Labels fixed = {0, 0, 0, 1, 1, 2, 2};
  Labels moving = {0, 0, 0, 0, 1, 1, 2};
  double sum = 0, all = 0;
  do {
    const Contingency t = contingency(fixed.data(), moving.data(), 7, 3, 3);
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) {
        const double count = t.row(i)[j];
        if (count > 0)
          sum += count / 7 *
                 std::log(7 * count / static_cast<double>(t.cluster_sizes[static_cast<std::size_t>(i)] * t.class_sizes[static_cast<std::size_t>(j)]));
      }
    ++all;
  } while (std::next_permutation(moving.begin(), moving.end()));
  EXPECT_NEAR(expected_mutual_information({3, 2, 2}, {4, 2, 1}, 7), sum / all, 1e-14);
}

TEST(ClusteringScores, HaveTheSameBitsWithAnyNumberOfThreads) {
  Random random(6);
  const Labels prediction = draw(random, 300000, 300), labels = draw(random, 300000, 200);
  ClusteringScores first;
  const oneapi::tbb::global_control allowed(oneapi::tbb::global_control::max_allowed_parallelism, 16);
  for (const int threads : {1, 2, 16}) {
    oneapi::tbb::task_arena arena(threads);
    arena.execute([&] {
      const ClusteringScores s = score(prediction, labels, 300, 200);
      if (threads == 1) first = s;
      for (const auto member : {&ClusteringScores::accuracy, &ClusteringScores::nmi, &ClusteringScores::ari, &ClusteringScores::ami,
                                &ClusteringScores::purity, &ClusteringScores::homogeneity, &ClusteringScores::completeness})
        EXPECT_EQ(std::memcmp(&(s.*member), &(first.*member), sizeof(double)), 0) << threads;
    });
  }
}

TEST(ClusterSpread, SaysHowSamplesSpread) {
  const ClusterSpread even = cluster_spread({5, 5, 5, 5});
  EXPECT_NEAR(even.entropy, 1, 1e-15);
  EXPECT_NEAR(even.entropy_nats, std::log(4.0), 1e-15);
  EXPECT_EQ(even.largest_share, 0.25);
  EXPECT_EQ(even.empty, 0);
  const ClusterSpread collapsed = cluster_spread({0, 9, 0});
  EXPECT_EQ(collapsed.entropy, 0);
  EXPECT_EQ(collapsed.empty, 2);
  EXPECT_EQ(collapsed.largest_share, 1);
  EXPECT_EQ(cluster_spread({4}).entropy, 0);
}

}  // namespace
}  // namespace cdc
