#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include "terms.hpp"

namespace {

/// InfoNCE as MoCo writes it (He et al., arXiv 1911.05722, equation 1): for a query q, the key k+ of another view of its image and keys k of others,
///   L = -log(exp(q . k+ / tau) / (exp(q . k+ / tau) + sum_k exp(q . k / tau))),
/// the mean over samples and pairs of views. Keys are constants. The negatives are the rows of `negatives` (a queue of keys: MoCo; a memory bank:
/// instance discrimination, arXiv 1805.01978) and, with `batch_negatives`, the other samples' keys of the positive's view (MoCo v3, arXiv 2104.02057,
/// whose code multiplies the loss by 2 tau). While there are none, as with the empty queue of the first step, the loss is 0 without gradient: that
/// step fills the queue.
class InfoNce final : public cdc::Loss {
 public:
  double tau = 0.2;
  bool normalise = true, batch_negatives = false;
  static constexpr cdc::In<cdc::Embeddings> kQuery{"query", "Queries of all views"};
  static constexpr cdc::In<cdc::Embeddings> kKey{"key", "Keys of as many views, constants; of several views each query meets the other views' keys"};
  static constexpr cdc::In<cdc::Embeddings> kNegatives{"negatives", "Keys of other samples, constants; may be empty", "1,Q,D", true};

  static void describe(cdc::Schema<InfoNce>& s) {
    s.summary("MoCo's contrast of queries with keys, against a queue of keys, the batch's other keys, or both.");
    s.param(&InfoNce::tau, "tau", "Temperature").range(1e-3, 100);
    s.param(&InfoNce::normalise, "normalise", "Scale queries, keys and negatives to length 1 first");
    s.param(&InfoNce::batch_negatives, "batch_negatives", "The batch's other keys are negatives too");
    s.input(kQuery).input(kKey).input(kNegatives);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const bool queue = in.has(kNegatives);
    if (!queue && !batch_negatives)
      throw cdc::Error("loss.infonce has no negatives: connect 'negatives' to a queue of keys, or set batch_negatives = true");
    const auto embedding = [this](const at::Tensor& x) { return normalise ? cdc_loss::unit_length(x) : x; };
    const at::Tensor query = embedding(in[kQuery]) / tau;
    const std::int64_t views = query.size(0), batch = query.size(1);
    if (queue && !batch_negatives && in[kNegatives].size(1) == 0)
      in.step().nothing_counts("its input 'negatives' is empty: a queue fills after the first step, from its start_epoch on");
    at::Tensor to_queue;
    if (queue) to_queue = query.matmul(embedding(in[kNegatives].detach())[0].t());
    const auto index = query.options().dtype(at::kLong);
    const at::Tensor own = batch_negatives ? at::arange(batch, index).repeat({views}) : at::zeros({views * batch}, index);
    return cdc_loss::mean_over_pairs(embedding(in[kKey].detach()), [&](const at::Tensor& key) {
      at::Tensor s = batch_negatives ? at::bmm(query, key.transpose(1, 2)) : (query * key).sum(-1, /*keepdim=*/true);
      if (queue) s = at::cat({s, to_queue}, -1);
      return at::cross_entropy_loss(s.flatten(0, 1), own);
    });
  }
};

}  // namespace
CDC_PLUGIN(InfoNce, "loss.infonce")
