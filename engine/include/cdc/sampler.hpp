#pragma once

#include <cstdint>

#include "cdc/node.hpp"

namespace cdc {

/// A node that says which sample is rendered in the place of another: a neighbour of it (SCAN), say. An augment node takes it as its input `samples`, and
/// its views come in the batch's order, those of the picked samples. Evaluation renders each sample itself. What it picks by is found at the moments
/// (begin_training, begin_epoch) and kept as its state.
class CDC_API Sampler : public Node {
 public:
  static constexpr Out<Samples> kSamples{"samples", "The samples picked"};
  ~Sampler() override;
  template <class S>
  static void describe_base(S& s) {
    s.output(kSamples).no_gradient();
  }
  /// The sample to render in the place of `sample` in `epoch`, both of 0 .. N-1 and the same whichever augment node asks; `seed` is this node's. Loader
  /// threads call it at the same time, between the moments.
  virtual std::int64_t pick(std::uint64_t seed, std::int64_t epoch, std::int64_t sample) const = 0;
  void forward(Step&) final {}
};

}  // namespace cdc
