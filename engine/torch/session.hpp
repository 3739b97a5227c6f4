#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cdc/session.hpp"
#include "data/batch_pipeline.hpp"
#include "graph/plan.hpp"
#include "plugin/registry.hpp"
#include "torch/built_node.hpp"
#include "torch/followers.hpp"
#include "torch/reports.hpp"

namespace cdc {

class Session final : public GraphSession {
 public:
  /// @param detect_anomaly follows backward passes: see anomaly.hpp
  Session(std::shared_ptr<const PlannedGraph> graph, const Registry& registry, bool detect_anomaly);
  ~Session() override;

  void build(const SessionOptions& options) override;
  std::vector<NamedTensor> state() override;
  std::size_t load_state(const std::vector<NamedTensor>& saved, Names names) override;
  void trained_for(std::int64_t steps) override { trained_for_ = steps; }
  std::int64_t estimate_statistics(const std::function<void(std::int64_t, std::int64_t)>& progress) override;
  void begin_training() override;
  void begin_epoch(std::int64_t epoch) override;
  void start(std::vector<std::int64_t> order, std::int64_t batch_size, bool training, std::int64_t epoch, std::int64_t first) override;
  bool next() override;
  double waited() const override { return pipeline_ ? pipeline_->seconds_waited() : 0; }
  const at::Tensor& indices() const override { return indices_; }
  void forward(const Position& position) override;
  const at::Tensor& output(const std::string& node, const std::string& port) const override;
  void after_step() override;
  const std::vector<std::string>& nothing_counted() const override { return nothing_counted_; }
  std::vector<std::string> nodes_behind(const std::string& node) const override;
  std::string first_not_finite() const override;
  std::vector<std::pair<std::string, double>> reports() override { return reports_.means(); }
  void clear_reports() override { reports_.clear(); }
  Value report_state() override { return reports_.state(); }
  void restore_reports(const Value& state) override { reports_.restore(state); }
  at::Tensor features(const std::string& node, const std::string& port, std::int64_t batch_size,
                      const std::function<void(std::int64_t, std::int64_t)>& progress) override {
    return features_of_slot(slot_of(node, port), batch_size, progress);
  }

 private:
  class NodeStep;
  class NodeWholeSet;

  std::size_t slot_of(const std::string& node, const std::string& port) const;
  std::size_t node_of_slot(std::size_t slot) const;
  const BuiltNode* sampler_of(const BuiltNode& augment) const;
  void set_training(bool on);
  void take_batch(const RenderedBatch& batch, const std::vector<std::size_t>& augments, bool training);
  void run_nodes(const std::vector<bool>* mask);
  std::vector<at::Tensor> outputs_of(const BuiltNode& n) const;
  at::Tensor rows_of(std::size_t slot) const;
  class BatchStatistics;
  void pass(std::vector<std::int64_t> order, std::int64_t batch_size, const std::vector<bool>& mask,
            const std::function<void(std::int64_t done)>& each);
  at::Tensor features_of_slot(std::size_t slot, std::int64_t batch_size, const std::function<void(std::int64_t, std::int64_t)>& progress);
  static std::vector<NamedTensor> tensors_of(const BuiltNode& n);
  static void check_weights(const BuiltNode& n);
  void copy_to_followers();
  template <class F>
  void at_moment(std::int64_t epoch, const char* moment, F&& f);
  std::string doing() const;

  std::shared_ptr<const PlannedGraph> graph_;
  bool detect_anomaly_;
  std::vector<BuiltNode> nodes_;
  std::vector<OutputSlot> slots_;
  SessionOptions options_;
  bool built_ = false, training_ = false, gradient_ = false;
  bool weights_due_ = false;  ///< they are looked at after the next step, the first of an epoch
  std::unique_ptr<BatchPipeline> pipeline_;
  std::vector<std::size_t> all_augments_;
  at::Tensor indices_;
  std::int64_t batch_number_ = 0;
  Position position_;
  std::int64_t trained_for_ = 0;
  std::vector<std::string> nothing_counted_;  ///< in the last forward()
  Reports reports_;
  Followers followers_;
};

}  // namespace cdc
