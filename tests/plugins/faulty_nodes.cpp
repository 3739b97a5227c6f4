// Nodes that do one thing wrong, each in the way that its parameter says: what the session is to tell.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <csignal>
#include <cstdlib>
#include <limits>
#include <stdexcept>

#include "cdc/augment.hpp"
#include "cdc/error.hpp"
#include "cdc/loss.hpp"
#include "cdc/optimizer.hpp"
#include "cdc/sampler.hpp"

namespace {

int* volatile nowhere = nullptr;  ///< the compiler is not to see that

/// Kills the process in the way that `how` says.
void dies(const std::string& how) {
  if (how == "segv") *nowhere = 1;
  if (how == "abort") std::abort();
  if (how == "exit") std::exit(0);
}

/// A linear map of features that breaks its word.
class FaultyNode final : public cdc::Node {
 public:
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Rows", "V,B,F"};
  static constexpr cdc::Out<cdc::Embeddings> kOut{"out", "Rows"};
  static constexpr cdc::Out<cdc::Codes> kCodes{"codes", "Codes"};
  std::string how = "no";
  std::int64_t at_step = 0;
  int dim = 4;
  at::Tensor weight_;

  static void describe(cdc::Schema<FaultyNode>& s) {
    s.summary("Breaks its word.");
    s.param(&FaultyNode::how, "how", "In which way");
    s.param(&FaultyNode::at_step, "at_step", "From which step on").at_least(0);
    s.param(&FaultyNode::dim, "dim", "Width").at_least(1);
    s.size("D", &FaultyNode::dim).size("K", &FaultyNode::dim);
    s.input(kFeatures).output(kOut).output(kCodes).parameter_state(&FaultyNode::weight_, "weight");
  }
  ~FaultyNode() override {
    if (how == "throws in its destructor" && weight_.defined()) throw_it();
  }
  void build(const cdc::BuildContext& c) override {
    weight_ = at::randn({c.size("F"), dim}) * 0.1;
    if (how == "dies in build") dies("segv");
  }
  void begin_training(cdc::WholeSet&) override {
    if (how == "replaced before training") weight_ = at::zeros_like(weight_);
  }
  void after_step(cdc::Step& step) override {
    if (how == "output after the step") step.out(kOut, step.in(kFeatures));
    if (how == "replaced") weight_ = (weight_ * 0.5).detach().requires_grad_();
    if (how == "resized") weight_.set_data(at::zeros({1, 1}));
  }
  void forward(cdc::Step& step) override {
    const at::Tensor& x = step.in(kFeatures);
    at::Tensor y = x.matmul(weight_);
    const bool now = !step.training() || step.step() >= at_step;
    if (now) dies(how);
    if (now && how == "endless recursion") recurse(0);
    if (now && how == "throws where nobody may") throw_out_of_noexcept();
    if (now && how == "merged views") y = y.flatten(0, 1);
    if (now && how == "a row less") y = y.slice(1, 1);
    if (now && how == "a column more") y = at::cat({y, y.slice(2, 0, 1)}, 2);
    if (now && how == "a row less in evaluation" && !step.training()) y = y.slice(1, 1);
    if (now && how == "whole numbers") y = y.to(at::kLong);
    if (now && how == "elsewhere") y = y.to(at::kMeta);
    if (now && how == "detached") y = y.detach();
    if (now && how == "into its input") step.in(kFeatures).detach().mul_(2);
    if (now && how == "into the backward pass") {
      at::Tensor r = y.exp();
      y = r * 1;
      r.detach().zero_();
    }
    if (now && how == "nan backward") y = (y - y.detach()).sqrt() * 0 + y;
    if (now && how == "hungry") y = y + at::empty({std::int64_t{1} << 60}).sum();
    if (now && how == "nothing") y = at::Tensor();
    if (now && how == "twice") step.out(kOut, y);
    if (how != "no output") step.out(kOut, y);
    if (how == "double codes") step.out(kCodes, at::softmax(y.detach(), -1).to(at::kDouble));
  }

