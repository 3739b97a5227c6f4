#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "cdc/node.hpp"
#include "cdc/ring.hpp"
#include "rows.hpp"

namespace {

/// Rows of earlier batches: MoCo's dictionary of negatives (He et al., arXiv 1911.05722, section 3.2), SwAV's queue (arXiv 2006.09882, section 3.1).
/// A batch sees the rows as they were before it; its own enter after the step, view by view.
class Queue final : public cdc::Node {
 public:
  std::int64_t size = 65536, start_epoch = 0;
  std::string begin = "empty";
  at::Tensor ring, place;

  static constexpr cdc::In<cdc::Embeddings> kRows{"rows", "What enters the queue: the momentum encoder's keys, say"};
  static constexpr cdc::Out<cdc::Embeddings> kQueue{"queue", "The rows of earlier batches, constants, in no order that means anything", "1,Q,D"};

  static void describe(cdc::Schema<Queue>& s) {
    s.summary("The rows of earlier batches, as negatives (MoCo) or to fill up small batches (SwAV).");
    s.param(&Queue::size, "size", "Rows kept; need not be a multiple of the batch").range(1, 1e8);
    s.param(&Queue::start_epoch, "start_epoch", "First epoch (from 0) whose rows enter; before it there are none (SwAV: 15)").range(0, 1e6);
    s.param(&Queue::begin, "begin", "What is there at first: nothing, so that it grows, or random rows of length 1 (MoCo's code)")
        .choices({"empty", "random"});
    s.input(kRows).output(kQueue).full_precision().no_gradient();
    s.state(&Queue::ring, "rows").state(&Queue::place, "place");
  }

  void build(const cdc::BuildContext& context) override {
    const std::int64_t width = context.size("D");
    const bool random = begin == "random";
    ring = random ? cdc_memory::random_directions(size, width, context.seed) : at::zeros({size, width});
    place = at::tensor({std::int64_t{0}, random ? size : 0}, at::kLong);
  }

  void forward(cdc::Step& step) override {
    const std::int64_t count = started(step) || !step.training() ? cdc::ring_count(place) : 0;
    // A copy: what autograd saves of it must outlive after_step.
    step.out(kQueue, ring.narrow(0, 0, count).clone().unsqueeze(0));
  }

  void after_step(cdc::Step& step) override {
    if (step.training() && started(step)) cdc::ring_enter(ring, place, step.in(kRows).detach().flatten(0, 1));
  }

 private:
  bool started(const cdc::Step& step) const { return step.epoch() >= start_epoch; }
};

}  // namespace
CDC_PLUGIN(Queue, "memory.queue")
