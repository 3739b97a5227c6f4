#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "fused.hpp"

namespace {

/// Sums of squares of p and of g + l2 p, in float64.
CDC_FUSED void squares(std::int64_t n, const float* __restrict__ p, const float* __restrict__ gradient, float l2, double* sums) {
  constexpr int kLanes = 16;
  double a[kLanes] = {}, b[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) {
      const float x = p[i + k], g = gradient[i + k] + l2 * x;
      a[k] += static_cast<double>(x) * static_cast<double>(x);
      b[k] += static_cast<double>(g) * static_cast<double>(g);
    }
  for (; i < n; ++i) {
    const float x = p[i], g = gradient[i] + l2 * x;
    a[0] += static_cast<double>(x) * static_cast<double>(x);
    b[0] += static_cast<double>(g) * static_cast<double>(g);
  }
  for (int k = 0; k < kLanes; ++k) {
    sums[0] += a[k];
    sums[1] += b[k];
  }
}

/// b = momentum b + trust (g + l2 p), p -= rate b.
CDC_FUSED void lars_update(std::int64_t n, float* __restrict__ p, const float* __restrict__ gradient, float* __restrict__ b, float momentum, float l2,
                           float trust, float rate) {
  for (std::int64_t i = 0; i < n; ++i) {
    b[i] = momentum * b[i] + trust * (gradient[i] + l2 * p[i]);
    p[i] -= rate * b[i];
  }
}

/// Layer-wise adaptive rate scaling (You et al., arXiv 1708.03888), as MoCo v3 and Barlow Twins train with it: a tensor's update g + l2 p is scaled
/// by trust |p| / |g + l2 p| (1 where either is 0), then goes through momentum. Biases and normalisation layers are neither scaled nor decayed.
class Lars final : public cdc::FusedOptimizer {
 public:
  double momentum = 0.9, trust_coefficient = 0.001;
  Lars() {
    lr = 0.3;
    weight_decay = 1e-6;
    decay = "weights";
  }

  static void describe(cdc::Schema<Lars>& s) {
    s.summary("LARS, for large batches: each tensor's step is a fixed part of its length.");
    s.param(&Lars::lr, "lr", "Learning rate").range(0, 1e3);
    s.param(&Lars::momentum, "momentum", "How much of the last step's direction stays").range(0, 0.99999);
    s.param(&Lars::weight_decay, "weight_decay", "Weight decay, added to the gradient").range(0, 10);
    s.param(&Lars::trust_coefficient, "trust_coefficient", "A step's length as a part of the parameter's, at learning rate 1").range(1e-6, 1);
    s.param(&Lars::decay, "decay", "What scaling and weight decay apply to: weights without biases and normalisation, or all parameters")
        .choices({"weights", "all"});
  }

  void step(double lr_factor) override {
    const Work w = work();
    const double rate = lr * lr_factor;
    std::vector<double> sums(2 * w.spans.size()), trust(slots_.size(), 1.0);
    over(w.spans, [&](const cdc::Span& s, std::size_t i) {
      if (slots_[s.slot].decay) squares(s.n, s.parameter, s.gradient, static_cast<float>(weight_decay), &sums[2 * i]);
    });
    std::vector<double> p_squares(slots_.size()), g_squares(slots_.size());
    for (std::size_t i = 0; i < w.spans.size(); ++i) {  // in order: the same bits with any number of threads
      p_squares[w.spans[i].slot] += sums[2 * i];
      g_squares[w.spans[i].slot] += sums[2 * i + 1];
    }
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (p_squares[i] > 0 && g_squares[i] > 0) trust[i] = trust_coefficient * std::sqrt(p_squares[i] / g_squares[i]);
    over(w.spans, [&](const cdc::Span& s, std::size_t) {
      lars_update(s.n, s.parameter, s.gradient, s.memory[0], static_cast<float>(momentum),
                  slots_[s.slot].decay ? static_cast<float>(weight_decay) : 0.0f, static_cast<float>(trust[s.slot]), static_cast<float>(rate));
    });
    for (const std::size_t i : w.on_device) {
      at::Tensor p = slots_[i].parameter.tensor.detach(), g = w.gradients[i], b = slots_[i].memory[0];
      if (slots_[i].decay) {
        g = g.add(p, weight_decay);
        const at::Tensor ratio = at::linalg_vector_norm(p) / at::linalg_vector_norm(g) * trust_coefficient;
        g = g * at::where((ratio > 0).logical_and(ratio.isfinite()), ratio, at::ones_like(ratio));
      }
      p.sub_(b.mul_(momentum).add_(g), rate);
    }
  }

 protected:
  std::vector<std::string> memory_names() const override { return {"momentum"}; }
};

}  // namespace
CDC_PLUGIN(Lars, "optimizer.lars")
