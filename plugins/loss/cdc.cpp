#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/softmax.h>

#include "terms.hpp"

namespace {

/// The loss of "CDC / CLC" (arXiv 2306.05439) as this project reconstructs it from the abstract. For a query i of one view and keys j of another:
///   s_ij = q_c,i . k_c,j / tau_c + q_n,i . k_n,j / tau_n,   L_i = -log(exp(s_ii) / sum_j exp(s_ij)),
/// with q_c the normalised cluster scores, k_c the codes (constants), q_n the instance embeddings, and k_n those of the keys: the same embeddings, or
/// a momentum encoder's (constants); the mean over samples and over all ordered pairs of views. Since exp(s_ij) = w_ij exp(q_c,i . k_c,j / tau_c)
/// with w_ij = exp(q_n,i . k_n,j / tau_n), the instance part weights the negatives. Small crops (multi-crop, SwAV, arXiv 2006.09882, section 3.2) are
/// queries that meet the keys of every view and are no keys themselves; each pair of a crop and a view weighs as much as a pair of views.
class CdcLoss final : public cdc::Loss {
 public:
  double tau_c = 0.2, tau_n = 0.2, swap_weight = 0.0, swap_temperature = 0.1;
  std::string normalise = "l2";
  bool use_instance = true;
  static constexpr cdc::In<cdc::Logits> kCluster{"cluster", "z_c: cluster logits"};
  static constexpr cdc::In<cdc::Embeddings> kInstance{"instance", "z_n: instance embeddings of length 1", "V,B,I"};
  static constexpr cdc::In<cdc::Codes> kCodes{"codes", "Codes of the same views"};
  static constexpr cdc::In<cdc::Embeddings> kKeyInstance{"key_instance", "A momentum encoder's z_n of the same views, for the keys; else 'instance'",
                                                         "V,B,I", true};
  static constexpr cdc::In<cdc::Codes> kQueueCodes{"queue_codes", "Codes of further negatives, such as a momentum encoder's queue", "1,Q,K", true};
  static constexpr cdc::In<cdc::Embeddings> kQueueInstance{"queue_instance", "Instance embeddings of the same further negatives", "1,Q,I", true};
  static constexpr cdc::In<cdc::Logits> kCropCluster{"crop_cluster", "z_c of small crops, further queries", "W,B,K", true};
  static constexpr cdc::In<cdc::Embeddings> kCropInstance{"crop_instance", "z_n of the same small crops", "W,B,I", true};

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
    s.input(kCluster).input(kInstance).input(kCodes).input(kKeyInstance).input(kQueueCodes).input(kQueueInstance);
    s.input(kCropCluster).input(kCropInstance);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor codes = in[kCodes].detach();
    const std::int64_t views = codes.size(0);
    cdc_loss::needs_two_views("loss.cdc", views);
    const bool queue = in.has(kQueueCodes), crops = in.has(kCropCluster);
    if (queue && use_instance && !in.has(kQueueInstance))
      throw cdc::Error("loss.cdc has queue_codes but no queue_instance: connect both, or set use_instance = false");
    if (crops && use_instance && !in.has(kCropInstance))
      throw cdc::Error("loss.cdc has crop_cluster but no crop_instance: connect both, or set use_instance = false");
    if (!crops && in.has(kCropInstance)) throw cdc::Error("loss.cdc has crop_instance but no crop_cluster: connect both or neither");

    // Both parts side by side, so that one product gives s: [q_c / tau_c, q_n / tau_n] . [k_c, k_n].
    at::Tensor key = codes, further;
    if (use_instance) key = at::cat({key, in.has(kKeyInstance) ? in[kKeyInstance].detach() : in[kInstance]}, -1);
    if (queue) {
      further = in[kQueueCodes];
      if (use_instance) further = at::cat({further, in[kQueueInstance]}, -1);
      further = further.detach();
    }
    const Queries full = queries(in[kCluster], use_instance ? in[kInstance] : at::Tensor());
    at::Tensor total;
    // Each shift d pairs view i with view i + d: together all ordered pairs.
    for (std::int64_t d = 1; d < views; ++d) {
      const at::Tensor loss = mean_loss(full, at::roll(key, -d, 0), at::roll(codes, -d, 0), further);
      total = total.defined() ? total + loss : loss;
    }
    if (!crops) return views == 2 ? total : total / static_cast<double>(views - 1);

    const Queries small = queries(in[kCropCluster], use_instance ? in[kCropInstance] : at::Tensor());
    const std::int64_t count = small.query.size(0);
    at::Tensor of_crops;
    for (std::int64_t v = 0; v < views; ++v) {
      const at::Tensor loss = mean_loss(small, key.narrow(0, v, 1).expand({count, -1, -1}), codes.narrow(0, v, 1).expand({count, -1, -1}), further);
      of_crops = of_crops.defined() ? of_crops + loss : loss;
    }
    // `total` stands for views * (views - 1) pairs, a mean over `views` of them at a time; `of_crops` for count * views, a mean over `count` at a
    // time.
    const double pairs = static_cast<double>(views - 1 + count);
    return total / pairs + of_crops * (static_cast<double>(count) / (static_cast<double>(views) * pairs));
  }

 private:
  struct Queries {
    at::Tensor query;           ///< [V, B, K + I] (or K): divided by their temperatures
    at::Tensor log_prediction;  ///< [V, B, K] for the swapped term; undefined without it
  };

  Queries queries(const at::Tensor& logits, const at::Tensor& instance) const {
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
    const at::Tensor scaled = q / tau_c;
    return {instance.defined() ? at::cat({scaled, instance / tau_n}, -1) : scaled, log_prediction};
  }

  /// The mean over the queries [V, B, ...] of their loss, view v against keys[v] and `further` [1, Q, ...] where that is defined.
  at::Tensor mean_loss(const Queries& of, at::Tensor keys, const at::Tensor& codes, const at::Tensor& further) const {
    const std::int64_t views = keys.size(0), batch = keys.size(1), clusters = codes.size(2);
    if (further.defined()) keys = at::cat({keys, further.expand({views, -1, -1})}, 1);
    const at::Tensor own = at::arange(batch, keys.options().dtype(at::kLong)).repeat({views});
    at::Tensor loss = at::cross_entropy_loss(at::bmm(of.query, keys.transpose(1, 2)).flatten(0, 1), own);
    // Cross-entropy by probabilities of logits that are normalised already: the mean over all samples of -sum_k code_k log_prediction_k.
    if (of.log_prediction.defined())
      loss = loss -
             (codes.reshape({-1, clusters}) * of.log_prediction.reshape({-1, clusters})).sum() * (swap_weight / static_cast<double>(views * batch));
    return loss;
  }
};

}  // namespace
CDC_PLUGIN(CdcLoss, "loss.cdc")
