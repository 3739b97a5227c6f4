#include "cdc/node.hpp"
#include "scores.hpp"

namespace {

/// Codes of each sample by itself: softmax(scores / temperature). What assign.sinkhorn at epsilon = temperature gives without its balancing.
class Softmax final : public cdc::Node {
 public:
  std::string normalise = "none";
  double temperature = 0.05;
  bool hard = false;

  static constexpr cdc::In<cdc::Logits> kLogits{"logits", "Scores of the clusters"};
  static constexpr cdc::Out<cdc::Codes> kCodes{"codes", "Soft (or one-hot) assignment of each sample of each view"};

  static void describe(cdc::Schema<Softmax>& s) {
    s.summary("Codes without balance: softmax of a sample's scores. Nothing keeps clusters from emptying.");
    cdc_assign::normalise_parameter(s);
    s.param(&Softmax::temperature, "temperature", "Softmax temperature: smaller makes codes harder").range(1e-4, 1e4);
    s.param(&Softmax::hard, "hard", "One-hot codes: the largest of each row");
    s.input(kLogits).output(kCodes).full_precision().no_gradient();
  }

  void forward(cdc::Step& step) override {
    const at::Tensor codes = at::softmax(cdc_assign::normalised(step.in(kLogits).detach(), normalise) / temperature, -1);
    step.out(kCodes, hard ? cdc_assign::one_hot(codes) : codes);
  }
};

}  // namespace
CDC_PLUGIN(Softmax, "assign.softmax")
