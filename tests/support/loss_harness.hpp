#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/node_harness.hpp"

namespace cdc::test {

/// Numbers between -1 and 1 that look random and are the same everywhere, float32.
inline at::Tensor numbers(at::IntArrayRef shape, double phase = 0) {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  return (at::arange(n, at::kDouble) * 12.9898 + phase).sin().view(shape).to(at::kFloat);
}

/// Inputs of a loss; a port that is named more than once takes a list.
using LossInputList = std::vector<std::pair<std::string, at::Tensor>>;

/// A loss of the built plugins, with its inputs; forward() has run.
inline NodeHarness run_loss(const std::string& id, const std::string& parameters, const LossInputList& inputs) {
  NodeHarness loss(id, parameters);
  std::map<std::string, std::vector<at::Tensor>> ports;
  for (const auto& [port, value] : inputs) ports[port].push_back(value);
  for (auto& [port, values] : ports) loss.inputs(port, std::move(values));
  loss.forward();
  return loss;
}

inline double loss_of(const std::string& id, const std::string& parameters, const LossInputList& inputs) {
  return run_loss(id, parameters, inputs).output("loss").item<double>();
}

/// The message of the error that it ends in.
inline std::string loss_error(const std::string& id, const std::string& parameters, const LossInputList& inputs) {
  return error_of([&] { run_loss(id, parameters, inputs); });
}

/// Logits [views, B, K] that are finite, but where formulas break: no choice of a cluster, a batch of one, equal logits, certainty, an empty cluster.
inline std::vector<at::Tensor> degenerate_logits(std::int64_t views) {
  const at::Tensor x = numbers({views, 6, 4});
  const at::Tensor certain = 1000 * x.sign();
  at::Tensor all_in_one = certain.clone();
  all_in_one.select(2, 1).fill_(2000);
  return {x.narrow(2, 0, 1), x.narrow(1, 0, 1), at::zeros_like(x), certain, all_in_one, 1e30 * x};
}

/// The same of embeddings: all zero, one zero, a batch of one, equal ones, long ones.
inline std::vector<at::Tensor> degenerate_embeddings(std::int64_t views) {
  const at::Tensor x = numbers({views, 6, 4});
  at::Tensor one_zero = x.clone();
  one_zero.select(1, 2).zero_();
  return {at::zeros_like(x), one_zero, x.narrow(1, 0, 1), at::ones_like(x), 1e6 * x};
}

/// Expects the value and every gradient to be finite. Returns the value and the sum of the gradients' absolute values.
inline std::pair<double, double> expect_finite(const std::string& id, const std::string& parameters, LossInputList inputs) {
  for (auto& [port, value] : inputs) value = value.detach().clone().requires_grad_();
  const at::Tensor loss = run_loss(id, parameters, inputs).output("loss");
  loss.backward();
  double gradients = 0;
  for (const auto& [port, value] : inputs)
    if (value.grad().defined()) gradients += value.grad().abs().sum().item<double>();
  EXPECT_TRUE(std::isfinite(loss.item<double>())) << id << " " << parameters;
  EXPECT_TRUE(std::isfinite(gradients)) << id << " " << parameters;
  return {loss.item<double>(), gradients};
}

}  // namespace cdc::test
