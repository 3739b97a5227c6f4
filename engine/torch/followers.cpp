#include "torch/followers.hpp"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>

#include <algorithm>
#include <cmath>

namespace cdc {

void Followers::add(const Following& following, const std::vector<NamedTensor>& own, const std::vector<NamedTensor>& followed) {
  Pair& pair = pairs_.emplace_back();
  pair.following = following;
  for (std::size_t i = 0; i < own.size(); ++i)
    if (followed[i].trainable) {
      pair.own.push_back(own[i].tensor);
      pair.followed.push_back(followed[i].tensor);
    }
}

void Followers::move(const Position& position) const {
  const auto steps = static_cast<double>(std::max<std::int64_t>(1, position.epochs * position.steps_per_epoch));
  const double cosine = std::cos(3.14159265358979323846 * static_cast<double>(position.step) / steps);
  for (const Pair& pair : pairs_) {
    if (pair.own.empty()) continue;
    const double start = pair.following.momentum, end = pair.following.momentum_end, momentum = end - (end - start) * (cosine + 1) / 2;
    at::_foreach_mul_(pair.own, momentum);
    at::_foreach_add_(pair.own, pair.followed, 1 - momentum);
  }
}

}  // namespace cdc
