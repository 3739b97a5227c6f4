#include "data/view_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace cdc {
namespace {

constexpr std::int64_t kStrip = 1024;                 ///< floats before and behind the view
constexpr std::uint32_t kNobodyWrites = 0x7fc5a5a5U;  ///< a NaN that no arithmetic makes
constexpr std::uint32_t kExponent = 0x7f800000U;      ///< all ones: infinite, or no number

std::uint32_t bits_of(const float* at) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

}  // namespace

std::string view_problem(const float* view, std::int64_t floats) {
  constexpr std::int64_t kBlock = 64;
  std::int64_t i = 0;
  for (; i + kBlock <= floats; i += kBlock) {
    std::uint32_t bits[kBlock], wrong = 0;
    std::memcpy(bits, view + i, sizeof bits);
    for (const std::uint32_t one : bits) wrong |= (one & kExponent) == kExponent ? 1U : 0U;
    if (wrong != 0) break;
  }
  const float* const end = view + floats;
  const float* const wrong = std::find_if(view + i, end, [](float x) { return !std::isfinite(x); });
  return wrong == end ? std::string() : fmt::format("number {} of the {} that it rendered is {}", wrong - view + 1, floats, *wrong);
}

GuardedView::GuardedView(std::int64_t floats) : floats_(floats), memory_(static_cast<std::size_t>(floats + 2 * kStrip)) {
  float pattern = 0;
  std::memcpy(&pattern, &kNobodyWrites, sizeof pattern);
  for (float& one : memory_) std::memcpy(&one, &pattern, sizeof pattern);
}

float* GuardedView::view() { return memory_.data() + kStrip; }

std::string GuardedView::problem() const {
  const auto total = static_cast<std::int64_t>(memory_.size());
  for (std::int64_t i = 0; i < total; ++i) {
    const bool inside = i >= kStrip && i < kStrip + floats_, written = bits_of(&memory_[static_cast<std::size_t>(i)]) != kNobodyWrites;
    if (inside && !written) return fmt::format("it left number {} of the {} that it is to render as it was", i - kStrip + 1, floats_);
    if (!inside && written)
      return fmt::format("it wrote to place {} of a view of {} numbers: beyond its memory", i - kStrip + (i < kStrip ? 0 : 1), floats_);
  }
  return {};
}

}  // namespace cdc
