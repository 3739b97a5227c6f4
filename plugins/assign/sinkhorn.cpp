#include "cdc/sinkhorn.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "cdc/ring.hpp"
#include "scores.hpp"
#include "whole_set.hpp"

namespace {

/// The definition on tensors, for devices other than the CPU: logarithms throughout.
at::Tensor sinkhorn_on_device(const at::Tensor& scores, const cdc::SinkhornOptions& options, const at::Tensor& log_marginal) {
  at::Tensor q = scores / options.epsilon;
  const double rows = static_cast<double>(scores.size(0));
  for (int i = 0; i < options.iterations; ++i) {
    q = q - at::logsumexp(q, 0, /*keepdim=*/true) + log_marginal + std::log(rows);
    q = at::log_softmax(q, 1);
  }
  return q.exp();
}

/// Balanced codes (SwAV, arXiv 2006.09882, equation 3). SeLa's labels (Asano et al., arXiv 1911.05371, equations 5 to 7) are those of the whole set,
/// one-hot, on log-probabilities with epsilon = 1 / lambda: over = "set", normalise = "log_softmax", epsilon = 0.04, hard = true, iterations = 100.
/// SeLa's code looks at the whole set at times spread over the training, and iterates until labels stand still.
class Sinkhorn final : public cdc::Node {
 public:
  std::string over = "batch";
  std::int64_t every = 1;
  std::string normalise = "none";
  double epsilon = 0.05;
  int iterations = 3;
  bool hard = false, jointly = false;
  std::vector<double> prior;
  std::int64_t queue_size = 0, start_epoch = 0;
  /// The last scores of each view: [V, queue_size, K], a ring, and its place; of all views [1, queue_size, K] where they are balanced jointly.
  at::Tensor queue, place;
  at::Tensor kept;  ///< [N, K] codes of the whole set

  static constexpr cdc::In<cdc::Logits> kLogits{"logits", "Scores of the clusters"};
  static constexpr cdc::Out<cdc::Codes> kCodes{"codes", "Soft (or one-hot) balanced assignment of each sample of each view"};

  static void describe(cdc::Schema<Sinkhorn>& s) {
    s.summary(
        "Balanced codes by Sinkhorn-Knopp: rows sum to 1, clusters get their share of the batch (each view by itself, or all), or of the whole set.");
    cdc_assign::over_parameters(s);
    cdc_assign::normalise_parameter(s);
    s.param(&Sinkhorn::epsilon, "epsilon", "Weight of the entropy: smaller makes codes harder").range(1e-4, 1e4);
    s.param(&Sinkhorn::iterations, "iterations", "Number of iterations").range(1, 10000);
    s.param(&Sinkhorn::hard, "hard", "One-hot codes: the largest of each row");
    s.param(&Sinkhorn::jointly, "jointly", "The views of a batch are balanced together, as one set of V * B rows, not each by itself");
    s.param(&Sinkhorn::prior, "prior", "The share of each cluster, positive, K numbers; empty: all equal").at_least(0);
    s.param(&Sinkhorn::queue_size, "queue_size",
            "Scores of earlier batches that are balanced together with the batch, samples a view (jointly: of all views); 0: none")
        .range(0, 1e8);
    s.param(&Sinkhorn::start_epoch, "start_epoch", "First epoch (from 0) whose scores enter the queue; it is used once it is full").range(0, 1e6);
    s.input(kLogits).output(kCodes).full_precision().no_gradient();
    s.state(&Sinkhorn::queue, "queue").state(&Sinkhorn::place, "queue_place").state(&Sinkhorn::kept, "codes");
  }

  void check() const override {
    if (over == "set" && queue_size > 0)
      throw cdc::Error(
          "'queue_size' fills up small batches, but with over = \"set\" no batch is balanced by itself: set queue_size = 0, or over = \"batch\"");
    if (over == "set" && jointly)
      throw cdc::Error("'jointly' joins the views of a batch, but with over = \"set\" a sample has one code for all views: leave one of the two out");
    for (const double share : prior)
      if (!(share > 0)) throw cdc::Error("every share of 'prior' must be positive: Sinkhorn has no solution with an empty cluster");
  }

