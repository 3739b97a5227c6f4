#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/optimizer.hpp"
#include "cdc/random.hpp"
#include "cdc/schema.hpp"
#include "cdc/session.hpp"
#include "cdc/stage.hpp"
#include "cluster_counts.hpp"
#include "epoch_scores.hpp"

namespace {

using cdc::Value;
using Clock = std::chrono::steady_clock;

// Prefixes in a checkpoint, of tensors that are no node's of the present training.
constexpr const char *kOptimizer = "optimizer/", *kBest = "best/", *kLook = "look/";

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Trains the nodes of a graph by gradient descent on one of its outputs.
class Train final : public cdc::Stage {
 public:
  static constexpr cdc::In<cdc::Dataset> kData{"data", "The images to train on"};
  static constexpr cdc::In<cdc::Model> kWeights{"weights", "Weights to start from: tensors of the same name are taken"};
  static constexpr cdc::Out<cdc::Model> kModel{"model", "The trained weights"};
  static constexpr cdc::Out<cdc::Assignment> kAssignment{"assignment", "Each sample's cluster: the largest logit of its plain view"};

  std::int64_t epochs = 100;
  std::int64_t batch_size = 256;
  std::int64_t restarts = 1;
  std::string loss, prediction;
  std::shared_ptr<cdc::Optimizer> optimizer;
  std::shared_ptr<cdc::Schedule> schedule;
  std::int64_t score_every = 0;
  std::string score_features;
  std::int64_t score_clusters = 0;
  std::string keep = "last";
  std::string precision = "auto";
  double checkpoint_seconds = 60;
  std::int64_t batches_in_flight = 2;
  std::int64_t evaluation_batch_size = 512;

  static void describe(cdc::Schema<Train>& s) {
    s.summary("Trains a graph of nodes on a data set.");
    s.param(&Train::epochs, "epochs", "Passes over the data").at_least(1);
    s.param(&Train::batch_size, "batch_size", "Images in a step; the rest that does not fill a batch waits for the next epoch").at_least(2);
    s.param(&Train::restarts, "restarts", "Trainings from different seeds; the one whose loss in its last epoch is least is kept").range(1, 1000);
    s.port(&Train::loss, "loss", "The node's output to make small", cdc::PortType::scalar).required();
    s.port(&Train::prediction, "prediction", "Cluster logits; the assignment is their argmax on plain views", cdc::PortType::logits);
    s.component(&Train::optimizer, "optimizer", "How parameters follow their gradients").required();
    s.component(&Train::schedule, "schedule", "The learning rate over time; constant where none is given");
    s.param(
         &Train::score_every, "score_every",
         "Epochs between two looks at the prediction of the whole set, for metrics.jsonl: confidence, agreement with the look before and, under the "
         "name 'oracle', scores against labels; 0: none")
        .at_least(0);
    s.port(&Train::score_features, "score_features",
           "Features whose k-means clusters are scored at each look: the curve of a method without clusters", cdc::PortType::embeddings);
    s.param(&Train::score_clusters, "score_clusters", "How many clusters k-means finds there").range(0, 1e6);
    s.param(&Train::keep, "keep",
            "Which epoch's weights are the result: the last, that of the least mean loss, of the most confident prediction, or, by labels and so no "
            "unsupervised result, of the highest ACC; the latter two are of the epochs that score_every looks at")
        .choices({"last", "least_loss", "most_confident", "oracle"});
    s.param(&Train::precision, "precision", "Of forward and backward passes; auto: bfloat16 where the device has it in hardware")
        .choices({"auto", "float32", "bfloat16"});
    s.param(&Train::evaluation_batch_size, "evaluation_batch_size", "Images in a batch of a pass over the whole set").at_least(1);
    s.param(&Train::checkpoint_seconds, "checkpoint_seconds", "A checkpoint is written after each epoch, and within one after this time")
        .at_least(0)
        .no_effect_on_result();
    s.param(&Train::batches_in_flight, "batches_in_flight", "Batches rendered ahead").range(1, 64).no_effect_on_result();
    s.input(kData).input(kWeights.as_optional()).output(kModel);
    s.output_if(
        kAssignment, [](const Train& t) { return !t.prediction.empty(); }, "set prediction = \"NODE\" to the node that gives cluster logits");
    s.graph();
  }

