#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cdc/augment.hpp"
#include "cdc/dataset.hpp"

namespace cdc {

/// What to render.
struct BatchRequest {
  std::shared_ptr<const Dataset> data;
  std::vector<const Augment*> augments;  ///< each gives one tensor a batch; they outlive the pipeline
  std::vector<std::array<int, 2>> sizes; ///< [augments] height and width to render
  std::vector<std::string> names;        ///< [augments], or none: what messages call them
  /// [augments], or none: the sample to render in the place of another while training; empty functions leave it. Called from loader threads.
  std::vector<std::function<std::int64_t(std::int64_t epoch, std::int64_t sample)>> picks;
  std::vector<std::int64_t> order;       ///< samples, in the order to go through them
  std::int64_t batch_size = 0;
  bool training = false;                 ///< views and random streams, the rest that does not fill a batch is left out; otherwise plain views of all
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  std::int64_t first_batch = 0;          ///< where to go on
  int batches_in_flight = 2;             ///< rendered or being rendered, besides the one in the consumer's hands
};

/// A rendered batch.
struct RenderedBatch {
  std::int64_t number = 0;                             ///< in the epoch
  std::vector<std::int64_t> samples;                   ///< [B]
  std::vector<std::shared_ptr<float>> views;           ///< [augments] [V, B, C, H, W], 64-byte aligned; goes back to the pool when released
};

/// Renders batches ahead on the run's oneTBB arena, samples in parallel; hands them out in order. The bits depend on the request alone, not on threads or
/// timing. One consumer thread. An exception of a loader (a damaged image, a throwing plugin) comes out of next().
class CDC_API BatchPipeline {
 public:
  explicit BatchPipeline(BatchRequest request);
  ~BatchPipeline();  ///< ends the work in flight
  BatchPipeline(const BatchPipeline&) = delete;
  BatchPipeline& operator=(const BatchPipeline&) = delete;

  std::int64_t batches() const;      ///< of the whole epoch
  bool next(RenderedBatch& batch);   ///< false when there is none left
  double seconds_waited() const;     ///< that next() waited for data

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cdc
