#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/optimizer.hpp"
#include "cdc/session.hpp"
#include "cdc/stage.hpp"

namespace cdc_stage {

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
  std::string batch_statistics = "auto";
  double checkpoint_seconds = 60;
  std::int64_t batches_in_flight = 2;
  std::int64_t evaluation_batch_size = 512;

  static void describe(cdc::Schema<Train>& s);

  cdc::Value resolved(const std::string& device) const override;
  void check() const override;
  void run(cdc::StageContext& context) override;
};

}  // namespace cdc_stage
