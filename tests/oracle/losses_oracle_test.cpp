// Losses and their gradients beside plain PyTorch (tests/oracle/losses.py).
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/loss_harness.hpp"
#include "support/oracle.hpp"

namespace {

using cdc::Value;

at::Tensor floats(const Value& list, at::IntArrayRef shape) {
  std::vector<double> all;
  for (const Value& v : list.as_array()) all.push_back(v.as_real());
  return at::tensor(all, at::kDouble).view(shape).to(at::kFloat);
}

TEST(LossesOracle, ValueAndGradients) {
  const Value cases = cdc::test::run_oracle("losses");
  CDC_NEEDS_ORACLE(cases);
  std::set<std::string> plugins;
  for (const Value& c : cases.as_array()) {
    const std::string id = c.at("plugin").as_string(), parameters = c.at("parameters").to_json();
    cdc::test::LossInputList inputs;
    std::string text = id + " " + parameters;
    for (const Value& in : c.at("inputs").as_array()) {
      std::vector<std::int64_t> shape;
      for (const Value& s : in.at("shape").as_array()) shape.push_back(s.as_integer());
      // Constants would show a gradient too, if they had one.
      inputs.emplace_back(in.at("port").as_string(), floats(in.at("values"), shape).requires_grad_());
      text += " " + in.at("port").as_string() + in.at("shape").to_json();
    }
    const at::Tensor loss = cdc::test::run_loss(id, parameters, inputs).output("loss");
    EXPECT_NEAR(loss.item<double>(), c.at("loss").as_real(), 1e-5) << text;
    loss.backward();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const at::Tensor &input = inputs[i].second, grad = input.grad();
      const Value& theirs = c.at("inputs").as_array()[i].at("grad");
      ASSERT_EQ(grad.defined(), !theirs.is_null()) << text << ": " << inputs[i].first;
      if (!grad.defined()) continue;
      const at::Tensor expected = floats(theirs, input.sizes());
      EXPECT_LE((grad - expected).abs().max().item<double>(), 1e-5 * std::min(1.0, expected.abs().max().item<double>())) << text;
    }
    plugins.insert(id);
  }
  EXPECT_EQ(plugins.size(), 14u);
}

}  // namespace
