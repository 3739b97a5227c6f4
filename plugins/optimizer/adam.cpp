#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>

#include <cmath>

#include "fused.hpp"

namespace {

/// m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, p = keep p - size m / (sqrt(v) / root + eps), with g + l2 p for g.
CDC_FUSED void adam_update(std::int64_t n, float* __restrict__ p, const float* __restrict__ gradient, float* __restrict__ m, float* __restrict__ v,
                           float beta1, float beta2, float l2, float keep, float size, float inverse_root, float eps) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] + l2 * p[i];
    m[i] += (1.0f - beta1) * (g - m[i]);
    v[i] = beta2 * v[i] + (1.0f - beta2) * g * g;
    p[i] = keep * p[i] - size * m[i] / (__builtin_sqrtf(v[i]) * inverse_root + eps);
  }
}

/// Adam (Kingma and Ba, arXiv 1412.6980) and AdamW (Loshchilov and Hutter, arXiv 1711.05101), as torch.optim has them.
class AdamBase : public cdc::FusedOptimizer {
 public:
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

  template <class S>
  static void common(S& s) {
    s.param(&AdamBase::lr, "lr", "Learning rate").range(0, 1e3);
    s.param(&AdamBase::beta1, "beta1", "How much of the mean of gradients stays at a step").range(0, 0.999999);
    s.param(&AdamBase::beta2, "beta2", "How much of the mean of squared gradients stays at a step").range(0, 0.9999999);
    s.param(&AdamBase::eps, "eps", "Added to the root of the mean square").range(1e-30, 1);
    s.param(&AdamBase::decay, "decay", "What weight decay applies to: all parameters, or weights without biases and normalisation")
        .choices({"all", "weights"});
  }

  void step(double lr_factor) override {
    const Work w = work();
    struct Constants {
      double size, root, keep, l2;
    };
    std::vector<Constants> of_slot(slots_.size());
    const std::int64_t* steps = steps_.data_ptr<std::int64_t>();
    for (const std::size_t i : w.with_gradient) {
      const double t = static_cast<double>(steps[i]), rate = lr * lr_factor, wd = slots_[i].decay ? weight_decay : 0.0;
      of_slot[i] = {rate / (1.0 - std::pow(beta1, t)), std::sqrt(1.0 - std::pow(beta2, t)), decoupled() ? 1.0 - rate * wd : 1.0,
                    decoupled() ? 0.0 : wd};
    }
    over(w.spans, [&](const cdc::Span& s, std::size_t) {
      const Constants& c = of_slot[s.slot];
      adam_update(s.n, s.parameter, s.gradient, s.memory[0], s.memory[1], static_cast<float>(beta1), static_cast<float>(beta2),
                  static_cast<float>(c.l2), static_cast<float>(c.keep), static_cast<float>(c.size), static_cast<float>(1.0 / c.root),
                  static_cast<float>(eps));
    });
    // A GPU is asked for all parameters at once: one by one the launches take longer than the work.
    std::vector<at::Tensor> p, g, m, v;
    std::vector<at::Scalar> keeps, l2s, roots, sizes;
    for (const std::size_t i : w.on_device) {
      const Constants& c = of_slot[i];
      p.push_back(slots_[i].parameter.tensor.detach());
      g.push_back(w.gradients[i]);
      m.push_back(slots_[i].memory[0]);
      v.push_back(slots_[i].memory[1]);
      keeps.emplace_back(c.keep);
      l2s.emplace_back(c.l2);
      roots.emplace_back(c.root);
      sizes.emplace_back(-c.size);
    }
    if (p.empty()) return;
    if (!decoupled() && weight_decay != 0) g = at::_foreach_add(g, at::_foreach_mul(p, l2s));
    at::_foreach_mul_(m, beta1);
    at::_foreach_add_(m, g, 1.0 - beta1);
    at::_foreach_mul_(v, beta2);
    at::_foreach_addcmul_(v, g, g, 1.0 - beta2);
    if (decoupled() && weight_decay != 0) at::_foreach_mul_(p, keeps);
    std::vector<at::Tensor> scale = at::_foreach_sqrt(v);
    at::_foreach_div_(scale, roots);
    at::_foreach_add_(scale, eps);
    at::_foreach_addcdiv_(p, m, scale, sizes);
  }

 protected:
  virtual bool decoupled() const = 0;
  std::vector<std::string> memory_names() const override { return {"mean", "mean_square"}; }
};

class Adam final : public AdamBase {
 public:
  Adam() { lr = 1e-3; }
  static void describe(cdc::Schema<Adam>& s) {
    s.summary("Adam; weight decay is added to the gradient (L2).");
    common(s);
    s.param(&Adam::weight_decay, "weight_decay", "Weight decay, added to the gradient").range(0, 10);
  }

 protected:
  bool decoupled() const override { return false; }
};

class AdamW final : public AdamBase {
 public:
  AdamW() {
    lr = 1e-3;
    weight_decay = 0.01;
  }
  static void describe(cdc::Schema<AdamW>& s) {
    s.summary("Adam with decoupled weight decay.");
    common(s);
    s.param(&AdamW::weight_decay, "weight_decay", "Weight decay, times the learning rate taken off the parameters").range(0, 10);
  }

 protected:
  bool decoupled() const override { return true; }
};

}  // namespace
CDC_PLUGIN(Adam, "optimizer.adam")
CDC_PLUGIN(AdamW, "optimizer.adamw")
