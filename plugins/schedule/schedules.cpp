#include <algorithm>
#include <cmath>

#include "cdc/error.hpp"
#include "cdc/optimizer.hpp"

namespace {

/// A schedule times a linear warm-up: at step i of w warm-up steps the factor is (i + 1) / w.
class WarmedUp : public cdc::Schedule {
 public:
  double warmup_epochs = 0;
  std::int64_t warmup_steps = 0;

  template <class S>
  static void warmup(S& s) {
    s.param(&WarmedUp::warmup_epochs, "warmup_epochs", "Epochs (a fraction is allowed) over which the rate grows to its full height").range(0, 1e6);
    s.param(&WarmedUp::warmup_steps, "warmup_steps", "The same in steps; only one of both may be set").range(0, 1e12);
  }
  void check() const override {
    if (warmup_epochs > 0 && warmup_steps > 0) throw cdc::Error("'warmup_epochs' and 'warmup_steps' say the same in two ways: set one of them");
  }
  double factor(std::int64_t step, std::int64_t steps_per_epoch, std::int64_t epochs) const final {
    const double warm = warmup_steps > 0 ? static_cast<double>(warmup_steps) : warmup_epochs * static_cast<double>(steps_per_epoch);
    const double ramp = static_cast<double>(step + 1) < warm ? static_cast<double>(step + 1) / warm : 1.0;
    return ramp * after_warmup(step, steps_per_epoch, epochs);
  }

 protected:
  virtual double after_warmup(std::int64_t step, std::int64_t steps_per_epoch, std::int64_t epochs) const = 0;
};

class Constant final : public WarmedUp {
 public:
  static void describe(cdc::Schema<Constant>& s) {
    s.summary("The learning rate as it is, after a warm-up where wanted.");
    warmup(s);
  }

 protected:
  double after_warmup(std::int64_t, std::int64_t, std::int64_t) const override { return 1.0; }
};

class Steps final : public WarmedUp {
 public:
  std::vector<std::int64_t> milestones;
  double gamma = 0.1;
  static void describe(cdc::Schema<Steps>& s) {
    s.summary("The learning rate falls by a factor at given epochs.");
    s.param(&Steps::milestones, "milestones", "Epochs (from 0) from which on the rate is smaller by `gamma`, increasing")
        .at_least(1)
        .length(1, 1000)
        .required();
    s.param(&Steps::gamma, "gamma", "The factor at each milestone").range(0, 1);
    warmup(s);
  }
  void check() const override {
    WarmedUp::check();
    for (std::size_t i = 1; i < milestones.size(); ++i)
      if (milestones[i] <= milestones[i - 1]) throw cdc::Error("'milestones' must increase: each is an epoch later than the one before it");
  }

 protected:
  double after_warmup(std::int64_t step, std::int64_t steps_per_epoch, std::int64_t) const override {
    double f = 1.0;
    for (const std::int64_t m : milestones)
      if (step >= m * steps_per_epoch) f *= gamma;
    return f;
  }
};

/// Half a cosine over the whole training, warm-up included (Loshchilov and Hutter, arXiv 1608.03983, without restarts).
class Cosine final : public WarmedUp {
 public:
  double final_factor = 0.0;
  static void describe(cdc::Schema<Cosine>& s) {
    s.summary("The learning rate falls along half a cosine over the whole training; a warm-up multiplies it.");
    s.param(&Cosine::final_factor, "final_factor", "What is left of the rate at the end").range(0, 1);
    warmup(s);
  }

 protected:
  double after_warmup(std::int64_t step, std::int64_t steps_per_epoch, std::int64_t epochs) const override {
    const double total = static_cast<double>(steps_per_epoch) * static_cast<double>(epochs);
    const double t = total > 0 ? std::min(1.0, static_cast<double>(step) / total) : 0.0;
    return final_factor + (1.0 - final_factor) * 0.5 * (1.0 + std::cos(3.14159265358979323846 * t));
  }
};

}  // namespace
CDC_PLUGIN(Constant, "schedule.constant")
CDC_PLUGIN(Steps, "schedule.step")
CDC_PLUGIN(Cosine, "schedule.cosine")
