#pragma once

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "cdc/node.hpp"
#include "cdc/ring.hpp"
#include "rows.hpp"

namespace cdc_memory {

/// Rows of earlier batches: MoCo's dictionary of negatives (He et al., arXiv 1911.05722, section 3.2), SwAV's queue (arXiv 2006.09882, section 3.1).
/// A batch sees the rows as they were before it; its own enter after the step, view by view. Queues of one size whose rows come from the same views
/// hold the same samples in the same order. `Queue` declares kRows, kQueue and kWidth, the name of the rows' width.
template <class Queue>
class RowQueue : public cdc::Node {
 public:
  std::int64_t size = 65536, start_epoch = 0;
  at::Tensor ring, place;

  void forward(cdc::Step& step) override {
    const std::int64_t count = started(step) || !step.training() ? cdc::ring_count(place) : 0;
    // A copy: what autograd saves of it must outlive after_step.
    step.out(Queue::kQueue, ring.narrow(0, 0, count).clone().unsqueeze(0));
  }

  void after_step(cdc::Step& step) override {
    if (step.training() && started(step)) cdc::ring_enter(ring, place, step.in(Queue::kRows).detach().flatten(0, 1));
  }

 protected:
  static void queue_parameters(cdc::Schema<Queue>& s) {
    s.param(&Queue::size, "size", "Rows kept; need not be a multiple of the batch").range(1, 1e8);
    s.param(&Queue::start_epoch, "start_epoch", "First epoch (from 0) whose rows enter; before it there are none (SwAV: 15)").range(0, 1e6);
    s.input(Queue::kRows).output(Queue::kQueue).full_precision().no_gradient();
    s.state(&Queue::ring, "rows").state(&Queue::place, "place");
  }

  /// `rows`: what is there at first, [size, width]; undefined: nothing.
  void start(const cdc::BuildContext& context, const at::Tensor& rows = {}) {
    ring = rows.defined() ? rows : at::zeros({size, context.size(Queue::kWidth)});
    place = at::tensor({std::int64_t{0}, rows.defined() ? size : 0}, at::kLong);
  }

 private:
  bool started(const cdc::Step& step) const { return step.epoch() >= start_epoch; }
};

}  // namespace cdc_memory