 private:
  static int recurse(int depth) {
    volatile char room[4096];
    room[depth % 4096] = 1;
    return depth > 1 << 30 ? 0 : recurse(depth + 1) + room[0];
  }
  static void throw_it() { throw std::runtime_error("not to be caught"); }
  static void throw_out_of_noexcept() noexcept { throw_it(); }
};

/// A loss that breaks its word.
class FaultyLoss final : public cdc::Loss {
 public:
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Rows"};
  std::string how = "no";
  static void describe(cdc::Schema<FaultyLoss>& s) {
    s.summary("Breaks its word.");
    s.param(&FaultyLoss::how, "how", "In which way");
    s.input(kFeatures);
  }
  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor& x = in[kFeatures];
    if (how == "a row") return x.square().mean(c10::IntArrayRef({0, 2}));
    if (how == "float64") return x.square().mean().to(at::kDouble);
    if (how == "nothing") return {};
    if (how == "detached") return x.detach().square().mean();
    if (how == "into its input") {
      const at::NoGradGuard no_gradient;
      in[kFeatures].detach().clamp_(-1, 1);
    }
    if (how == "dies") dies("segv");
    return x.square().mean();
  }
};

/// A loss of codes, which have no gradient.
class CodeLoss final : public cdc::Loss {
 public:
  static constexpr cdc::In<cdc::Codes> kCodes{"codes", "Codes"};
  static void describe(cdc::Schema<CodeLoss>& s) {
    s.summary("The mean code.");
    s.input(kCodes);
  }
  at::Tensor compute(const cdc::LossInputs& in) const override { return in[kCodes].mean(); }
};

/// Renders pixels wrongly.
class FaultyViews final : public cdc::Augment {
 public:
  std::string how = "no";
  static void describe(cdc::Schema<FaultyViews>& s) {
    s.summary("Renders wrongly.");
    s.param(&FaultyViews::how, "how", "In which way");
    s.size("V", [](const FaultyViews&) { return 2; });
  }
  int views() const override { return 2; }
  std::array<int, 2> output_size(int height, int width) const override { return {height, width}; }
  void render(const cdc::Image& image, const cdc::ViewKey& key, int height, int width, float* out) const override {
    render_plain(image, height, width, out);
    const int n = image.channels * height * width;
    if (how == "nan" && key.sample == 5) out[1] = std::numeric_limits<float>::quiet_NaN();
    if (how == "beyond") out[n] = 1;
    if (how == "before") out[-1] = 1;
    if (how == "throws") throw std::runtime_error("no colors left");
    if (how == "dies") dies("segv");
  }
  void render_plain(const cdc::Image& image, int height, int width, float* out) const override {
    const int n = image.channels * height * width - (how == "not all" ? 1 : 0);
    for (int i = 0; i < n; ++i) out[i] = static_cast<float>(image.pixels.get()[i]) / 255.0F;
  }
};

/// An optimizer that breaks its word.
class FaultyOptimizer final : public cdc::Optimizer {
 public:
  std::string how = "no";
  double lr = 0.1;
  static void describe(cdc::Schema<FaultyOptimizer>& s) {
    s.summary("Breaks its word.");
    s.param(&FaultyOptimizer::how, "how", "In which way");
    s.param(&FaultyOptimizer::lr, "lr", "Learning rate").at_least(0);
  }
  void setup(std::vector<cdc::NamedTensor> parameters) override { parameters_ = std::move(parameters); }
  void step(double factor) override {
    const at::NoGradGuard no_gradient;
    for (cdc::NamedTensor& p : parameters_) {
      if (!p.tensor.grad().defined()) continue;
      if (how == "replaces")
        p.tensor = p.tensor - p.tensor.grad() * (lr * factor);
      else
        p.tensor.sub_(p.tensor.grad(), lr * factor);
    }
  }
  std::vector<cdc::NamedTensor> state() override { return {}; }
  double learning_rate() const override { return lr; }

 private:
  std::vector<cdc::NamedTensor> parameters_;
};

class FaultySchedule final : public cdc::Schedule {
 public:
  double value = 1;
  std::string how = "no";
  static void describe(cdc::Schema<FaultySchedule>& s) {
    s.summary("The same factor always.");
    s.param(&FaultySchedule::value, "value", "The factor");
    s.param(&FaultySchedule::how, "how", "nan: that it is");
  }
  double factor(std::int64_t, std::int64_t, std::int64_t) const override { return how == "nan" ? std::numeric_limits<double>::quiet_NaN() : value; }
};

}  // namespace
CDC_PLUGIN(FaultyNode, "faulty.node")
CDC_PLUGIN(FaultyLoss, "faulty.loss")
CDC_PLUGIN(CodeLoss, "faulty.code_loss")
CDC_PLUGIN(FaultyViews, "faulty.views")
CDC_PLUGIN(FaultyOptimizer, "faulty.optimizer")
CDC_PLUGIN(FaultySchedule, "faulty.schedule")
