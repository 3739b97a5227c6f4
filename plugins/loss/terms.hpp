#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/roll.h>
#include <fmt/format.h>

#include <limits>

#include "cdc/error.hpp"
#include "cdc/loss.hpp"

/// What more than one loss has: rules on views, and terms of formulas.
namespace cdc_loss {

/// For losses that compare views with one another: cdc::Error where there is only one.
inline void needs_two_views(const char* plugin, std::int64_t views) {
  if (views < 2)
    throw cdc::Error(fmt::format("{} compares views with one another and needs at least two: set views = 2 (or more) in the augment node", plugin));
}

/// The target [T, B, ...] of a prediction [V, B, ...]: a constant, of the same views or of one for all; cdc::Error where T is neither V nor 1.
template <class T, class P>
at::Tensor constant_target(const char* plugin, const cdc::LossInputs& in, const cdc::In<T>& target, const cdc::In<P>& prediction) {
  const std::int64_t given = in[target].size(0), wanted = in[prediction].size(0);
  if (given != 1 && given != wanted)
    throw cdc::Error(
        fmt::format("{} has {} views of '{}' for {} of '{}': give one for all, or as many", plugin, given, target.name, wanted, prediction.name));
  return in[target].detach();
}

/// The mean of term(other views) over pairs of views: `term` meets an input's view v with view v of what it is given. With one view that is `others`
/// [V, ...] as it is, from another node than the input; with more the pairs are all ordered ones of two different views, a shift of `others` at a
/// time.
template <class F>
at::Tensor mean_over_pairs(const at::Tensor& others, F&& term) {
  const std::int64_t views = others.size(0);
  if (views == 1) return term(others);
  at::Tensor total = term(at::roll(others, -1, 0));
  for (std::int64_t d = 2; d < views; ++d) total = total + term(at::roll(others, -d, 0));
  return views == 2 ? total : total / static_cast<double>(views - 1);
}

/// x / max(|x|, 1e-12) over the last dimension.
inline at::Tensor unit_length(const at::Tensor& x) { return x / at::linalg_vector_norm(x, 2, {-1}, /*keepdim=*/true).clamp_min(1e-12); }

/// -sum_k p_k log p_k over the last dimension. A p_k of 0 adds nothing and has a finite gradient, which at::xlogy(p, p) has not.
inline at::Tensor entropy(const at::Tensor& p) { return -(p * p.clamp_min(1e-30).log()).sum(-1); }

/// NT-Xent (arXiv 2002.05709, equation 1) of z [V, N, D], V > 1: each of the V * N rows picks the other views of itself among all other rows, by
/// softmax(z_i . z_j / tau). With more than two views the mean of -log p over a row's positives.
inline at::Tensor nt_xent(const at::Tensor& views_of_z, double tau) {
  const std::int64_t views = views_of_z.size(0), rows = views_of_z.size(1), all = views * rows;
  const at::Tensor z = views_of_z.flatten(0, 1);
  at::Tensor s = at::mm(z / tau, z.t());
  s.fill_diagonal_(-std::numeric_limits<double>::infinity());  // a row is not its own negative
  const at::Tensor index = at::arange(all, z.options().dtype(at::kLong));
  if (views == 2) return at::cross_entropy_loss(s, (index + rows).remainder(all));
  const at::Tensor log_p = at::log_softmax(s, 1);
  at::Tensor total;
  for (std::int64_t d = 1; d < views; ++d) {
    const at::Tensor positive = log_p.gather(1, (index + d * rows).remainder(all).unsqueeze(1)).mean();
    total = total.defined() ? total + positive : positive;
  }
  return -total / static_cast<double>(views - 1);
}

}  // namespace cdc_loss
