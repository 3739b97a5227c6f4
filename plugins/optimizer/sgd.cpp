#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>

#include "cdc/error.hpp"
#include "fused.hpp"

namespace {

/// b = momentum b + g (the first time b = g, momentum 0 too), p -= rate (g + momentum b) with Nesterov, rate b without; with g + l2 p for g.
CDC_FUSED void sgd_update(std::int64_t n, float* __restrict__ p, const float* __restrict__ gradient, float* __restrict__ b, float momentum,
                          float direct, float through, float l2, float rate) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] + l2 * p[i];
    b[i] = momentum * b[i] + g;
    p[i] -= rate * (direct * g + through * b[i]);
  }
}

CDC_FUSED void sgd_plain(std::int64_t n, float* __restrict__ p, const float* __restrict__ gradient, float l2, float rate) {
  for (std::int64_t i = 0; i < n; ++i) p[i] -= rate * (gradient[i] + l2 * p[i]);
}

/// Stochastic gradient descent as torch.optim.SGD has it (dampening 0).
class Sgd final : public cdc::FusedOptimizer {
 public:
  double momentum = 0.0;
  bool nesterov = false;

  static void describe(cdc::Schema<Sgd>& s) {
    s.summary("Stochastic gradient descent, with momentum where wanted.");
    s.param(&Sgd::lr, "lr", "Learning rate").range(0, 1e3);
    s.param(&Sgd::momentum, "momentum", "How much of the last step's direction stays").range(0, 0.99999);
    s.param(&Sgd::nesterov, "nesterov", "Nesterov's momentum");
    s.param(&Sgd::weight_decay, "weight_decay", "Weight decay, added to the gradient").range(0, 10);
    s.param(&Sgd::decay, "decay", "What weight decay applies to: all parameters, or weights without biases and normalisation")
        .choices({"all", "weights"});
  }

  void check() const override {
    if (nesterov && momentum == 0) throw cdc::Error("'nesterov' has no meaning without momentum: set momentum = 0.9, or remove it");
  }

  void step(double lr_factor) override {
    const Work w = work();
    const double rate = lr * lr_factor;
    const auto l2_of = [&](std::size_t slot) { return slots_[slot].decay ? weight_decay : 0.0; };
    over(w.spans, [&](const cdc::Span& s, std::size_t) {
      const auto l2 = static_cast<float>(l2_of(s.slot)), m = static_cast<float>(momentum);
      if (momentum == 0)
        sgd_plain(s.n, s.parameter, s.gradient, l2, static_cast<float>(rate));
      else
        sgd_update(s.n, s.parameter, s.gradient, s.memory[0], m, nesterov ? 1.0f : 0.0f, nesterov ? m : 1.0f, l2, static_cast<float>(rate));
    });
    // A GPU is asked for all parameters at once: one by one the launches take longer than the work.
    std::vector<at::Tensor> p, g, b;
    std::vector<at::Scalar> l2s;
    for (const std::size_t i : w.on_device) {
      p.push_back(slots_[i].parameter.tensor.detach());
      g.push_back(w.gradients[i]);
      if (momentum != 0) b.push_back(slots_[i].memory[0]);
      l2s.emplace_back(l2_of(i));
    }
    if (p.empty()) return;
    if (weight_decay != 0) g = at::_foreach_add(g, at::_foreach_mul(p, l2s));
    if (momentum != 0) {
      at::_foreach_mul_(b, momentum);
      at::_foreach_add_(b, g);
      g = nesterov ? at::_foreach_add(g, b, momentum) : b;
    }
    at::_foreach_add_(p, g, -rate);
  }

 protected:
  std::vector<std::string> memory_names() const override { return momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum"}; }
};

}  // namespace
CDC_PLUGIN(Sgd, "optimizer.sgd")
