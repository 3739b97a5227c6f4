#include "queue.hpp"

namespace {

/// A queue of its own, since a port of codes takes nothing but codes.
class CodeQueue final : public cdc_memory::RowQueue<CodeQueue> {
 public:
  static constexpr const char* kWidth = "K";
  static constexpr cdc::In<cdc::Codes> kRows{"rows", "What enters the queue: codes of a momentum encoder's scores, say"};
  static constexpr cdc::Out<cdc::Codes> kQueue{"queue", "The codes of earlier batches, in the order of a memory.queue of the same size", "1,Q,K"};

  static void describe(cdc::Schema<CodeQueue>& s) {
    s.summary("The codes of earlier batches: with a memory.queue of their embeddings, loss.cdc's further negatives.");
    queue_parameters(s);
  }

  void build(const cdc::BuildContext& context) override { start(context); }
};

}  // namespace
CDC_PLUGIN(CodeQueue, "memory.code_queue")