  void build(const cdc::BuildContext& context) override {
    const std::int64_t clusters = context.size("K");
    if (!prior.empty()) {
      if (static_cast<std::int64_t>(prior.size()) != clusters)
        throw cdc::Error(fmt::format("node '{}': 'prior' has {} shares, but there are {} clusters", context.name, prior.size(), clusters));
      const double total = std::accumulate(prior.begin(), prior.end(), 0.0);
      for (const double share : prior) marginal_.push_back(static_cast<float>(share / total));
      log_marginal_ = at::tensor(marginal_).log();
    } else {
      log_marginal_ = at::tensor(-std::log(static_cast<double>(clusters)), at::kFloat);
    }
    queue = at::zeros({queue_size == 0 ? 0 : jointly ? 1 : context.size("V"), queue_size, clusters});
    place = at::zeros({2}, at::kLong);
    kept = at::empty({0, clusters});
  }

  void begin_epoch(cdc::WholeSet& all) override {
    if (over != "set" || !cdc_assign::due(all, every)) return;
    const at::Tensor scores = cdc_assign::normalised(all.features(kLogits), normalise).contiguous();
    if (scores.size(1) > scores.size(0))
      throw cdc::Error(
          fmt::format("a set of {} samples cannot fill {} clusters evenly: lower the number of clusters", scores.size(0), scores.size(1)));
    at::Tensor codes = at::empty_like(scores);
    balance(scores, codes);
    kept = (hard ? cdc_assign::one_hot(codes) : codes).to(kept.device());
  }

  void forward(cdc::Step& step) override {
    const at::Tensor by_view = cdc_assign::normalised(step.in(kLogits).detach(), normalise).contiguous();
    const std::int64_t views = by_view.size(0), batch = by_view.size(1), clusters = by_view.size(2);
    if (step.training() && over == "set") {
      step.out(kCodes, cdc_assign::of_batch(kept, step).expand(by_view.sizes()));
      return;
    }
    const std::int64_t together = jointly ? views : 1;
    if (step.training() && clusters > together * batch + queue_size)
      throw cdc::Error(fmt::format(
          "a batch of {} samples cannot fill {} clusters evenly{}: raise batch_size to {} or more, or set queue_size (a few times the "
          "number of clusters)",
          batch, clusters, queue_size > 0 ? fmt::format(", even with a queue of {}", queue_size) : "", (clusters + together - 1) / together));
    const at::Tensor scores = by_view.view({views / together, together * batch, clusters});
    at::Tensor codes = at::empty_like(scores);
    const bool queued = step.training() && queue_size > 0 && cdc::ring_count(place) == queue_size && step.epoch() >= start_epoch;
    for (std::int64_t v = 0; v < scores.size(0); ++v) balance(queued ? at::cat({queue[v], scores[v]}) : scores[v], codes[v]);
    if (hard) codes = cdc_assign::one_hot(codes);
    if (step.training() && queue_size > 0 && step.epoch() >= start_epoch) newest_ = scores;
    step.out(kCodes, codes.view(by_view.sizes()));
  }

  void after_step(cdc::Step&) override {
    if (!newest_.defined()) return;
    cdc::ring_enter(queue, place, newest_);
    newest_ = at::Tensor();
  }

  void move_to(c10::Device device) override { log_marginal_ = log_marginal_.to(device); }

 private:
  /// Codes [B, K] of the last B rows of `scores`.
  void balance(const at::Tensor& scores, at::Tensor codes) const {
    cdc::SinkhornOptions options;
    options.epsilon = epsilon;
    options.iterations = iterations;
    options.marginal = marginal_.empty() ? nullptr : marginal_.data();
    if (scores.is_cpu()) {
      cdc::sinkhorn(scores.data_ptr<float>(), scores.size(0), scores.size(1), codes.size(0), options, codes.data_ptr<float>());
      return;
    }
    const at::Tensor all = sinkhorn_on_device(scores, options, log_marginal_);
    if (!at::isfinite(all.sum()).item<bool>())
      throw cdc::Error("Sinkhorn needs finite scores, but some are not; the network that gave them has diverged");
    codes.copy_(all.narrow(0, all.size(0) - codes.size(0), codes.size(0)));
  }

  std::vector<float> marginal_;
  at::Tensor log_marginal_, newest_;
};

}  // namespace
CDC_PLUGIN(Sinkhorn, "assign.sinkhorn")
