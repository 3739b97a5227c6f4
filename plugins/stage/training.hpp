#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster_counts.hpp"
#include "gradient_check.hpp"
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
  /// A checkpoint as read, its numbers within their ranges and of this very work.
  struct Checkpoint {
    Value header;
    std::vector<cdc::NamedTensor> tensors;
  };

  void open();
  void resume();
  std::optional<Checkpoint> read_checkpoint();
  void check_header(const Value& header) const;
  void take_numbers(const Value& header);
  void take_tensors(std::vector<cdc::NamedTensor> saved);
  void start_over(const std::string& why);
  std::string put_aside(const std::string& key) const;
  void start();
  void end_restart();
  void look(Value& line);
  at::Tensor of_whole_set(const std::pair<std::string, std::string>& port);
  void consider(double value);
  std::uint64_t seed() const;
  void train_epoch();
  void step(std::int64_t batch);
  void check_gradients(bool all_counts);
  void end_first_epoch();
  double mean_loss(std::int64_t batches) const;
  void end_epoch(double seconds, std::int64_t images);
  void save();
  std::string of_restart() const;
  void show(std::int64_t batch, double seconds, std::int64_t images, bool last);
  void finish();
  void settle_statistics(Value& protocol);
  void compare_with_training(const cdc::Assignment& assignment);
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
  std::int64_t empty_ = 0, idle_ = 0;  ///< steps of the epoch in which no sample counted; those of them that changed no weights
  std::vector<std::string> reasons_;   ///< of the last such step
  GradientCheck gradients_;            ///< of the first epoch
  bool told_gradients_ = false, always_counted_ = true;
  double spent_ = 0;  ///< seconds of earlier starts
  ClusterCounts clusters_;
  std::vector<Value> lines_;
  double waited_ = 0, seconds_ = 0;
  Clock::time_point begun_ = Clock::now(), saved_, shown_, epoch_start_;
};

}  // namespace cdc_stage
