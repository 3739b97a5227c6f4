#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cdc/optimizer.hpp"

/// Loops over plain arrays, compiled for several widths of vectors; the processor's widest is taken when the library is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CDC_FUSED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3", "no-trapping-math", "no-math-errno")))
#else
#define CDC_FUSED
#endif

namespace cdc {

/// A parameter with its gradient and what an optimiser remembers of it.
struct Slot {
  NamedTensor parameter;
  std::vector<at::Tensor> memory;  ///< each of the parameter's shape and layout
  bool decay = true;
};

/// A run of numbers of one tensor: pointers to the parameter, its gradient and its memory.
struct Span {
  std::size_t slot;
  std::int64_t n;
  float* parameter;
  const float* gradient;
  float* memory[2];
};

/// What optimisers here share: one slot a parameter, memory tensors, and the CPU's way of one pass over memory for all parameters at once.
class FusedOptimizer : public Optimizer {
 public:
  double lr = 0.01;
  double weight_decay = 0.0;
  std::string decay = "all";

  void setup(std::vector<NamedTensor> parameters) override;
  std::vector<NamedTensor> state() override;
  double learning_rate() const override { return lr; }

 protected:
  /// Names of the memory tensors, at most two: "momentum".
  virtual std::vector<std::string> memory_names() const = 0;
  /// The slots whose parameters have gradients now, on the CPU in float32 (gradients in their parameter's layout) or not; on the first, runs of
  /// at most 2^15 numbers.
  struct Work {
    std::vector<std::size_t> with_gradient;
    std::vector<Span> spans;             ///< of CPU float32 parameters
    std::vector<std::size_t> on_device;  ///< slots of all others
    std::vector<at::Tensor> gradients;   ///< by slot, defined for those with gradients
  };
  Work work() const;
  /// Runs `body` over all spans, in parallel where there is enough to do. Spans are independent: same bits with any number of threads.
  static void over(const std::vector<Span>& spans, const std::function<void(const Span&, std::size_t)>& body);

  std::vector<Slot> slots_;
  at::Tensor steps_;  ///< [number of parameters] int64, CPU: steps taken with a gradient
};

}  // namespace cdc
