#include "cdc/assignment.hpp"

#include <gtest/gtest.h>
#include <algorithm>
#include <numeric>
#include <set>

#include "cdc/error.hpp"
#include "cdc/random.hpp"

namespace cdc {
namespace {

std::int64_t total(const std::vector<std::int64_t>& cost, std::int64_t columns, const std::vector<std::int32_t>& column_of) {
  std::int64_t sum = 0;
  std::set<std::int32_t> used;
  for (std::size_t i = 0; i < column_of.size(); ++i) {
    if (column_of[i] < 0) continue;
    EXPECT_TRUE(used.insert(column_of[i]).second) << "column " << column_of[i] << " is given twice";
    sum += cost[i * static_cast<std::size_t>(columns) + static_cast<std::size_t>(column_of[i])];
  }
  return sum;
}

// All ways of choosing distinct columns, by permutations of the larger side.
std::int64_t brute_force(const std::vector<std::int64_t>& cost, std::int64_t rows, std::int64_t columns, bool maximise) {
  const std::int64_t larger = std::max(rows, columns);
  std::vector<std::int64_t> order(static_cast<std::size_t>(larger));
  std::iota(order.begin(), order.end(), 0);
  bool first = true;
  std::int64_t best = 0;
  do {
    std::int64_t sum = 0;
    for (std::int64_t s = 0; s < std::min(rows, columns); ++s) {
      const std::int64_t other = order[static_cast<std::size_t>(s)];
      sum += rows <= columns ? cost[static_cast<std::size_t>(s * columns + other)] : cost[static_cast<std::size_t>(other * columns + s)];
    }
    if (first || (maximise ? sum > best : sum < best)) best = sum;
    first = false;
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(Assignment, EqualsBruteForceOnEveryShapeWithAndWithoutTies) {
  Random random(1);
  for (const std::int64_t range : {2, 5, 1000, 1000000}) {
    for (std::int64_t rows = 1; rows <= 6; ++rows)
      for (std::int64_t columns = 1; columns <= 6; ++columns)
        for (int repeat = 0; repeat < 4; ++repeat)
          for (const bool maximise : {false, true}) {
            std::vector<std::int64_t> cost(static_cast<std::size_t>(rows * columns));
            for (std::int64_t& c : cost) c = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(range))) - range / 2;
            const auto column_of = linear_assignment(cost.data(), rows, columns, maximise ? Objective::maximise : Objective::minimise);
            ASSERT_EQ(column_of.size(), static_cast<std::size_t>(rows));
            EXPECT_EQ(std::count_if(column_of.begin(), column_of.end(), [](std::int32_t c) { return c >= 0; }), std::min(rows, columns));
            EXPECT_EQ(total(cost, columns, column_of), brute_force(cost, rows, columns, maximise)) << rows << " x " << columns << ", range " << range;
          }
  }
}

TEST(Assignment, FindsAPlantedOptimum) {
  // cost = u_i + w_j + noise, noise 0 on a hidden permutation only: the permutation is the one optimum.
  const std::int64_t n = 400;
  Random random(2);
  const auto hidden = random.permutation(n);
  std::vector<std::int64_t> cost(static_cast<std::size_t>(n * n)), u(static_cast<std::size_t>(n)), w(static_cast<std::size_t>(n));
  for (auto& x : u) x = static_cast<std::int64_t>(random.below(10000));
  for (auto& x : w) x = static_cast<std::int64_t>(random.below(10000));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      cost[static_cast<std::size_t>(i * n + j)] = u[static_cast<std::size_t>(i)] + w[static_cast<std::size_t>(j)] +
                                                  (hidden[static_cast<std::size_t>(i)] == j ? 0 : 1 + static_cast<std::int64_t>(random.below(50)));
  const auto column_of = linear_assignment(cost.data(), n, n, Objective::minimise);
  for (std::size_t i = 0; i < column_of.size(); ++i) EXPECT_EQ(column_of[i], hidden[i]);
}

TEST(Assignment, NarrowAndWideIntegersAgreeAndEmptyProblemsAreFine) {
  const std::vector<std::int32_t> narrow = {7, 1, 3, 2, 8, 4};
  const std::vector<std::int64_t> wide(narrow.begin(), narrow.end());
  EXPECT_EQ(linear_assignment(narrow.data(), 2, 3, Objective::maximise), (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(linear_assignment(wide.data(), 3, 2, Objective::maximise), (std::vector<std::int32_t>{0, -1, 1}));
  EXPECT_TRUE(linear_assignment(wide.data(), 0, 3, Objective::minimise).empty());
  EXPECT_EQ(linear_assignment(wide.data(), 2, 0, Objective::minimise), (std::vector<std::int32_t>{-1, -1}));
}

TEST(Assignment, RefusesWhatItCannotSolve) {
  const std::vector<std::int64_t> cost = {std::int64_t{1} << 41, 0};
  try {
    linear_assignment(cost.data(), 1, 2, Objective::minimise);
    FAIL() << "costs beyond 2^40 were taken";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "an assignment problem's costs must lie within -2^40 .. 2^40; they reach from 0 to 2199023255552");
  }
  try {
    linear_assignment(cost.data(), -1, 2, Objective::minimise);
    FAIL() << "a negative size was taken";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "an assignment problem cannot have -1 rows and 2 columns");
  }
}

}  // namespace
}  // namespace cdc
