#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/node.hpp"
#include "rows.hpp"

namespace {

/// A row for each sample of the set (Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", arXiv 1805.01978,
/// section 3.1): f_i = unit(m f_i + (1 - m) mean over views of the embedding of sample i), after each step that saw it. Rows are random directions at
/// first. The paper's code draws other negatives for each sample of the batch; here the batch shares one draw, which a loss multiplies with as one
/// matrix. Both draw with replacement and without looking: one row in N / negatives is a sample's own.
class Bank final : public cdc::Node {
 public:
  std::int64_t negatives = 4096;
  double momentum = 0.5;
  at::Tensor bank;

  static constexpr cdc::In<cdc::Embeddings> kEmbedding{"embedding", "Embeddings of length 1 of the batch's views"};
  static constexpr cdc::Out<cdc::Embeddings> kOwn{"own", "The rows of the batch's samples as they were, constants", "1,B,D"};
  static constexpr cdc::Out<cdc::Embeddings> kOthers{"others", "Rows drawn at random from the whole set, constants", "1,Q,D"};

  static void describe(cdc::Schema<Bank>& s) {
    s.summary("A remembered embedding of each sample of the set: the positives and negatives of instance discrimination.");
    s.param(&Bank::negatives, "negatives", "Rows drawn for each batch").range(1, 1e8);
    s.param(&Bank::momentum, "momentum", "How much of a row stays when its sample is seen").range(0, 1);
    s.input(kEmbedding).output(kOwn).output(kOthers).full_precision().no_gradient();
    s.size("Q", &Bank::negatives);
    s.state(&Bank::bank, "rows");
  }

  void build(const cdc::BuildContext& context) override { bank = at::zeros({0, context.size("D")}); }

  void begin_training(cdc::WholeSet& all) override { bank = cdc_memory::random_directions(all.size(), bank.size(1), all.seed()).to(bank.device()); }

  void forward(cdc::Step& step) override {
    const std::int64_t samples = bank.size(0), last = step.indices().max().item<std::int64_t>();
    if (last >= samples)
      throw cdc::Error(
          fmt::format("it remembers {} samples, those of the set that it was trained on, and has no row for sample {}: leave the nodes that "
                      "read it out of what is evaluated on other data",
                      samples, last));
    step.out(kOwn, rows(step.indices()).unsqueeze(0));
    step.out(kOthers, rows(at::randint(samples, {negatives}, step.generator(), at::kLong)).unsqueeze(0));
  }

  void after_step(cdc::Step& step) override {
    if (!step.training()) return;
    const at::Tensor seen = step.in(kEmbedding).detach().mean(0);
    bank.index_copy_(0, step.indices().to(bank.device()), cdc_memory::unit_length(rows(step.indices()) * momentum + seen * (1 - momentum)));
  }

 private:
  at::Tensor rows(const at::Tensor& which) const { return bank.index_select(0, which.to(bank.device())); }
};

}  // namespace
CDC_PLUGIN(Bank, "memory.bank")
