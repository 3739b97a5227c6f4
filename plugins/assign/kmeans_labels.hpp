#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include "cdc/kmeans.hpp"
#include "cdc/schema.hpp"

/// k-means over the whole set, for the assignments that are made of it.
namespace cdc_assign {

/// Declares parameters `clusters`, `restarts`, `max_iterations` and `init` of T.
template <class T>
void kmeans_parameters(cdc::Schema<T>& s) {
  s.param(&T::clusters, "clusters", "Number of clusters K").range(2, 1e6).required();
  s.param(&T::restarts, "restarts", "Starts of k-means; the one of least inertia is kept").range(1, 1000);
  s.param(&T::max_iterations, "max_iterations", "Iterations of a start at most").range(1, 1e6);
  s.param(&T::init, "init", "First centres: k-means++ (by distance) or random samples, which for thousands of clusters is much quicker")
      .choices({"k-means++", "random"});
  s.size("K", &T::clusters);
}

struct Clustering {
  at::Tensor labels;   ///< [N] int32
  at::Tensor centres;  ///< [K, D]
};

/// Of x [N, D] float32, with the parameters of `node`.
template <class T>
Clustering cluster(const at::Tensor& x, const T& node, std::uint64_t seed) {
  cdc::KMeansOptions options;
  options.clusters = node.clusters;
  options.restarts = node.restarts;
  options.max_iterations = node.max_iterations;
  options.start = node.init == "random" ? cdc::KMeansOptions::Start::random : cdc::KMeansOptions::Start::kmeans_plus_plus;
  options.seed = seed;
  cdc::KMeansResult found = cdc::kmeans(x.data_ptr<float>(), x.size(0), x.size(1), options);
  return {at::from_blob(found.labels.data(), {x.size(0)}, at::kInt).clone(),
          at::from_blob(found.centres.data(), {node.clusters, x.size(1)}, at::kFloat).clone()};
}

}  // namespace cdc_assign
