#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace cdc {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): 128 random bits of a counter and a key.
inline std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// A stream of random numbers that is a pure function of its key: the same (seed, epoch, sample, view, operation) gives the same numbers
/// in any thread, process or order. Cheap to make; not to be shared between threads.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t epoch = 0, std::uint64_t sample = 0, std::uint32_t view = 0, std::uint32_t operation = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)} {
    // 192 bits of identity in 96 bits of counter: a first Philox folds them, so that streams differ but for chance (2^-96).
    const auto a = philox({static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32), static_cast<std::uint32_t>(epoch),
                           static_cast<std::uint32_t>(epoch >> 32)}, key_);
    const auto b = philox({a[0] ^ view, a[1] ^ operation, a[2], a[3]}, key_);
    base_ = {b[0], b[1], b[2]};
  }

  std::uint32_t next32() {
    if (used_ == 4) {
      block_ = philox({base_[0], base_[1], base_[2], counter_++}, key_);
      used_ = 0;
    }
    return block_[used_++];
  }
  std::uint64_t next64() {
    const std::uint64_t high = next32();
    return high << 32 | next32();
  }
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next64() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  bool chance(double probability) { return uniform() < probability; }
  /// Uniform in 0 .. n-1 (n > 0), without bias.
  std::uint64_t below(std::uint64_t n) {
    const std::uint64_t reject = (0 - n) % n;
    for (;;) {
      const std::uint64_t x = next64();
      if (x >= reject) return x % n;
    }
  }
  /// Standard normal (Box-Muller; the second value is not kept).
  double normal() {
    const double u = 1.0 - uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586477 * uniform());
  }
  /// 0 .. n-1 in random order (Fisher-Yates).
  std::vector<std::int64_t> permutation(std::int64_t n) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) {
      const auto j = static_cast<std::size_t>(below(static_cast<std::uint64_t>(i) + 1));
      order[static_cast<std::size_t>(i)] = order[j];
      order[j] = i;
    }
    return order;
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 3> base_{};
  std::uint32_t counter_ = 0;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace cdc