  Value resolved(const std::string& device) const override {
    Value v = Value::table();
    v["precision"] = cdc::resolve_precision(precision, device);
    return v;
  }

  void check() const override {
    if (score_every > 0 && prediction.empty() && score_features.empty())
      throw cdc::Error("'score_every' looks at the prediction, or at 'score_features': set prediction = \"NODE\", or score_features");
    if (!score_features.empty() && (score_every == 0 || score_clusters < 2))
      throw cdc::Error("'score_features' wants to know when, and for how many clusters: set score_every = 1 or more and score_clusters = 2 or more");
    if ((keep == "most_confident" || keep == "oracle") && prediction.empty())
      throw cdc::Error(fmt::format("keep = \"{}\" chooses by the prediction: set prediction = \"NODE\"", keep));
    if ((keep == "most_confident" || keep == "oracle") && score_every == 0)
      throw cdc::Error(fmt::format("keep = \"{}\" chooses among the epochs that are looked at: set score_every = 1 or more", keep));
  }

  void run(cdc::StageContext& context) override;
};

/// One run of Train: what its loops share.
class Training {
 public:
  Training(const Train& stage, cdc::StageContext& context) : stage_(stage), context_(context) {}
  void run();

 private:
  void open();
  void resume();
  void start();
  void end_restart();
  void look(Value& line);
  at::Tensor of_whole_set(const std::pair<std::string, std::string>& port);
  void consider(double value);
  std::uint64_t seed() const;
  void train_epoch();
  void step(std::int64_t batch);
  void end_epoch(double seconds, std::int64_t images);
  void save();
  std::string of_restart() const;
  void show(std::int64_t batch, double seconds, std::int64_t images, bool last);
  void finish();
  std::vector<cdc::NamedTensor> everything();

