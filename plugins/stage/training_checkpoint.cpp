#include "training.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "cdc/error.hpp"

namespace cdc_stage {
namespace {

// Prefixes of tensors that are no node's of the present training.
constexpr const char *kOptimizer = "optimizer/", *kBest = "best/", *kLook = "look/";

}  // namespace

std::vector<cdc::NamedTensor> Training::everything() {
  std::vector<cdc::NamedTensor> all = session_->state();
  const auto add = [&](const std::vector<cdc::NamedTensor>& tensors, const char* prefix) {  // no node can be called so: '/' is not allowed in a name
    for (cdc::NamedTensor t : tensors) {
      t.name = prefix + t.name;
      all.push_back(std::move(t));
    }
  };
  add(stage_.optimizer->state(), kOptimizer);
  add(best_, kBest);
  if (!looked_.empty()) add({{"clusters", at::tensor(looked_, at::kInt)}}, kLook);
  return all;
}

void Training::save() {
  Value header = Value::table();
  header["restart"] = restart_;
  header["best_restart"] = best_restart_;
  header["best_epoch"] = best_epoch_;
  header["best_value"] = best_value_;
  header["losses"] = Value::array();
  for (const double loss : losses_) header["losses"].push_back(loss);
  header["epoch"] = epoch_;
  header["batch"] = batch_;
  header["threads"] = threads_;
  header["loss_sum"] = loss_sum_;
  header["clusters"] = Value::array();
  for (const std::int64_t c : clusters_.count) header["clusters"].push_back(c);
  header["waited"] = waited_ + session_->waited();
  header["seconds"] = seconds_ + seconds_since(epoch_start_);
  header["reports"] = session_->report_state();
  header["lines"] = Value(Value::Array(lines_));
  cdc::save_tensors(context_.checkpoint_path().string(), "checkpoint", header, everything());
  saved_ = Clock::now();
}

void Training::resume() {
  Value header;
  std::vector<cdc::NamedTensor> saved;
  bool found = false;
  try {
    found = cdc::load_tensors(context_.checkpoint_path().string(), "checkpoint", header, saved);
  } catch (const cdc::Error& e) {
    context_.warn_now(fmt::format("the checkpoint cannot be used, training starts over: {}", e.what()));
  }
  if (found) {
    const auto wanted = static_cast<int>(header.at("threads").as_integer());
    if (wanted != threads_)
      context_.warn_now(fmt::format("this training began with {} compute threads and goes on with them, so that its numbers stay the same", wanted));
    threads_ = wanted;
    restart_ = header.at("restart").as_integer();
    best_restart_ = header.at("best_restart").as_integer();
    best_epoch_ = header.at("best_epoch").as_integer();
    best_value_ = header.at("best_value").as_real();
    for (const Value& loss : header.at("losses").as_array()) losses_.push_back(loss.as_real());
  }
  start();
  context_.summary("precision", precision_);
  context_.summary("compute_threads", threads_);
  std::int64_t count = 0;
  for (const at::Tensor& p : parameters_) count += p.numel();
  context_.summary("parameters", count);
  context_.info(fmt::format("{} images, {} steps an epoch, {:.2f} M parameters, {}, {} compute threads", data_->size(), steps_,
                            static_cast<double>(count) / 1e6, precision_, threads_));
  if (!found) {
    session_->begin_training();
    return;
  }
  std::vector<cdc::NamedTensor> nodes, rest, look;
  for (cdc::NamedTensor& t : saved) {
    const auto take = [&](const std::string& prefix, std::vector<cdc::NamedTensor>& into) {
      if (t.name.rfind(prefix, 0) != 0) return false;
      t.name.erase(0, prefix.size());
      into.push_back(std::move(t));
      return true;
    };
    if (!take(kOptimizer, rest) && !take(kBest, best_) && !take(kLook, look)) nodes.push_back(std::move(t));
  }
  for (const cdc::NamedTensor& t : look) looked_.assign(t.tensor.data_ptr<std::int32_t>(), t.tensor.data_ptr<std::int32_t>() + t.tensor.numel());
  session_->load_state(nodes, cdc::Names::all);
  std::vector<cdc::NamedTensor> state = stage_.optimizer->state();
  if (state.size() != rest.size())
    throw cdc::Error(fmt::format("the checkpoint {} is not of this optimizer; remove it", context_.checkpoint_path().string()));
  const at::NoGradGuard no_gradient;
  for (std::size_t i = 0; i < state.size(); ++i) state[i].tensor.copy_(rest[i].tensor);
  epoch_ = header.at("epoch").as_integer();
  batch_ = header.at("batch").as_integer();
  loss_sum_ = header.at("loss_sum").as_real();
  for (const Value& c : header.at("clusters").as_array()) clusters_.count.push_back(c.as_integer());
  waited_ = header.at("waited").as_real();
  seconds_ = header.at("seconds").as_real();
  session_->restore_reports(header.at("reports"));
  lines_ = header.at("lines").as_array();
  context_.metrics(lines_);
  if (epoch_ < stage_.epochs)
    context_.info(fmt::format("goes on at {}epoch {} of {}, batch {} of {}", of_restart(), epoch_ + 1, stage_.epochs, batch_ + 1, steps_));
}

}  // namespace cdc_stage
