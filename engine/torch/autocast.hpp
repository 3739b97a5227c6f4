#pragma once

#include <ATen/autocast_mode.h>
#include <torch/version.h>

namespace cdc {

/// Autocast to bfloat16 for a scope, switched per node; LibTorch's interface to it changed with 2.4. The cache of casted weights lives as long as
/// the scope: one cast a step, however many views or nodes.
class Autocast {
 public:
  Autocast(bool bfloat16, bool cuda) : on_(bfloat16), cuda_(cuda) {
    if (!on_) return;
    set_dtype();
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (!on_) return;
    enable(false);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

  void enable(bool on) {
    if (!on_ || on == enabled_) return;
    enabled_ = on;
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
    at::autocast::set_autocast_enabled(cuda_ ? at::kCUDA : at::kCPU, on);
#else
    if (cuda_) {
      at::autocast::set_enabled(on);
    } else {
      at::autocast::set_cpu_enabled(on);
    }
#endif
  }

 private:
  void set_dtype() {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
    at::autocast::set_autocast_dtype(cuda_ ? at::kCUDA : at::kCPU, at::kBFloat16);
#else
    if (cuda_) {
      at::autocast::set_autocast_gpu_dtype(at::kBFloat16);
    } else {
      at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
    }
#endif
  }
  bool on_, cuda_, enabled_ = false;
};

}  // namespace cdc
