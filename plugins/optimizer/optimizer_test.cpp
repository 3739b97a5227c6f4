#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include "cdc/optimizer.hpp"
#include "support/node_harness.hpp"

namespace {

at::Tensor numbers(at::IntArrayRef shape, double shift) {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  return (at::arange(n, at::kDouble) * 12.9898 + shift).sin().view(shape).to(at::kFloat);
}

/// A bias, a matrix of several runs, a convolution that is channels last, and one that never gets a gradient. Float64 goes the way of a GPU's
/// tensors.
std::vector<cdc::NamedTensor> parameters(at::ScalarType type = at::kFloat) {
  std::vector<cdc::NamedTensor> all{{"bias", numbers({7}, 0), true, false},
                                    {"matrix", numbers({300, 250}, 1), true, true},
                                    {"conv", numbers({8, 4, 3, 3}, 2).contiguous(at::MemoryFormat::ChannelsLast), true, true},
                                    {"idle", numbers({5}, 3), true, true}};
  for (auto& p : all) p.tensor = p.tensor.to(type).requires_grad_();
  return all;
}

void give_gradients(const std::vector<cdc::NamedTensor>& p, int step) {
  for (std::size_t i = 0; i < 3; ++i)
    p[i].tensor.mutable_grad() = (numbers(p[i].tensor.sizes(), 10.0 * step + static_cast<double>(i)) * 0.3).to(p[i].tensor.scalar_type());
}

std::shared_ptr<cdc::Optimizer> make(const std::string& id, const std::string& json) {
  const auto& registry = cdc::test::NodeHarness::plugins();
  const cdc::ComponentInfo* info = registry.find(id);
  if (!info) throw cdc::Error("no plugin " + id);
  auto made = std::dynamic_pointer_cast<cdc::Optimizer>(registry.create(*info, cdc::Value::from_json(json)));
  made->check();
  return made;
}

/// 20 steps of both on the same gradients; LibTorch's own optimiser is the peer. The rate's factor changes on the way, as a schedule's does.
template <class Peer, class Options>
void compare(const std::string& id, const std::string& json, Options options, at::ScalarType type) {
  const auto ours = parameters(type), theirs = parameters(type);
  const auto optimizer = make(id, json);
  optimizer->setup(ours);
  std::vector<at::Tensor> tensors;
  for (const auto& p : theirs) tensors.push_back(p.tensor);
  const double lr = options.lr();
  Peer peer(tensors, options);
  for (int step = 0; step < 20; ++step) {
    const double factor = step < 10 ? 1.0 : 0.5;
    give_gradients(ours, step);
    give_gradients(theirs, step);
    static_cast<Options&>(peer.param_groups()[0].options()).lr(lr * factor);
    optimizer->step(factor);
    peer.step();
    for (std::size_t i = 0; i < ours.size(); ++i)
      ASSERT_TRUE(at::allclose(ours[i].tensor, theirs[i].tensor, 1e-6, 1e-6))
          << id << json << " " << ours[i].name << " step " << step << " differs by "
          << (ours[i].tensor - theirs[i].tensor).abs().max().template item<double>();
  }
  EXPECT_TRUE(at::equal(ours[3].tensor, parameters(type)[3].tensor)) << "a parameter without a gradient moved";
}

template <class Peer, class Options>
void compare(const std::string& id, const std::string& json, const Options& options) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) compare<Peer>(id, json, options, type);
}

TEST(Optimizers, SgdIsTorchs) {
  using torch::optim::SGDOptions;
  compare<torch::optim::SGD>("optimizer.sgd", R"({"lr": 0.1})", SGDOptions(0.1));
  compare<torch::optim::SGD>("optimizer.sgd", R"({"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01})",
                             SGDOptions(0.1).momentum(0.9).weight_decay(0.01));
  compare<torch::optim::SGD>("optimizer.sgd", R"({"lr": 0.1, "momentum": 0.9, "nesterov": true, "weight_decay": 0.01})",
                             SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(0.01));
}

TEST(Optimizers, AdamAndAdamWAreTorchs) {
  using torch::optim::AdamOptions;
  using torch::optim::AdamWOptions;
  compare<torch::optim::Adam>("optimizer.adam", R"({"lr": 0.01})", AdamOptions(0.01));
  compare<torch::optim::Adam>("optimizer.adam", R"({"lr": 0.01, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.1})",
                              AdamOptions(0.01).betas({0.8, 0.95}).eps(1e-3).weight_decay(0.1));
  compare<torch::optim::AdamW>("optimizer.adamw", R"({"lr": 0.01, "weight_decay": 0.1})", AdamWOptions(0.01).weight_decay(0.1));
}

TEST(Optimizers, DecayMayLeaveOutBiases) {
  for (const std::string id : {"optimizer.sgd", "optimizer.adam", "optimizer.adamw"}) {
    const auto all = parameters(), weights = parameters();
    const auto a = make(id, R"({"weight_decay": 0.5})"), b = make(id, R"({"weight_decay": 0.5, "decay": "weights"})");
    a->setup(all);
    b->setup(weights);
    for (int step = 0; step < 2; ++step) {
      give_gradients(all, step);
      give_gradients(weights, step);
      a->step(1);
      b->step(1);
    }
    EXPECT_FALSE(at::equal(all[0].tensor, weights[0].tensor)) << id;
    EXPECT_TRUE(at::equal(all[1].tensor, weights[1].tensor)) << id;
  }
}

