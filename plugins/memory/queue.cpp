#include "queue.hpp"

namespace {

class Queue final : public cdc_memory::RowQueue<Queue> {
 public:
  std::string begin = "empty";
  static constexpr const char* kWidth = "D";
  static constexpr cdc::In<cdc::Embeddings> kRows{"rows", "What enters the queue: the momentum encoder's keys, say"};
  static constexpr cdc::Out<cdc::Embeddings> kQueue{"queue", "The rows of earlier batches, constants, in no order that means anything", "1,Q,D"};

  static void describe(cdc::Schema<Queue>& s) {
    s.summary("The rows of earlier batches, as negatives (MoCo) or to fill up small batches (SwAV).");
    queue_parameters(s);
    s.param(&Queue::begin, "begin", "What is there at first: nothing, so that it grows, or random rows of length 1 (MoCo's code)")
        .choices({"empty", "random"});
  }

  void build(const cdc::BuildContext& context) override {
    start(context, begin == "random" ? cdc_memory::random_directions(size, context.size(kWidth), context.seed) : at::Tensor());
  }
};

}  // namespace
CDC_PLUGIN(Queue, "memory.queue")
