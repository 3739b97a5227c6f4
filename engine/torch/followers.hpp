#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cdc/session.hpp"
#include "graph/plan.hpp"

namespace cdc {

/// Weights that follow others (momentum encoders): see Following in graph/plan.hpp. Buffers (running means) are each side's own.
class Followers {
 public:
  /// Of two nodes of one plugin: the follower's tensors and the followed one's, in the same order. Kept, not copied.
  void add(const Following& following, const std::vector<NamedTensor>& own, const std::vector<NamedTensor>& followed);
  /// After a step of the optimiser, without autograd.
  void move(const Position& position) const;

 private:
  struct Pair {
    Following following;
    std::vector<at::Tensor> own, followed;  ///< those that are trained
  };
  std::vector<Pair> pairs_;
};

}  // namespace cdc
