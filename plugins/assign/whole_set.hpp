#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/node.hpp"

/// What assignments share that are made for the whole set at epochs' starts.
namespace cdc_assign {

/// Declares parameter `every` of T.
template <class T>
cdc::ParameterBuilder every_parameter(cdc::Schema<T>& s, std::string doc = "Epochs between two looks at the whole set") {
  return s.param(&T::every, "every", std::move(doc)).at_least(1);
}
/// Declares parameters `over` and `every` of T.
template <class T>
void over_parameters(cdc::Schema<T>& s) {
  s.param(&T::over, "over",
          "Where codes are balanced and made: in each batch, from the scores as they are, or over the whole set, where they stay for epochs")
      .choices({"batch", "set"});
  every_parameter(s, "With over = set: epochs between two looks at the whole set");
}

/// Whether an epoch begins in which the whole set is looked at.
inline bool due(const cdc::WholeSet& all, std::int64_t every) { return all.epoch() % every == 0; }

/// What the port gives for each sample of the set, [N, ...].
template <class T>
at::Tensor finite_features(cdc::WholeSet& all, const cdc::In<T>& port) {
  const at::Tensor x = all.features(port).contiguous();
  if (!x.isfinite().all().template item<bool>())
    throw cdc::Error(fmt::format("what its input '{}' gives for the whole set is not finite everywhere: lower the learning rate", port.name));
  return x;
}

/// The batch's rows of what is kept for each sample of the set: [N, ...] to [B, ...].
inline at::Tensor of_batch(const at::Tensor& kept, const cdc::Step& step) {
  const std::int64_t last = step.indices().max().item<std::int64_t>();
  if (last >= kept.size(0))
    throw cdc::Error(
        fmt::format("it has no code for sample {}: codes are made at the start of an epoch, for the {} samples trained on", last, kept.size(0)));
  return kept.index_select(0, step.indices().to(kept.device()));
}

/// One-hot codes [1, B, K] of labels [B].
inline at::Tensor codes_of(const at::Tensor& labels, std::int64_t clusters) {
  return at::zeros({labels.size(0), clusters}, labels.options().dtype(at::kFloat)).scatter_(1, labels.to(at::kLong).unsqueeze(1), 1.0).unsqueeze(0);
}

}  // namespace cdc_assign