  const Train& stage_;
  cdc::StageContext& context_;
  std::shared_ptr<const cdc::Dataset> data_;
  std::unique_ptr<cdc::GraphSession> session_;
  std::string precision_;
  std::pair<std::string, std::string> loss_, prediction_, score_features_;  ///< node, output
  std::vector<at::Tensor> parameters_;
  std::int64_t steps_ = 0;  ///< of an epoch
  int threads_ = 0;
  /// Of the epoch that was best so far by the rule, over all restarts; empty where the last one's weights are kept.
  std::vector<cdc::NamedTensor> best_;
  // What a checkpoint holds beside tensors.
  std::int64_t restart_ = 0, best_restart_ = 0, best_epoch_ = 0;
  double best_value_ = 0;             ///< of best_, the smaller the better
  std::vector<std::int32_t> looked_;  ///< clusters of the look before; empty: none in this restart
  std::vector<double> losses_;        ///< of each restart that has ended, in its last epoch
  std::int64_t epoch_ = 0, batch_ = 0;
  double loss_sum_ = 0;
  cdc_stage::ClusterCounts clusters_;
  std::vector<Value> lines_;
  double waited_ = 0, seconds_ = 0;
  Clock::time_point saved_, shown_, epoch_start_;
};

void Train::run(cdc::StageContext& context) { Training(*this, context).run(); }

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

void Training::resume() {
  Value header;
  std::vector<cdc::NamedTensor> saved;
  bool found = false;
  try {
    found = cdc::load_tensors(context_.checkpoint_path().string(), "checkpoint", header, saved);
  } catch (const cdc::Error& e) {
    context_.warn(fmt::format("the checkpoint cannot be used, training starts over: {}", e.what()));
  }
  if (found) {
    const auto wanted = static_cast<int>(header.at("threads").as_integer());
    if (wanted != threads_)
      context_.warn(fmt::format("this training began with {} compute threads and goes on with them, so that its numbers stay the same", wanted));
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

/// Everything anew, for the restart whose turn it is.
void Training::start() {
  cdc::SessionOptions options;
  options.data = data_;
  options.device = context_.device();
  options.bfloat16 = precision_ == "bfloat16";
  options.batches_in_flight = static_cast<int>(stage_.batches_in_flight);
  options.evaluation_batch_size = stage_.evaluation_batch_size;
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
  stage_.optimizer->setup(std::move(parameters));
}

void Training::end_restart() {
  looked_.clear();
  if (stage_.restarts == 1) return;
  losses_.push_back(loss_sum_ / static_cast<double>(steps_));
  if (stage_.keep == "last") consider(losses_.back());
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
    line["kmeans"] = cdc_stage::score_kmeans(of_whole_set(score_features_), stage_.score_clusters, epoch_seed, *data_);
  }
  if (stage_.prediction.empty()) return;
  cdc_stage::EpochScores scores = cdc_stage::score_epoch(of_whole_set(prediction_), looked_, *data_);
  const Value values = scores.to_value();
  for (const auto& [name, value] : values.as_table()) line[name] = value;
  if (stage_.keep == "most_confident") consider(-scores.confidence);
  if (stage_.keep == "oracle") consider(-scores.oracle.at("acc").as_real());
  looked_ = std::move(scores.cluster);
}

std::string Training::of_restart() const {
  return stage_.restarts == 1 ? std::string() : fmt::format("restart {} of {}, ", restart_ + 1, stage_.restarts);
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

void Training::train_epoch() {
  if (batch_ == 0) {
    loss_sum_ = 0;
    clusters_ = {};
    waited_ = seconds_ = 0;
    session_->clear_reports();
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
                    "precision = \"float32\"",
                    std::isnan(value) ? "nan" : "infinite", of_restart(), epoch_ + 1, batch + 1, node.empty() ? "the loss alone" : node));
  }
  loss_sum_ += value;
  if (!stage_.prediction.empty()) {
    clusters_.add(session_->output(prediction_.first, prediction_.second));
  }
  try {
    loss.backward();
  } catch (const c10::Error& e) {
    throw cdc::Error(
        fmt::format("the backward pass failed at {}epoch {}, batch {}: {}", of_restart(), epoch_ + 1, batch + 1, e.what_without_backtrace()));
  }
  const double factor = stage_.schedule ? stage_.schedule->factor(position.step, steps_, stage_.epochs) : 1.0;
  stage_.optimizer->step(factor);
  for (at::Tensor& p : parameters_) p.mutable_grad() = at::Tensor();  // the next backward pass then writes instead of adding to zeros
  session_->after_step();
}

void Training::show(std::int64_t batch, double seconds, std::int64_t images, bool last) {
  shown_ = Clock::now();
  const double waiting = seconds > 0 ? 100 * (waited_ + session_->waited()) / seconds : 0;
  cdc::Progress p;
  p.done = (restart_ * stage_.epochs + epoch_) * steps_ + batch;
  p.total = stage_.restarts * stage_.epochs * steps_;
  p.unit = "step";
  p.text = stage_.restarts == 1 ? "" : fmt::format("restart {}/{}  ", restart_ + 1, stage_.restarts);
  p.text += fmt::format("epoch {}/{}  loss {:.4f}  {:.0f} images/s  waiting for data {:.1f} %", epoch_ + 1, stage_.epochs,
                        loss_sum_ / static_cast<double>(batch), static_cast<double>(images) / std::max(seconds, 1e-9), waiting);
  if (last && !clusters_.count.empty()) p.text += fmt::format("  entropy {:.3f}  largest {:.3f}", clusters_.entropy(), clusters_.largest_share());
  const std::int64_t kept = (stage_.epochs + 19) / 20;  // of a long training, each twentieth: the rest is in metrics.jsonl
  p.keep = last && ((epoch_ + 1) % kept == 0 || epoch_ + 1 == stage_.epochs);
  context_.progress(p);
}

void Training::end_epoch(double seconds, std::int64_t images) {
  show(steps_, seconds, images, true);
  Value line = Value::table();
  if (stage_.restarts > 1) line["restart"] = restart_ + 1;
  line["epoch"] = epoch_ + 1;
  line["loss"] = loss_sum_ / static_cast<double>(steps_);
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
  if (stage_.keep == "least_loss") consider(loss_sum_ / static_cast<double>(steps_));
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
    assignment->protocol["prediction"] = "argmax of " + stage_.prediction;
    context_.out(Train::kAssignment, std::shared_ptr<const cdc::Assignment>(std::move(assignment)));
  }
  context_.out(Train::kModel, std::shared_ptr<const cdc::Model>(std::move(model)));
}

}  // namespace
CDC_PLUGIN(Train, "stage.train")
