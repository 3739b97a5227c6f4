// One small node for each thing that a node may be (engine/README.md): the session's tests train, save and resume them.
#include <ATen/ATen.h>

#include <stdexcept>

#include "cdc/augment.hpp"
#include "cdc/error.hpp"
#include "cdc/loss.hpp"
#include "cdc/random.hpp"
#include "cdc/sampler.hpp"
#include "cdc/schema.hpp"

namespace {

/// Pixels over 255, with noise in training.
class Views final : public cdc::Augment {
 public:
  int count = 2;
  double noise = 0.1;
  static void describe(cdc::Schema<Views>& s) {
    s.summary("Noisy pixels.");
    s.param(&Views::count, "count", "Views").at_least(1);
    s.param(&Views::noise, "noise", "Amplitude");
    s.size("V", &Views::count);
  }
  int views() const override { return count; }
  std::array<int, 2> output_size(int height, int width) const override { return {height, width}; }
  void render(const cdc::Image& image, const cdc::ViewKey& key, int height, int width, float* out) const override {
    cdc::Random random(key.seed, static_cast<std::uint64_t>(key.epoch), static_cast<std::uint64_t>(key.sample), static_cast<std::uint32_t>(key.view));
    render_plain(image, height, width, out);
    for (int i = 0; i < image.channels * height * width; ++i) out[i] += static_cast<float>(random.uniform(-noise, noise));
  }
  void render_plain(const cdc::Image& image, int height, int width, float* out) const override {
    for (int c = 0; c < image.channels; ++c)
      for (int i = 0; i < height * width; ++i) *out++ = static_cast<float>(image.pixels.get()[i * image.channels + c]) / 255.0F;
  }
};

/// A linear map: a parameter by Schema::parameter_state.
class Linear final : public cdc::Node {
 public:
  static constexpr cdc::In<cdc::Images> kImages{"images", "Views"};
  static constexpr cdc::Out<cdc::Embeddings> kFeatures{"features", "Rows"};
  int dim = 4;
  at::Tensor weight_;
  static void describe(cdc::Schema<Linear>& s) {
    s.summary("A linear map of the pixels.");
    s.param(&Linear::dim, "dim", "Width").at_least(1);
    s.size("D", &Linear::dim);
    s.input(kImages).output(kFeatures).parameter_state(&Linear::weight_, "weight");
  }
  void build(const cdc::BuildContext& c) override { weight_ = at::randn({c.size("C") * c.size("H") * c.size("W"), dim}) * 0.1; }
  void forward(cdc::Step& step) override { step.out(kFeatures, step.in(kImages).flatten(2).matmul(weight_)); }
};

/// Renders the sample `by` places further on, in epochs from 1 on.
class Next final : public cdc::Sampler {
 public:
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Read before training, for their number"};
  std::int64_t by = 1;
  at::Tensor size_;
  static void describe(cdc::Schema<Next>& s) {
    s.summary("The next sample.");
    s.param(&Next::by, "by", "Places");
    s.input(kFeatures).state(&Next::size_, "size");
  }
  void build(const cdc::BuildContext&) override { size_ = at::zeros({}, at::kLong); }
  void begin_training(cdc::WholeSet& all) override { size_.fill_(all.features(kFeatures).size(0)); }
  std::int64_t pick(std::uint64_t, std::int64_t epoch, std::int64_t sample) const override {
    return epoch == 0 ? sample : by > 100 ? by : (sample + by) % size_.item<std::int64_t>();
  }
};

/// The last `size` rows that it saw: a state that grows.
class Queue final : public cdc::Node {
 public:
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Rows to keep"};
  static constexpr cdc::Out<cdc::Embeddings> kKeys{"keys", "Rows kept", "1,Q,D"};
  int size = 24;
  at::Tensor keys_;
  static void describe(cdc::Schema<Queue>& s) {
    s.summary("A queue of rows.");
    s.param(&Queue::size, "size", "Rows").at_least(1);
    s.input(kFeatures).output(kKeys).full_precision().no_gradient().state(&Queue::keys_, "keys");
  }
  void build(const cdc::BuildContext& c) override { keys_ = at::zeros({0, c.size("D")}); }
  void forward(cdc::Step& step) override { step.out(kKeys, keys_.unsqueeze(0)); }
  void after_step(cdc::Step& step) override {
    const at::Tensor all = at::cat({keys_, step.in(kFeatures).detach()[0]});
    keys_ = all.slice(0, std::max<std::int64_t>(0, all.size(0) - size)).clone();
  }
};

/// Distance to the mean of the whole set's features, found before training, moved at each epoch's start.
class Centre final : public cdc::Node {
 public:
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Rows"};
  static constexpr cdc::In<cdc::Embeddings> kKeys{"keys", "More rows to come near", "1,Q,D"};
  static constexpr cdc::Out<cdc::Scalar> kDistance{"distance", "Mean squared distance"};
  at::Tensor centre_, epochs_;
  static void describe(cdc::Schema<Centre>& s) {
    s.summary("Distance to the set's mean.");
    s.full_precision();
    s.input(kFeatures).input(kKeys.as_optional()).output(kDistance).state(&Centre::centre_, "centre").state(&Centre::epochs_, "epochs");
  }
  void build(const cdc::BuildContext& c) override {
    centre_ = at::zeros({c.size("D")});
    epochs_ = at::zeros({}, at::kLong);
  }
  void begin_training(cdc::WholeSet& all) override { centre_ = all.features(kFeatures).mean(0); }
  void begin_epoch(cdc::WholeSet& all) override {
    epochs_ += 1;
    cdc::Random random(all.seed());
    centre_ = centre_ * 0.5 + all.features(kFeatures).mean(0) * 0.5 + random.uniform(0, 0.01);
  }
  void forward(cdc::Step& step) override {
    at::Tensor d = (step.in(kFeatures)-centre_).square().mean();
    if (step.has(kKeys) && step.in(kKeys).size(1) > 0) d = d + (step.in(kFeatures).mean(1) - step.in(kKeys).mean(1)).square().mean();
    step.report("distance", d);
    step.out(kDistance, d);
  }
};

/// Adds up terms, weighted at random.
class Sum final : public cdc::Loss {
 public:
  static constexpr cdc::In<cdc::Scalar> kTerms{"terms", "What to add up"};
  int nan_at = -1, idle_from = -1;
  static void describe(cdc::Schema<Sum>& s) {
    s.summary("A random sum.");
    s.param(&Sum::nan_at, "nan_at", "The step that gives NaN; -1: none");
    s.param(&Sum::idle_from, "idle_from", "The first step from which on nothing counts; -1: none");
    s.input(kTerms.as_list());
  }
  at::Tensor compute(const cdc::LossInputs& in) const override {
    at::Tensor total = at::zeros({});
    if (in.step().training() && idle_from >= 0 && in.step().step() >= idle_from) {
      in.step().nothing_counts("it rests");
      return total;
    }
    for (const at::Tensor& t : in.list(kTerms)) total = total + t * (0.5 + at::rand({}, in.step().generator()));
    if (in.step().training() && in.step().step() == nan_at) total = total / 0.0 - total / 0.0;
    return total;
  }
};

/// How far apart images are.
class Difference final : public cdc::Loss {
 public:
  static constexpr cdc::In<cdc::Images> kA{"a", "Images"};
  static constexpr cdc::In<cdc::Images> kB{"b", "Images of the same size"};
  static void describe(cdc::Schema<Difference>& s) {
    s.summary("The mean squared difference.");
    s.input(kA).input(kB);
  }
  at::Tensor compute(const cdc::LossInputs& in) const override { return (in[kA] - in[kB]).square().mean(); }
};

/// Throws what a plugin should not.
class Throws final : public cdc::Node {
 public:
  static constexpr cdc::In<cdc::Embeddings> kFeatures{"features", "Rows"};
  static constexpr cdc::Out<cdc::Scalar> kNothing{"nothing", "Zero"};
  struct OfItsOwn {};
  std::string what = "standard";
  std::string when = "forward";
  static void describe(cdc::Schema<Throws>& s) {
    s.summary("Throws.");
    s.param(&Throws::what, "what", "Which exception").choices({"standard", "torch", "own", "error"});
    s.param(&Throws::when, "when", "Where").choices({"build", "forward", "begin_epoch", "after_step", "nothing"});
    s.input(kFeatures).output(kNothing);
  }
  void throw_it() const {
    if (what == "standard") throw std::runtime_error("the disk is on fire");
    if (what == "torch") at::zeros({2, 3}).matmul(at::zeros({2, 3}));
    if (what == "error") throw cdc::Error("set 'tau' above 0");
    throw OfItsOwn{};
  }
  void build(const cdc::BuildContext&) override {
    if (when == "build") throw_it();
  }
  void begin_epoch(cdc::WholeSet&) override {
    if (when == "begin_epoch") throw_it();
  }
  void after_step(cdc::Step&) override {
    if (when == "after_step") throw_it();
  }
  void forward(cdc::Step& step) override {
    if (when == "forward" && step.step() == 1) throw_it();
    if (when != "nothing") step.out(kNothing, step.in(kFeatures).sum() * 0);
  }
};

}  // namespace
CDC_PLUGIN(Views, "test.views")
CDC_PLUGIN(Linear, "test.linear")
CDC_PLUGIN(Next, "test.next")
CDC_PLUGIN(Queue, "test.queue")
CDC_PLUGIN(Centre, "test.centre")
CDC_PLUGIN(Sum, "test.sum")
CDC_PLUGIN(Difference, "test.difference")
CDC_PLUGIN(Throws, "test.throws")
