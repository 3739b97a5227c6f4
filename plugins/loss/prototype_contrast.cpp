#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/loss.hpp"

namespace {

/// The prototypes' part of ProtoNCE (Li et al., arXiv 2005.04966, equation 11): -1/M sum over M clusterings of log p(own prototype), p the softmax
/// over the clustering's prototypes of v . c / phi; a mean over batch and views. The instances' part is loss.infonce; loss.sum adds them. Negatives
/// are all other prototypes, where PCL's code draws 16384 of them. Samples without a code, and clusterings that have none yet, count for nothing.
class PrototypeContrast final : public cdc::Loss {
 public:
  static constexpr cdc::In<cdc::Embeddings> kEmbedding{"embedding", "Embeddings of length 1"};
  static constexpr cdc::In<cdc::Embeddings> kPrototypes{"prototypes", "Of each clustering, prototypes over their concentrations", "1,K,D"};
  static constexpr cdc::In<cdc::Codes> kCodes{"codes", "Of each clustering, in the same order, codes of the batch's samples", "1,B,L"};

  static void describe(cdc::Schema<PrototypeContrast>& s) {
    s.version(2);
    s.summary("PCL's contrast with prototypes, over one or several clusterings.");
    s.input(kEmbedding).input(kPrototypes.as_list()).input(kCodes.as_list());
  }

  at::Tensor compute(const cdc::LossInputs& in) const override {
    const at::Tensor& z = in[kEmbedding];
    const std::vector<at::Tensor> prototypes = in.list(kPrototypes), codes = in.list(kCodes);
    if (prototypes.size() != codes.size())
      throw cdc::Error(
          fmt::format("loss.prototype_contrast has the prototypes of {} clusterings and the codes of {}: name the same nodes in both lists",
                      prototypes.size(), codes.size()));
    at::Tensor total;
    bool any = false;
    for (std::size_t m = 0; m < codes.size(); ++m) {
      if (prototypes[m].size(1) != codes[m].size(2))
        throw cdc::Error(
            fmt::format("clustering {} of loss.prototype_contrast has {} prototypes and codes for {}: name the same nodes in both lists, in "
                        "the same order",
                        m + 1, prototypes[m].size(1), codes[m].size(2)));
      const at::Tensor own = codes[m].detach();
      const bool counts = own.any().item<bool>();
      any = any || counts;
      const at::Tensor log_p = at::log_softmax(at::matmul(counts ? z : z.detach(), prototypes[m].detach()[0].t()), -1);
      const at::Tensor term = (own * log_p).sum() / (own.sum().clamp_min(1) * static_cast<double>(z.size(0)));
      total = total.defined() ? total - term : -term;
    }
    if (!any) in.step().nothing_counts("no clustering of its input 'codes' has a code for a sample");
    return total / static_cast<double>(codes.size());
  }
};

}  // namespace
CDC_PLUGIN(PrototypeContrast, "loss.prototype_contrast")
