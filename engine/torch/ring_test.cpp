#include "cdc/ring.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace {

at::Tensor rows(std::int64_t first, std::int64_t n) { return at::arange(first, first + n, at::kFloat).unsqueeze(1); }

TEST(Ring, EntersRowsOverTheOldestOnesWhateverTheBatchSize) {
  at::Tensor ring = at::zeros({7, 1}), place = at::zeros({2}, at::kLong);
  std::int64_t entered = 0;
  for (const std::int64_t n : {3, 3, 3, 0, 1, 7, 5}) {
    cdc::ring_enter(ring, place, rows(entered, n));
    entered += n;
    ASSERT_EQ(cdc::ring_count(place), std::min<std::int64_t>(entered, 7));
    // Row r is in place r modulo 7, and the last seven rows are there.
    for (std::int64_t r = std::max<std::int64_t>(0, entered - 7); r < entered; ++r)
      EXPECT_EQ(ring[r % 7][0].item<float>(), static_cast<float>(r)) << "after " << entered;
  }
}

TEST(Ring, OfMoreRowsThanItHoldsTheLastStay) {
  at::Tensor ring = at::zeros({4, 1}), place = at::zeros({2}, at::kLong);
  cdc::ring_enter(ring, place, rows(0, 9));
  EXPECT_TRUE(at::equal(ring.flatten(), at::tensor({5, 6, 7, 8}, at::kFloat)));
  EXPECT_TRUE(at::equal(place, at::tensor({0, 4}, at::kLong)));
}

TEST(Ring, LeadingDimensionsAreRingsSideBySide) {
  at::Tensor ring = at::zeros({2, 3, 1}), place = at::zeros({2}, at::kLong);
  cdc::ring_enter(ring, place, at::arange(4, at::kFloat).view({2, 2, 1}));
  cdc::ring_enter(ring, place, at::arange(10, 14, at::kFloat).view({2, 2, 1}));
  EXPECT_TRUE(at::equal(ring.flatten(1), at::tensor({11, 1, 10, 13, 3, 12}, at::kFloat).view({2, 3})));
}

}  // namespace
