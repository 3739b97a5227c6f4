#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cluster_counts.hpp"
#include "step_check.hpp"
#include "train.hpp"

namespace cdc_stage {

using cdc::Value;
using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

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
  StepCheck step_check_;
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
  ClusterCounts clusters_;
  std::vector<Value> lines_;
  double waited_ = 0, seconds_ = 0;
  Clock::time_point saved_, shown_, epoch_start_;
};

}  // namespace cdc_stage
