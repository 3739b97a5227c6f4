#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/softmax.h>

#include "terms.hpp"

namespace {

/// The loss of "CDC / CLC" (arXiv 2306.05439) as this project reconstructs it from the abstract. For a query i of one view and keys j of another:
///   s_ij = q_c,i . k_c,j / tau_c + q_n,i . q_n,j / tau_n,   L_i = -log(exp(s_ii) / sum_j exp(s_ij)),
/// with q_c the normalised cluster scores, k_c the codes (constants) and q_n the instance embeddings; the mean over samples and over all ordered
/// pairs of views. Since exp(s_ij) = w_ij exp(q_c,i . k_c,j / tau_c) with w_ij = exp(q_n,i . q_n,j / tau_n), the instance part weights the negatives.
class CdcLoss final : public cdc::Loss {
 public:
  double tau_c = 0.2, tau_n = 0.2, swap_weight = 0.0, swap_temperature = 0.1;
  std::string normalise = "l2";
  bool use_instance = true;
  static constexpr cdc::In<cdc::Logits> kCluster{"cluster", "z_c: cluster logits"};
  static constexpr cdc::In<cdc::Embeddings> kInstance{"instance", "z_n: instance embeddings of length 1", "V,B,I"};
  static constexpr cdc::In<cdc::Codes> kCodes{"codes", "Codes of the same views"};
  static constexpr cdc::In<cdc::Codes> kQueueCodes{"queue_codes", "Codes of further negatives, such as a momentum encoder's queue", "1,Q,K", true};
  static constexpr cdc::In<cdc::Embeddings> kQueueInstance{"queue_instance", "Instance embeddings of the same further negatives", "1,Q,I", true};

  static void describe(cdc::Schema<CdcLoss>& s) {
    s.summary("Contrast of cluster scores with the other views' codes, its negatives weighted by the instance embeddings.");
    s.param(&CdcLoss::tau_c, "tau_c", "Temperature of the cluster part").range(1e-3, 100);
    s.param(&CdcLoss::tau_n, "tau_n", "Temperature of the instance part").range(1e-3, 100);
    s.param(&CdcLoss::normalise, "normalise", "How cluster logits are normalised: length 1, softmax, or taken as they come")
        .choices({"l2", "softmax", "none"});
    s.param(&CdcLoss::use_instance, "use_instance", "false leaves the instance part out");
    s.param(&CdcLoss::swap_weight, "swap_weight", "Weight of the swapped prediction term: cross-entropy of the prediction with another view's codes")
        .range(0, 1e3);
    s.param(&CdcLoss::swap_temperature, "swap_temperature",
            "Temperature of that prediction, softmax(q_c / t); with normalise = softmax it is q_c itself")
        .range(1e-3, 100);
    s.input(kCluster).input(kInstance).input(kCodes).input(kQueueCodes).input(kQueueInstance);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor& logits = in[kCluster];
    const at::Tensor codes = in[kCodes].detach();
    const std::int64_t views = logits.size(0), batch = logits.size(1), clusters = logits.size(2);
    cdc_loss::needs_two_views("loss.cdc", views);
    const bool queue = in.has(kQueueCodes);
    if (queue && use_instance && !in.has(kQueueInstance))
      throw cdc::Error("loss.cdc has queue_codes but no queue_instance: connect both, or set use_instance = false");

    const bool softmax = normalise == "softmax", swapped = swap_weight > 0;
    at::Tensor q = logits, log_prediction;
    if (softmax && swapped) {
      log_prediction = at::log_softmax(logits, -1);
      q = log_prediction.exp();
    } else if (softmax) {
      q = at::softmax(logits, -1);
    } else if (normalise == "l2") {
      q = cdc_loss::unit_length(logits);
    }
    if (swapped && !softmax) log_prediction = at::log_softmax(q / swap_temperature, -1);

    // Both parts side by side, so that one product gives s: [q_c / tau_c, q_n / tau_n] . [k_c, q_n].
    at::Tensor query = q / tau_c, key = codes;
    if (use_instance) {
      const at::Tensor& instance = in[kInstance];
      query = at::cat({query, instance / tau_n}, -1);
      key = at::cat({key, instance}, -1);
    }
    at::Tensor further;
    if (queue) {
      further = in[kQueueCodes];
      if (use_instance) further = at::cat({further, in[kQueueInstance]}, -1);
      further = further.detach().expand({views, -1, -1});
    }
    const at::Tensor own = at::arange(batch, logits.options().dtype(at::kLong)).repeat({views});
    at::Tensor total;
    // Each shift d pairs view i with view i + d: together all ordered pairs.
    for (std::int64_t d = 1; d < views; ++d) {
      at::Tensor keys = at::roll(key, -d, 0);
      if (queue) keys = at::cat({keys, further}, 1);
      at::Tensor loss = at::cross_entropy_loss(at::bmm(query, keys.transpose(1, 2)).flatten(0, 1), own);
      if (swapped) {
        const at::Tensor target = at::roll(codes, -d, 0).reshape({-1, clusters});
        // Cross-entropy by probabilities of logits that are normalised already: the mean over all samples of -sum_k target_k log_prediction_k.
        loss = loss - (target * log_prediction.reshape({-1, clusters})).sum() * (swap_weight / static_cast<double>(views * batch));
      }
      total = total.defined() ? total + loss : loss;
    }
    return views == 2 ? total : total / static_cast<double>(views - 1);
  }
};

}  // namespace
CDC_PLUGIN(CdcLoss, "loss.cdc")
