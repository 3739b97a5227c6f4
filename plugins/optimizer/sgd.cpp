#include <ATen/TensorOperators.h>

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
    for (const std::size_t i : w.on_device) {
      at::Tensor p = slots_[i].parameter.tensor.detach(), g = w.gradients[i];
      if (l2_of(i) != 0) g = g.add(p, l2_of(i));
      if (momentum != 0) {
        at::Tensor b = slots_[i].memory[0];
        b.mul_(momentum).add_(g);
        g = nesterov ? g.add(b, momentum) : b;
      }
      p.sub_(g, rate);
    }
  }

 protected:
  std::vector<std::string> memory_names() const override { return momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum"}; }
};

}  // namespace
CDC_PLUGIN(Sgd, "optimizer.sgd")
