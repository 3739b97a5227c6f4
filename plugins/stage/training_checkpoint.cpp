#include "training.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <system_error>

#include "cdc/error.hpp"

namespace cdc_stage {
namespace {

// Prefixes of tensors that are no node's of the present training.
constexpr const char *kOptimizer = "optimizer/", *kBest = "best/", *kLook = "look/";

/// Compute threads that a run may be given, as --threads has it.
constexpr std::int64_t kMostThreads = 4096;

/// An entry of a header that must be a whole number from `least` to `most`.
std::int64_t number(const Value& header, const char* name, std::int64_t least, std::int64_t most) {
  const std::int64_t value = header.at(name).as_integer();
  if (value < least || value > most) throw cdc::Error(fmt::format("its {} is {}, which is not from {} to {}", name, value, least, most));
  return value;
}

std::string text(const cdc::NamedTensor& t) {
  return fmt::format("{} [{}]", c10::toString(t.tensor.scalar_type()), fmt::join(t.tensor.sizes().begin(), t.tensor.sizes().end(), ", "));
}

/// Names, types and shapes, in order. A node's own state, which is not trained, may have grown: `grows` leaves its shape to the session.
void check_tensors(const std::vector<cdc::NamedTensor>& here, const std::vector<cdc::NamedTensor>& there, const std::string& whose, bool grows) {
  if (here.size() != there.size()) throw cdc::Error(fmt::format("it holds {} tensors of {}, here there are {}", there.size(), whose, here.size()));
  for (std::size_t i = 0; i < here.size(); ++i) {
    if (here[i].name != there[i].name) throw cdc::Error(fmt::format("it holds {}'s '{}' where '{}' is here", whose, there[i].name, here[i].name));
    if (here[i].tensor.scalar_type() != there[i].tensor.scalar_type() ||
        (here[i].tensor.sizes() != there[i].tensor.sizes() && !(grows && !here[i].trainable)))
      throw cdc::Error(fmt::format("{}'s '{}' is {} in it, {} here", whose, here[i].name, text(there[i]), text(here[i])));
  }
}

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
  header["key"] = context_.key();
  header["pipeline"] = context_.pipeline();
  header["stage"] = context_.name();
  header["epochs"] = stage_.epochs;
  header["steps"] = steps_;
  header["spent"] = spent_ + seconds_since(begun_);
  header["empty"] = empty_;
  header["idle"] = idle_;
  header["reasons"] = Value::array();
  for (const std::string& reason : reasons_) header["reasons"].push_back(reason);
  header["gradients"] = gradients_.state();
  header["told_gradients"] = told_gradients_;
  header["always_counted"] = always_counted_;
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

/// cdc::Error where a checkpoint is not of this very work, or holds what no training writes: nothing of it is used before.
void Training::check_header(const Value& header) const {
  if (const std::string& key = header.at("key").as_string(); key != context_.key())
    throw cdc::Error(fmt::format("its key is '{}', of stage '{}' of pipeline '{}'; here it is '{}'", key, header.at("stage").as_string(),
                                 header.at("pipeline").as_string(), context_.key()));
  number(header, "epochs", stage_.epochs, stage_.epochs);
  number(header, "steps", steps_, steps_);
  number(header, "threads", 1, kMostThreads);
  const std::int64_t restart = number(header, "restart", 0, stage_.restarts - 1), epoch = number(header, "epoch", 0, stage_.epochs);
  number(header, "batch", 0, epoch == stage_.epochs ? 0 : steps_);
  number(header, "best_restart", 0, stage_.restarts - 1);
  number(header, "best_epoch", 0, stage_.epochs);
  number(header, "idle", 0, number(header, "empty", 0, steps_));
  if (static_cast<std::int64_t>(header.at("losses").as_array().size()) != restart)
    throw cdc::Error(fmt::format("it has losses of {} restarts in restart {}", header.at("losses").as_array().size(), restart + 1));
  for (const Value& count : header.at("clusters").as_array())
    if (count.as_integer() < 0) throw cdc::Error(fmt::format("a cluster of it has {} images", count.as_integer()));
  for (const char* seconds : {"spent", "waited", "seconds"})
    if (const double value = header.at(seconds).as_real(); !(value >= 0 && std::isfinite(value)))
      throw cdc::Error(fmt::format("its '{}' is {}, no time", seconds, value));
}

/// A checkpoint of another work is moved to where that work looks for it, if nothing is there: says where.
std::string Training::put_aside(const std::string& key) const {
  const bool plain = std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
  if (key.empty() || !plain || key == context_.key()) return {};
  const std::filesystem::path from = context_.checkpoint_path(), to = from.parent_path() / (key + from.extension().string());
  std::error_code failed;
  if (std::filesystem::exists(to, failed) || failed) return {};
  std::filesystem::rename(from, to, failed);
  return failed ? std::string() : fmt::format("; it was moved to {}, where that work goes on from it", to.string());
}

std::optional<Training::Checkpoint> Training::read_checkpoint() {
  Checkpoint saved;
  const std::string path = context_.checkpoint_path().string();
  try {
    if (!cdc::load_tensors(path, "checkpoint", saved.header, saved.tensors)) return {};
  } catch (const cdc::Error& e) {
    context_.warn_now(fmt::format("the checkpoint cannot be used, training starts over: {}", e.what()));
    return {};
  }
  try {
    check_header(saved.header);
    return saved;
  } catch (const cdc::Error& e) {
    const Value* key = saved.header.is_table() ? saved.header.find("key") : nullptr;
    context_.warn_now(fmt::format("the checkpoint {} is not of this training, which starts over: {}{}", path, e.what(),
                                  key != nullptr && key->is_string() ? put_aside(key->as_string()) : ""));
    return {};
  }
}

void Training::take_numbers(const Value& header) {
  threads_ = static_cast<int>(header.at("threads").as_integer());
  restart_ = header.at("restart").as_integer();
  best_restart_ = header.at("best_restart").as_integer();
  best_epoch_ = header.at("best_epoch").as_integer();
  best_value_ = header.at("best_value").as_real();
  for (const Value& loss : header.at("losses").as_array()) losses_.push_back(loss.as_real());
  epoch_ = header.at("epoch").as_integer();
  batch_ = header.at("batch").as_integer();
  loss_sum_ = header.at("loss_sum").as_real();
  empty_ = header.at("empty").as_integer();
  idle_ = header.at("idle").as_integer();
  for (const Value& reason : header.at("reasons").as_array()) reasons_.push_back(reason.as_string());
  told_gradients_ = header.at("told_gradients").as_boolean();
  always_counted_ = header.at("always_counted").as_boolean();
  for (const Value& c : header.at("clusters").as_array()) clusters_.count.push_back(c.as_integer());
  waited_ = header.at("waited").as_real();
  seconds_ = header.at("seconds").as_real();
  spent_ = header.at("spent").as_real();
  lines_ = header.at("lines").as_array();
}

/// Into the nodes and the optimizer, once all of them are known to fit.
void Training::take_tensors(std::vector<cdc::NamedTensor> saved) {
  std::vector<cdc::NamedTensor> nodes, rest, best, look;
  for (cdc::NamedTensor& t : saved) {
    const auto take = [&](const std::string& prefix, std::vector<cdc::NamedTensor>& into) {
      if (t.name.rfind(prefix, 0) != 0) return false;
      t.name.erase(0, prefix.size());
      into.push_back(std::move(t));
      return true;
    };
    if (!take(kOptimizer, rest) && !take(kBest, best) && !take(kLook, look)) nodes.push_back(std::move(t));
  }
  const std::vector<cdc::NamedTensor> state = stage_.optimizer->state();
  check_tensors(session_->state(), nodes, "the graph", true);
  check_tensors(state, rest, "the optimizer", false);
  if (!best.empty()) check_tensors(session_->state(), best, "the best epoch", true);
  std::vector<std::int32_t> looked;
  for (const cdc::NamedTensor& t : look) {
    check_tensors({{t.name, at::tensor(std::vector<std::int32_t>(static_cast<std::size_t>(data_->size())), at::kInt)}}, {t}, "the last look", false);
    looked.assign(t.tensor.data_ptr<std::int32_t>(), t.tensor.data_ptr<std::int32_t>() + t.tensor.numel());
    if (*std::min_element(looked.begin(), looked.end()) < 0) throw cdc::Error("a cluster of the last look is negative");
  }
  session_->load_state(nodes, cdc::Names::all);
  const at::NoGradGuard no_gradient;
  for (std::size_t i = 0; i < state.size(); ++i) state[i].tensor.copy_(rest[i].tensor);
  best_ = std::move(best);
  looked_ = std::move(looked);
}

/// As if there had been no checkpoint.
void Training::start_over(const std::string& why) {
  context_.warn_now(fmt::format("the checkpoint {} does not fit this training, which starts over: {}", context_.checkpoint_path().string(), why));
  restart_ = best_restart_ = best_epoch_ = epoch_ = batch_ = empty_ = idle_ = 0;
  best_value_ = loss_sum_ = waited_ = seconds_ = spent_ = 0;
  losses_.clear();
  reasons_.clear();
  lines_.clear();
  best_.clear();
  looked_.clear();
  clusters_ = {};
  told_gradients_ = false;
  always_counted_ = true;
  threads_ = context_.threads();
}

void Training::resume() {
  std::optional<Checkpoint> saved = read_checkpoint();
  const auto use = [&](auto&& part) {
    try {
      part();
      return true;
    } catch (const cdc::Error& e) {
      start_over(e.what());
      saved.reset();
      return false;
    }
  };
  if (saved) use([&] { take_numbers(saved->header); });
  start();
  const bool fits = !saved || use([&] {
    gradients_.restore(saved->header.at("gradients"));
    session_->restore_reports(saved->header.at("reports"));
    take_tensors(std::move(saved->tensors));
  });
  if (!fits) start();
  if (threads_ != context_.threads())
    context_.warn_now(fmt::format("this training began with {} compute threads and goes on with them, so that its numbers stay the same", threads_));
  context_.spent_before(spent_);
  context_.summary("precision", precision_);
  context_.summary("compute_threads", threads_);
  std::int64_t count = 0;
  for (const at::Tensor& p : parameters_) count += p.numel();
  context_.summary("parameters", count);
  context_.info(fmt::format("{} images, {} steps an epoch, {:.2f} M parameters, {}, {} compute threads", data_->size(), steps_,
                            static_cast<double>(count) / 1e6, precision_, threads_));
  if (!saved) {
    session_->begin_training();
    return;
  }
  context_.metrics(lines_);
  if (epoch_ < stage_.epochs)
    context_.info(fmt::format("goes on at {}epoch {} of {}, batch {} of {}", of_restart(), epoch_ + 1, stage_.epochs, batch_ + 1, steps_));
  else
    context_.info(fmt::format("goes on at the end of {}epoch {} of {}", of_restart(), stage_.epochs, stage_.epochs));
}

}  // namespace cdc_stage
