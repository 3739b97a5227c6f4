// What the engine adds to a training step: CDC on 28 x 28 grey images, once through the engine's graph session and once as a bare loop of LibTorch
// calls, by hand, over the same rendered batches, with the same kernels and weights. Both sides take turns, a step each; prints the median of the
// pairs' ratios.
//
//     bench_step [--steps N] [--batch B] [--threads T] [--width W] [--bfloat16] [--engine-only | --pipeline FILE [KEY=VALUE ...]]
//
// --pipeline takes stage 'train' of that file instead, the engine's side alone: step.py puts it beside PyTorch.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/nn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <numeric>
#include <thread>

#include "base/memory.hpp"
#include "cdc/dataset.hpp"
#include "cdc/optimizer.hpp"
#include "cdc/random.hpp"
#include "cdc/sinkhorn.hpp"
#include "data/batch_pipeline.hpp"
#include "graph/planner.hpp"
#include "torch/autocast.hpp"
#include "torch/graph_session.hpp"

namespace {

using Clock = std::chrono::steady_clock;

class Noise final : public cdc::Dataset {
 public:
  explicit Noise(std::int64_t n) : n_(n), bytes_(new std::uint8_t[static_cast<std::size_t>(n) * 784], std::default_delete<std::uint8_t[]>()) {
    cdc::Random random(1);
    for (std::int64_t i = 0; i < n * 784; ++i) bytes_.get()[i] = static_cast<std::uint8_t>(random.next32());
  }
  std::int64_t size() const override { return n_; }
  int channels() const override { return 1; }
  std::array<int, 2> image_size() const override { return {28, 28}; }
  cdc::Image image(std::int64_t i) const override { return {28, 28, 1, std::shared_ptr<const std::uint8_t>(bytes_, bytes_.get() + i * 784)}; }
  const std::vector<std::int32_t>& labels() const override { return labels_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string split() const override { return "noise"; }
  std::string sample_name(std::int64_t i) const override { return std::to_string(i); }

 private:
  std::int64_t n_;
  std::shared_ptr<std::uint8_t> bytes_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_;
};

std::string pipeline(int batch, int width) {
  return "[pipeline]\nname = \"bench\"\n[stage.images]\nplugin = \"dataset.idx\"\nroot = \"/nowhere\"\n[stage.train]\nplugin = \"stage.train\"\n"
         "in.data = \"images\"\nloss = \"loss\"\nbatch_size = " +
         std::to_string(batch) +
         "\noptimizer = { plugin = \"optimizer.adam\", lr = 3e-3, weight_decay = 1e-5 }\n"
         "[stage.train.graph.views]\nplugin = \"augment.contrastive\"\nmin_area = 0.4\nbrightness = 0.4\ncontrast = 0.4\nmean = [0.0]\nstd = [1.0]\n"
         "[stage.train.graph.encoder]\nplugin = \"backbone.convnet\"\nin.images = \"views\"\nchannels = [" +
         std::to_string(width) + ", " + std::to_string(2 * width) + ", " + std::to_string(4 * width) + ", " + std::to_string(4 * width) + ", " +
         std::to_string(8 * width) + "]" +
         "\n[stage.train.graph.head]\nplugin = \"head.cdc\"\nin.features = \"encoder\"\nclusters = 10\ninstance_dim = 64\nhidden = 512\n"
         "[stage.train.graph.codes]\nplugin = \"assign.sinkhorn\"\nin.logits = \"head.cluster\"\nnormalise = \"softmax\"\n"
         "[stage.train.graph.loss]\nplugin = \"loss.cdc\"\nin.cluster = \"head.cluster\"\nin.instance = \"head.instance\"\nin.codes = \"codes\"\n"
         "normalise = \"softmax\"\nswap_weight = 1.0\n";
}

/// The same model by hand.
struct Bare : torch::nn::Module {
  explicit Bare(int w) {
    const int widths[] = {1, w, 2 * w, 4 * w, 4 * w, 8 * w}, strides[] = {2, 1, 2, 1, 2};
    for (int i = 0; i < 5; ++i) {
      convs.push_back(
          register_module("c" + std::to_string(i),
                          torch::nn::Conv2d(torch::nn::Conv2dOptions(widths[i], widths[i + 1], 3).stride(strides[i]).padding(1).bias(false))));
      norms.push_back(register_module("n" + std::to_string(i), torch::nn::BatchNorm2d(widths[i + 1])));
    }
    hidden = register_module("hidden", torch::nn::Linear(torch::nn::LinearOptions(8 * w, 512).bias(false)));
    norm = register_module("norm", torch::nn::BatchNorm1d(512));
    cluster = register_module("cluster", torch::nn::Linear(512, 10));
    instance = register_module("instance", torch::nn::Linear(512, 64));
  }
  at::Tensor loss(const at::Tensor& images, bool bfloat16) {
    const std::int64_t b = images.size(1);
    at::Tensor x = images.flatten(0, 1).contiguous(at::MemoryFormat::ChannelsLast), z, n;
    {
      cdc::Autocast autocast(bfloat16, false);
      autocast.enable(true);
      for (std::size_t i = 0; i < 5; ++i) x = norms[i](convs[i](x)).relu_();
      x = at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
      const at::Tensor g = norm(hidden(x)).relu_();
      z = cluster(g);
      n = instance(g);
    }
    z = z.to(at::kFloat).unflatten(0, std::vector<std::int64_t>{2, b});
    n = n.to(at::kFloat);
    n = (n / at::linalg_vector_norm(n, 2, {-1}, true).clamp_min(1e-12)).unflatten(0, std::vector<std::int64_t>{2, b});
    const at::Tensor codes = at::empty_like(z);
    {
      const at::NoGradGuard no_gradient;
      const at::Tensor scores = at::softmax(z, -1).contiguous();
      for (int v = 0; v < 2; ++v) cdc::sinkhorn(scores[v].data_ptr<float>(), b, 10, b, {}, codes[v].data_ptr<float>());
    }
    const at::Tensor log_prediction = at::log_softmax(z, -1);
    const at::Tensor query = at::cat({log_prediction.exp() / 0.2, n / 0.2}, -1), key = at::roll(at::cat({codes, n}, -1), -1, 0);
    const at::Tensor own = at::arange(b, at::kLong).repeat({2});
    return at::cross_entropy_loss(at::bmm(query, key.transpose(1, 2)).flatten(0, 1), own) -
           (at::roll(codes, -1, 0).reshape({-1, 10}) * log_prediction.reshape({-1, 10})).sum() * (1.0 / static_cast<double>(2 * b));
  }
  std::vector<torch::nn::Conv2d> convs;
  std::vector<torch::nn::BatchNorm2d> norms;
  torch::nn::Linear hidden{nullptr}, cluster{nullptr}, instance{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};

/// Returns once the process uses less than a fifth of a core.
void wait_until_idle() {
  for (std::clock_t last = std::clock();;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const std::clock_t now = std::clock();
    if (now - last < CLOCKS_PER_SEC / 500) return;
    last = now;
  }
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  int steps = 200, batch = 256, threads = 2, width = 16;
  bool bfloat16 = false, engine_only = false;
  std::string file;
  std::vector<std::string> overrides;
  for (int i = 1; i < argc; ++i) {
    const auto number = [&](const char* name, int& to) {
      if (std::strcmp(argv[i], name) == 0 && i + 1 < argc) to = std::atoi(argv[++i]);
    };
    number("--steps", steps);
    number("--batch", batch);
    number("--threads", threads);
    number("--width", width);
    if (std::strcmp(argv[i], "--bfloat16") == 0) bfloat16 = true;
    if (std::strcmp(argv[i], "--engine-only") == 0) engine_only = true;
    if (std::strcmp(argv[i], "--pipeline") == 0 && i + 1 < argc) {
      file = argv[++i];
      engine_only = true;
    }
    if (std::strchr(argv[i], '=') != nullptr) overrides.emplace_back(argv[i]);
  }
  cdc::keep_freed_memory();  // as cdc-run does, for both sides
  cdc::Registry registry;
  registry.load_default_folders();
  const cdc::Plan plan =
      file.empty() ? cdc::plan_text(pipeline(batch, width), "bench.toml", {}, registry) : cdc::plan_pipeline(file, overrides, registry);
  const cdc::PlannedStage& stage = *std::find_if(plan.stages.begin(), plan.stages.end(), [](const auto& s) { return s.name == "train"; });
  const cdc::Source loss_port = stage.ports.at("loss");
  const std::string loss_node = stage.graph->nodes[loss_port.index].name;
  const auto session = cdc::make_graph_session(stage.graph, registry);
  const auto data = std::make_shared<Noise>(static_cast<std::int64_t>(batch) * (steps + 10));
  cdc::SessionOptions options;
  options.data = data;
  options.bfloat16 = bfloat16;
  options.threads = threads;
  if (engine_only) options.batches_in_flight = steps + 10;  // all are rendered before the first step: what this is compared with renders nothing
  session->build(options);
  const auto optimizer = [&] {
    cdc::Value p = cdc::Value::table();
    for (const auto& [name, value] : stage.parameters.at("optimizer").as_table())
      if (name != "plugin") p[name] = value;
    const cdc::ComponentInfo* info = registry.find(stage.parameters.at("optimizer").at("plugin").as_string());
    return std::dynamic_pointer_cast<cdc::Optimizer>(registry.create(*info, p));
  };
  std::vector<cdc::NamedTensor> ours, theirs;
  for (cdc::NamedTensor& t : session->state())
    if (t.trainable) ours.push_back(std::move(t));
  Bare bare(width);
  for (const auto& p : bare.parameters()) theirs.push_back({"p" + std::to_string(theirs.size()), p, true, true});
  // The engine's order (encoder, then head: hidden, cluster, instance) is the bare model's order of registration by kind; match by shape, in order.
  if (!engine_only) {
    const at::NoGradGuard no_gradient;
    std::vector<bool> used(ours.size(), false);
    for (cdc::NamedTensor& t : theirs)
      for (std::size_t i = 0; i < ours.size(); ++i)
        if (!used[i] && ours[i].tensor.sizes() == t.tensor.sizes()) {
          t.tensor.set_data(ours[i].tensor.detach().clone());  // keeps the layout
          used[i] = true;
          break;
        }
  }
  const auto adam = optimizer(), other = optimizer();
  adam->setup(ours);
  other->setup(theirs);
  std::vector<std::int64_t> order(static_cast<std::size_t>(data->size()));
  std::iota(order.begin(), order.end(), 0);
  session->begin_training();
  session->start(order, batch, true, 0, 0);

  std::vector<double> engine_ms, bare_ms, ratios;
  double worst = 0;
  const auto finish = [](const at::Tensor& loss, cdc::Optimizer& o, std::vector<cdc::NamedTensor>& parameters) {
    const double value = loss.item<double>();
    loss.backward();
    o.step(1.0);
    for (cdc::NamedTensor& p : parameters) p.tensor.mutable_grad() = at::Tensor();
    return value;
  };
  for (int i = 0; i < steps + 10 && session->next(); ++i) {
    const at::Tensor images = engine_only ? at::Tensor() : session->output("views", "views");
    double engine_loss = 0, bare_loss = 0, a = 0, b = 0;
    const auto run_engine = [&] {
      const auto start = Clock::now();
      session->forward({true, 0, i, steps + 10, 1});
      engine_loss = finish(session->output(loss_node, loss_port.port), *adam, ours);
      session->after_step();
      a = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    };
    const auto run_bare = [&] {
      const auto start = Clock::now();
      bare_loss = finish(bare.loss(images, bfloat16), *other, theirs);
      b = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    };
    if (engine_only) {
      if (i == 0) wait_until_idle();
      run_engine();
    } else if (i % 2 == 0) {
      run_engine();
      run_bare();
    } else {
      run_bare();
      run_engine();
    }
    if (i < 10) continue;
    engine_ms.push_back(a);
    bare_ms.push_back(b);
    ratios.push_back(a / b);
    worst = std::max(worst, std::abs(engine_loss - bare_loss));
  }
  std::printf("LibTorch %s, batch %d, width %d, %d threads, %s, %zu pairs of steps\n", cdc::torch_version().c_str(), batch, width, threads,
              bfloat16 ? "bfloat16" : "float32", ratios.size());
  std::printf("engine %.3f ms a step (median)\n", median(engine_ms));
  if (engine_only) return 0;
  std::printf("bare   %.3f ms a step (median)\nratio engine / bare %.4f (median of pairs)\nlargest difference of the losses %.2g\n", median(bare_ms),
              median(ratios), worst);
  return 0;
}