void lars_follows_its_formula(at::ScalarType type) {
  const auto ours = parameters(type), theirs = parameters(type);
  const auto lars = make("optimizer.lars", R"({"lr": 2.0, "momentum": 0.8, "weight_decay": 0.05, "trust_coefficient": 0.01})");
  lars->setup(ours);
  std::vector<at::Tensor> buffer;
  for (const auto& p : theirs) buffer.push_back(at::zeros_like(p.tensor));
  for (int step = 0; step < 20; ++step) {
    give_gradients(ours, step);
    give_gradients(theirs, step);
    lars->step(0.5);
    for (std::size_t i = 0; i < 3; ++i) {
      at::Tensor p = theirs[i].tensor.detach(), g = theirs[i].tensor.grad();
      if (i > 0) {
        g = g + 0.05 * p;
        g = g * (0.01 * at::linalg_vector_norm(p) / at::linalg_vector_norm(g));
      }
      buffer[i] = 0.8 * buffer[i] + g;
      p -= 1.0 * buffer[i];
    }
    for (std::size_t i = 0; i < ours.size(); ++i) ASSERT_TRUE(at::allclose(ours[i].tensor, theirs[i].tensor, 1e-6, 1e-6)) << ours[i].name << step;
  }
}

TEST(Optimizers, LarsFollowsItsFormula) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) lars_follows_its_formula(type);
}

TEST(Optimizers, LarsTakesAPlainStepWhereAParameterIsZero) {
  std::vector<cdc::NamedTensor> p{{"w", at::zeros_like(numbers({4, 4}, 0)).requires_grad_(), true, true}};
  const auto lars = make("optimizer.lars", R"({"lr": 0.1, "momentum": 0.0, "weight_decay": 0.0})");
  lars->setup(p);
  p[0].tensor.mutable_grad() = numbers({4, 4}, 1);
  lars->step(1);
  EXPECT_TRUE(at::allclose(p[0].tensor, numbers({4, 4}, 1) * -0.1));
}

TEST(Optimizers, AGradientInAnotherLayoutIsTheSame) {
  const auto a = parameters(), b = parameters();
  const auto first = make("optimizer.adam", "{}"), second = make("optimizer.adam", "{}");
  first->setup(a);
  second->setup(b);
  a[2].tensor.mutable_grad() = numbers({8, 4, 3, 3}, 5).contiguous();
  b[2].tensor.mutable_grad() = numbers({8, 4, 3, 3}, 5).contiguous(at::MemoryFormat::ChannelsLast);
  first->step(1);
  second->step(1);
  EXPECT_TRUE(at::equal(a[2].tensor, b[2].tensor));
  EXPECT_FALSE(at::equal(a[2].tensor, parameters()[2].tensor));
}

TEST(Optimizers, StateIsAllThatTheNextStepDependsOn) {
  for (const std::string id : {"optimizer.sgd", "optimizer.adam", "optimizer.adamw", "optimizer.lars"}) {
    const std::string json = id == "optimizer.sgd" ? R"({"momentum": 0.9})" : "{}";
    const auto straight = parameters(), resumed = parameters();
    const auto a = make(id, json), b = make(id, json);
    a->setup(straight);
    b->setup(resumed);
    for (int step = 0; step < 6; ++step) {
      if (step == 3) {
        const auto from = a->state(), to = b->state();
        ASSERT_EQ(from.size(), to.size());
        for (std::size_t i = 0; i < from.size(); ++i) {
          EXPECT_EQ(from[i].name, to[i].name);
          to[i].tensor.copy_(from[i].tensor);
        }
        for (std::size_t i = 0; i < straight.size(); ++i) resumed[i].tensor.detach().copy_(straight[i].tensor.detach());
      }
      give_gradients(straight, step);
      a->step(1);
      if (step >= 3) {
        give_gradients(resumed, step);
        b->step(1);
      }
    }
    for (std::size_t i = 0; i < straight.size(); ++i) EXPECT_TRUE(at::equal(straight[i].tensor, resumed[i].tensor)) << id << straight[i].name;
  }
}

TEST(Optimizers, SameBitsWithAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  for (const std::string id : {"optimizer.adam", "optimizer.lars"}) {
    at::Tensor first;
    for (const int threads : {1, 2, 16}) {
      at::set_num_threads(threads);
      std::vector<cdc::NamedTensor> p{{"w", numbers({700, 501}, 0).requires_grad_(), true, true}};
      const auto optimizer = make(id, "{}");
      optimizer->setup(p);
      p[0].tensor.mutable_grad() = numbers({700, 501}, 1);
      optimizer->step(1);
      if (!first.defined()) first = p[0].tensor.detach().clone();
      EXPECT_TRUE(at::equal(first, p[0].tensor)) << id << threads;
    }
  }
  at::set_num_threads(before);
}

TEST(Optimizers, NesterovWithoutMomentumIsRefused) {
  try {
    make("optimizer.sgd", R"({"nesterov": true})");
    FAIL();
  } catch (const cdc::Error& e) {
    EXPECT_NE(std::string(e.what()).find("set momentum = 0.9"), std::string::npos) << e.what();
  }
}

}  // namespace
