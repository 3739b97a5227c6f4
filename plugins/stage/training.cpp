#include "training.hpp"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cdc/error.hpp"
#include "cdc/random.hpp"

namespace cdc_stage {

void Training::run() {
  open();
  resume();
  for (;;) {
    for (; epoch_ < stage_.epochs; ++epoch_) train_epoch();
    end_restart();
    if (++restart_ == stage_.restarts) break;
    epoch_ = 0;
    start();
    session_->begin_training();
  }
  finish();
}

/// The first restart's is the stage's own, so that one restart is what it was before there could be several.
std::uint64_t Training::seed() const {
  return restart_ == 0 ? context_.seed() : cdc::Random(context_.seed(), static_cast<std::uint64_t>(restart_), 0, 0, 0x5ee).next64();
}

void Training::open() {
  data_ = context_.in(Train::kData);
  steps_ = data_->size() / stage_.batch_size;
  if (steps_ == 0)
    throw cdc::Error(fmt::format("batch_size = {} is more than the data set's {} images; make it smaller", stage_.batch_size, data_->size()));
  precision_ = cdc::resolve_precision(stage_.precision, context_.device());
  loss_ = context_.port("loss");
  prediction_ = context_.port("prediction");
  score_features_ = context_.port("score_features");
  threads_ = context_.threads();
  if (stage_.keep == "oracle" && data_->labels().empty())
    throw cdc::Error(fmt::format("keep = \"oracle\" chooses by labels, and stage '{}' has none: choose another", context_.source(Train::kData, 0)));
}

/// Everything anew, for the restart whose turn it is.
void Training::start() {
  cdc::SessionOptions options;
  options.data = data_;
  options.device = context_.device();
  options.bfloat16 = precision_ == "bfloat16";
  options.batches_in_flight = static_cast<int>(stage_.batches_in_flight);
  options.evaluation_batch_size = stage_.evaluation_batch_size;
  options.statistics_batch_size = stage_.batch_statistics == "running" ? 0 : stage_.batch_size;
  options.statistics_share = stage_.batch_statistics == "reestimated" ? -1 : 0.01;
  options.threads = threads_;
  options.seed = seed();
  session_ = context_.session();
  session_->build(options);
  if (context_.connections(Train::kWeights) > 0) {
    const std::size_t taken = session_->load_state(context_.in(Train::kWeights)->state, cdc::Names::common);
    context_.info(
        fmt::format("starts from the weights of '{}': {} of {} tensors taken", context_.source(Train::kWeights, 0), taken, session_->state().size()));
  }
  std::vector<cdc::NamedTensor> parameters;
  parameters_.clear();
  for (cdc::NamedTensor& t : session_->state()) {
    if (!t.trainable) continue;
    parameters_.push_back(t.tensor);
    parameters.push_back(std::move(t));
  }
  if (parameters.empty()) throw cdc::Error("no node of the graph has a parameter to train");
  gradients_.start(parameters);
  stage_.optimizer->setup(std::move(parameters));
}

std::string Training::of_restart() const {
  return stage_.restarts == 1 ? std::string() : fmt::format("restart {} of {}, ", restart_ + 1, stage_.restarts);
}

void Training::train_epoch() {
  if (batch_ == 0) {
    loss_sum_ = 0;
    empty_ = idle_ = 0;
    reasons_.clear();
    clusters_ = {};
    waited_ = seconds_ = 0;
    session_->clear_reports();
    session_->trained_for(epoch_ * steps_);
    session_->begin_epoch(epoch_);
  }
  epoch_start_ = saved_ = shown_ = Clock::now();
  cdc::Random random(seed(), static_cast<std::uint64_t>(epoch_), 0, 0, 0x0bde5);
  session_->start(random.permutation(data_->size()), stage_.batch_size, true, epoch_, batch_);
  while (session_->next()) {
    step(batch_);
    ++batch_;
    const double seconds = seconds_ + seconds_since(epoch_start_);
    if (seconds_since(shown_) > 0.2) show(batch_, seconds, batch_ * stage_.batch_size, false);
    if (context_.stopping()) {
      save();
      throw cdc::Stopped(fmt::format("stopped at {}epoch {}, batch {}; the same command goes on from there", of_restart(), epoch_ + 1, batch_ + 1));
    }
    if (batch_ < steps_ && seconds_since(saved_) > stage_.checkpoint_seconds) save();
  }
  end_epoch(seconds_ + seconds_since(epoch_start_), steps_ * stage_.batch_size);
}

void Training::step(std::int64_t batch) {
  const cdc::Position position{true, epoch_, epoch_ * steps_ + batch, steps_, stage_.epochs};
  session_->forward(position);
  const at::Tensor& loss = session_->output(loss_.first, loss_.second);
  const auto value = loss.item<double>();
  if (!std::isfinite(value)) {
    const std::string node = session_->first_not_finite();
    throw cdc::Error(
        fmt::format("the loss is {} at {}epoch {}, batch {}; the first value that is not finite came from {}. Lower the learning rate, or set "
                    "precision = \"float32\"; cdc-run --detect-anomaly says whether a backward pass gave it before",
                    std::isnan(value) ? "nan" : "infinite", of_restart(), epoch_ + 1, batch + 1, node.empty() ? "the loss alone" : node));
  }
  loss_sum_ += value;
  if (!stage_.prediction.empty()) {
    clusters_.add(session_->output(prediction_.first, prediction_.second));
  }
  const std::vector<std::string>& nothing = session_->nothing_counted();
  if (!nothing.empty()) {
    reasons_ = nothing;
    if (!loss.requires_grad() || value == 0) ++empty_;
  }
  if (!loss.requires_grad() && !nothing.empty()) {
    ++idle_;
    session_->after_step();  // memories fill all the same
    return;
  }
  StepCheck::loss(loss, loss_);
  const auto when = [&] { return fmt::format("{}epoch {}, batch {}", of_restart(), epoch_ + 1, batch + 1); };
  try {
    loss.backward();
  } catch (const c10::Error& e) {
    std::string what = e.what_without_backtrace();
    what = what.substr(0, what.find(" Hint: "));  // of how to ask in Python
    throw cdc::Error(
        fmt::format("the backward pass failed at {}: {}; cdc-run --detect-anomaly names the node whose forward pass it belongs to", when(), what));
  }
  if (epoch_ == 0 && restart_ == 0) check_gradients(nothing.empty());
  const double factor = StepCheck::factor(stage_.schedule ? stage_.schedule->factor(position.step, steps_, stage_.epochs) : 1.0, when);
  step_check_.before_step(parameters_, stage_.optimizer->learning_rate() * factor);
  stage_.optimizer->step(factor);
  step_check_.after_step(parameters_, when);
  for (at::Tensor& p : parameters_) p.mutable_grad() = at::Tensor();  // the next backward pass then writes instead of adding to zeros
  session_->after_step();
}

/// The loss's mean over the steps so far in which something counted.
double Training::mean_loss(std::int64_t batches) const { return loss_sum_ / static_cast<double>(std::max<std::int64_t>(1, batches - idle_)); }

/// After a backward pass of the first epoch: says once which parameters it did not reach.
void Training::check_gradients(bool all_counts) {
  gradients_.look();
  always_counted_ = always_counted_ && all_counts;
  if (told_gradients_ || !all_counts) return;  // a part of the loss that is not at work yet may reach the others
  told_gradients_ = true;
  const std::vector<std::string> names = gradients_.without_gradient();
  if (names.empty()) return;
  context_.warn(
      fmt::format("{} of {} parameters got no gradient in the first step, and stay as they began: {}. The loss '{}' does not depend on them: connect "
                  "their nodes to it, or leave them out",
                  names.size(), gradients_.parameters(), first_of(names), stage_.loss));
}

/// What training did not reach in all of the first epoch.
void Training::end_first_epoch() {
  const std::vector<std::string> without = gradients_.without_gradient(), zero = gradients_.with_zero_gradient();
  if (without.size() + zero.size() == gradients_.parameters())
    throw cdc::Error(
        fmt::format("the gradient of every parameter was 0 in all of the first epoch, and nothing was learned: the loss '{}' does not change "
                    "with the weights{}{}",
                    stage_.loss, reasons_.empty() ? "" : ": ", fmt::join(reasons_, "; ")));
  if (!prediction_.first.empty() && always_counted_ && context_.connections(Train::kWeights) == 0)
    for (const std::string& node : session_->nodes_behind(prediction_.first))
      if (gradients_.untrained(node))
        throw cdc::Error(fmt::format(
            "the prediction '{}' is not trained: no parameter of node '{}' got a gradient in the first epoch, and clusters would be those of "
            "weights drawn at random. Let the loss '{}' depend on it, name another 'prediction', or give trained weights as in.weights",
            stage_.prediction, node, stage_.loss));
  if (!zero.empty())
    context_.warn(
        fmt::format("{} of {} parameters had a gradient of exactly 0 in all of the first epoch: {}. The loss does not change with them: units that "
                    "are never active, or a weight of 0 in the loss",
                    zero.size(), gradients_.parameters(), first_of(zero)));
}

void Training::show(std::int64_t batch, double seconds, std::int64_t images, bool last) {
  shown_ = Clock::now();
  const double waiting = seconds > 0 ? 100 * (waited_ + session_->waited()) / seconds : 0;
  cdc::Progress p;
  p.done = (restart_ * stage_.epochs + epoch_) * steps_ + batch;
  p.total = stage_.restarts * stage_.epochs * steps_;
  p.unit = "step";
  p.text = stage_.restarts == 1 ? "" : fmt::format("restart {}/{}  ", restart_ + 1, stage_.restarts);
  p.text += fmt::format("epoch {}/{}  loss {:.4f}  {:.0f} images/s  waiting for data {:.1f} %", epoch_ + 1, stage_.epochs, mean_loss(batch),
                        static_cast<double>(images) / std::max(seconds, 1e-9), waiting);
  if (last && !clusters_.count.empty()) p.text += fmt::format("  entropy {:.3f}  largest {:.3f}", clusters_.entropy(), clusters_.largest_share());
  const std::int64_t kept = (stage_.epochs + 19) / 20;  // of a long training, each twentieth: the rest is in metrics.jsonl
  p.keep = last && ((epoch_ + 1) % kept == 0 || epoch_ + 1 == stage_.epochs);
  context_.progress(p);
}

void Training::end_epoch(double seconds, std::int64_t images) {
  show(steps_, seconds, images, true);
  if (empty_ == steps_)
    throw cdc::Error(fmt::format("no sample counted in any of the {} steps of {}epoch {}, and nothing was learned: {}", steps_, of_restart(),
                                 epoch_ + 1, fmt::join(reasons_, "; ")));
  if (epoch_ == 0 && restart_ == 0) end_first_epoch();
  Value line = Value::table();
  if (stage_.restarts > 1) line["restart"] = restart_ + 1;
  line["epoch"] = epoch_ + 1;
  line["loss"] = mean_loss(steps_);
  if (idle_ > 0) {
    const bool told = std::any_of(lines_.begin(), lines_.end(), [](const Value& before) { return before.find("idle_steps") != nullptr; });
    if (!told)
      context_.warn(fmt::format("in {} of {} steps of {}epoch {} no sample counted, and no weight was changed: {}", idle_, steps_, of_restart(),
                                epoch_ + 1, fmt::join(reasons_, "; ")));
    line["idle_steps"] = idle_;
  }
  line["learning_rate"] =
      stage_.optimizer->learning_rate() * (stage_.schedule ? stage_.schedule->factor((epoch_ + 1) * steps_ - 1, steps_, stage_.epochs) : 1.0);
  if (!clusters_.count.empty()) {
    line["entropy"] = clusters_.entropy();
    line["largest_share"] = clusters_.largest_share();
    if (clusters_.count.size() > 1 && clusters_.largest_share() > 0.95)
      context_.warn(fmt::format("{}epoch {}: {:.0f} % of the images fall into one cluster: the representation has collapsed", of_restart(),
                                epoch_ + 1, 100 * clusters_.largest_share()));
  }
  for (const auto& [name, mean] : session_->reports()) line[name] = mean;
  if (stage_.keep == "least_loss") consider(mean_loss(steps_));
  session_->trained_for((epoch_ + 1) * steps_);
  if (stage_.score_every > 0 && ((epoch_ + 1) % stage_.score_every == 0 || epoch_ + 1 == stage_.epochs)) look(line);
  line["seconds"] = seconds;
  line["images_per_second"] = static_cast<double>(images) / seconds;
  line["waiting_share"] = (waited_ + session_->waited()) / seconds;
  context_.metric(line);
  lines_.push_back(std::move(line));
  batch_ = 0;
  waited_ = seconds_ = 0;
  const std::int64_t ended = epoch_++;  // the checkpoint says where to go on: at the next epoch's start
  save();
  epoch_ = ended;
}

}  // namespace cdc_stage
