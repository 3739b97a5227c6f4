#include "training.hpp"

#include <ATen/ops/argmax.h>
#include <fmt/format.h>

#include <algorithm>

#include "cdc/error.hpp"
#include "cdc/random.hpp"
#include "epoch_scores.hpp"

namespace cdc_stage {

at::Tensor Training::of_whole_set(const std::pair<std::string, std::string>& port) {
  return session_->features(port.first, port.second, stage_.evaluation_batch_size, [&](std::int64_t, std::int64_t) {
    // The epoch is not over: its last checkpoint is where the same command goes on.
    if (context_.stopping()) throw cdc::Stopped("stopped while scoring an epoch; the same command goes on");
  });
}

/// The prediction and the features of the whole set as they are now, into the epoch's line.
void Training::look(Value& line) {
  if (!stage_.score_features.empty()) {
    const std::uint64_t epoch_seed = cdc::Random(seed(), static_cast<std::uint64_t>(epoch_), 0, 0, 0x6ea5).next64();
    line["kmeans"] = score_kmeans(of_whole_set(score_features_), stage_.score_clusters, epoch_seed, *data_);
  }
  if (stage_.prediction.empty()) return;
  EpochScores scores = cdc_stage::score_epoch(of_whole_set(prediction_), looked_, *data_);
  const Value values = scores.to_value();
  for (const auto& [name, value] : values.as_table()) line[name] = value;
  if (stage_.keep == "most_confident") consider(-scores.confidence);
  if (stage_.keep == "oracle") consider(-scores.oracle.at("acc").as_real());
  looked_ = std::move(scores.cluster);
}

/// Keeps the present weights where `value` is the least so far.
void Training::consider(double value) {
  if (!best_.empty() && value >= best_value_) return;
  best_value_ = value;
  best_restart_ = restart_;
  best_epoch_ = epoch_;
  best_.clear();
  for (const cdc::NamedTensor& t : session_->state()) best_.push_back({t.name, t.tensor.detach().cpu().clone(), t.trainable, t.decay});
}

void Training::end_restart() {
  looked_.clear();
  if (stage_.restarts == 1) return;
  losses_.push_back(mean_loss(steps_));
  if (stage_.keep == "last") consider(losses_.back());
}

/// Batch-normalization statistics for the weights that are the result.
void Training::settle_statistics(Value& protocol) {
  const std::int64_t steps = (best_.empty() ? stage_.epochs : std::min(best_epoch_ + 1, stage_.epochs)) * steps_;
  session_->trained_for(steps);
  const std::int64_t layers = session_->estimate_statistics([&](std::int64_t done, std::int64_t total) {
    if (context_.stopping()) throw cdc::Stopped("stopped while estimating batch-normalization statistics; the same command goes on");
    context_.progress({done, total, "image", "batch-normalization statistics"});
  });
  if (layers == 0) return;
  protocol["batch_statistics"] = "re-estimated";
  context_.info(fmt::format("the statistics of {} batch-normalization layers are re-estimated over the set{}", layers,
                            stage_.batch_statistics == "auto" ? fmt::format(": the running ones are of {} steps, too few", steps) : ""));
}

/// Warns where the result's clusters are much emptier than those that training saw.
void Training::compare_with_training(const cdc::Assignment& assignment) {
  ClusterCounts found;
  found.count.resize(static_cast<std::size_t>(assignment.clusters));
  for (const std::int32_t cluster : assignment.cluster) ++found.count[static_cast<std::size_t>(cluster)];
  const std::int64_t restart = best_.empty() ? restart_ - 1 : best_restart_,
                     epoch = std::min(best_.empty() ? stage_.epochs : best_epoch_ + 1, stage_.epochs);
  for (const Value& line : lines_) {
    if (line.at("epoch").as_integer() != epoch || (stage_.restarts > 1 && line.at("restart").as_integer() != restart + 1)) continue;
    const Value* entropy = line.find("entropy");
    if (entropy == nullptr || entropy->as_real() - found.entropy() < 0.2) continue;
    context_.warn(fmt::format(
        "the clusters of the result are much emptier than those of training: entropy {:.2f}, {} of {} clusters empty, where epoch {} had {:.2f} on "
        "augmented views. Train for more steps{}",
        found.entropy(), std::count(found.count.begin(), found.count.end(), 0), assignment.clusters, epoch, entropy->as_real(),
        stage_.batch_statistics == "running" ? ", or set batch_statistics = \"auto\"" : ""));
  }
}

void Training::finish() {
  Value protocol = Value::table();
  protocol["trained_on"] = data_->split();
  protocol["epochs"] = stage_.epochs;
  protocol["chosen_epoch"] = stage_.keep == "last" ? Value("last") : Value(best_epoch_ + 1);
  if (stage_.keep != "last")
    protocol["chosen_by"] = stage_.keep == "least_loss" ? "least loss"
                            : stage_.keep == "oracle"   ? "oracle: highest ACC against the labels"
                                                        : "highest confidence";
  if (stage_.restarts > 1) {
    protocol["restarts"] = stage_.restarts;
    if (stage_.keep == "last") protocol["chosen_by"] = "least loss";
    Value losses = Value::array();
    for (const double loss : losses_) losses.push_back(loss);
    context_.summary("restart_losses", std::move(losses));
    context_.summary("restart", best_restart_ + 1);
  }
  if (!best_.empty()) session_->load_state(best_, cdc::Names::all);
  settle_statistics(protocol);
  protocol["precision"] = precision_;
  auto model = std::make_shared<cdc::Model>();
  for (const cdc::NamedTensor& t : session_->state()) model->state.push_back({t.name, t.tensor.detach().cpu().clone(), t.trainable, t.decay});
  model->protocol = protocol;
  if (!stage_.prediction.empty()) {
    const at::Tensor logits =
        session_->features(prediction_.first, prediction_.second, stage_.evaluation_batch_size, [&](std::int64_t done, std::int64_t total) {
          if (context_.stopping()) throw cdc::Stopped("stopped while predicting; the same command goes on");
          context_.progress({done, total, "image", "predicting"});
        });
    const at::Tensor best = logits.argmax(1);
    auto assignment = std::make_shared<cdc::Assignment>();
    assignment->clusters = logits.size(1);
    assignment->cluster.assign(best.data_ptr<std::int64_t>(), best.data_ptr<std::int64_t>() + best.numel());
    assignment->protocol = protocol;
    compare_with_training(*assignment);
    assignment->protocol["prediction"] = "argmax of " + stage_.prediction;
    context_.out(Train::kAssignment, std::shared_ptr<const cdc::Assignment>(std::move(assignment)));
  }
  context_.out(Train::kModel, std::shared_ptr<const cdc::Model>(std::move(model)));
}

}  // namespace cdc_stage
