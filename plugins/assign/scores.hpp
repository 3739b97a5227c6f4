#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>

#include <string>

#include "cdc/schema.hpp"

/// What assignments share: how scores are normalised before, how codes are made one-hot after.
namespace cdc_assign {

/// Declares parameter `normalise` of T.
template <class T>
void normalise_parameter(cdc::Schema<T>& s) {
  s.param(&T::normalise, "normalise", "What is done to the scores of a sample first: nothing, scale to length 1, softmax, or its logarithm")
      .choices({"none", "l2", "softmax", "log_softmax"});
}

/// Scores [V, B, K] as parameter `normalise` wants them.
inline at::Tensor normalised(const at::Tensor& scores, const std::string& normalise) {
  if (normalise == "softmax") return at::softmax(scores, -1);
  if (normalise == "log_softmax") return at::log_softmax(scores, -1);
  if (normalise == "l2") return scores / at::linalg_vector_norm(scores, 2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
  return scores;
}

/// One-hot codes: the largest of each row.
inline at::Tensor one_hot(const at::Tensor& codes) {
  return at::zeros_like(codes).scatter_(-1, codes.argmax(-1, /*keepdim=*/true), 1.0);
}

}  // namespace cdc_assign
