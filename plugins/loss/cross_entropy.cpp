#include "terms.hpp"

namespace {

/// Cross-entropy of predictions with pseudo-labels: the mean of -sum_k t_k log softmax(logits)_k over the rows that have codes t. A row of zeros is
/// left out, such as that of a sample below a confidence; where all are, nothing counts, and the loss is the constant 0. With class_weights = batch a
/// class counts by the inverse of its share of the batch's codes, so that each class that is there counts alike: SCAN's self-labelling (arXiv
/// 2005.12320, section 2.3; ConfidenceBasedCE of its code, carried over to soft codes).
class CrossEntropy final : public cdc::Loss {
 public:
  std::string class_weights = "none";
  static constexpr cdc::In<cdc::Logits> kLogits{"logits", "Logits of the predictions"};
  static constexpr cdc::In<cdc::Codes> kCodes{
      "codes", "What is to be predicted, a constant: of the same views, or of one for all; rows may be all zero", "T,B,K"};

  static void describe(cdc::Schema<CrossEntropy>& s) {
    s.version(2);
    s.summary("Cross-entropy with codes (pseudo-labels); reports the share of rows that have some as NODE.used.");
    s.param(&CrossEntropy::class_weights, "class_weights", "Weights of the classes: none, or the inverse of each one's share of the batch's codes")
        .choices({"none", "batch"});
    s.input(kLogits).input(kCodes);
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor codes = cdc_loss::constant_target("loss.cross_entropy", in, kCodes, kLogits).expand(in[kLogits].sizes());
    const bool counts = codes.any().item<bool>();  // a NaN does
    if (!counts) in.step().nothing_counts("no row of its input 'codes' has a code");
    const at::Tensor logits = counts ? in[kLogits] : in[kLogits].detach();
    in.step().report("used", (codes.sum(-1) > 0).to(at::kFloat).mean());
    // The smallest numbers stand in for 0 where it would be divided by: then what is divided is 0 as well.
    const at::Tensor weight = class_weights == "batch" ? codes / codes.sum(at::IntArrayRef{0, 1}).clamp_min(1e-30) : codes;
    return (weight * at::log_softmax(logits, -1)).sum() / -weight.sum().clamp_min(1e-30);
  }
};

}  // namespace
CDC_PLUGIN(CrossEntropy, "loss.cross_entropy")
