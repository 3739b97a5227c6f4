#pragma once

#include <string>
#include <vector>

#include "cdc/artifact.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/schema.hpp"

/// What the clusterings share: parameters, and what is done by them.
namespace cdc_cluster {

/// Declares parameter `normalise` of T.
template <class T>
void normalise_parameter(cdc::Schema<T>& s) {
  s.param(&T::normalise, "normalise", "Bring each row to Euclidean length 1 first (l2), or leave it (none)").choices({"none", "l2"});
}

/// The rows of features as parameter `normalise` wants them. The features stay alive beside it.
class Rows {
 public:
  Rows(const cdc::Features& features, const std::string& normalise) : data_(features.data.get()) {
    if (normalise != "l2") return;
    unit_ = cdc::normalised_rows(data_, features.rows, features.columns);
    data_ = unit_.data();
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  const float* data() const { return data_; }

 private:
  std::vector<float> unit_;
  const float* data_;
};

/// Declares what the k-means clusterings have in common of T: `init`, `spherical`, `normalise`.
template <class T>
void kmeans_parameters(cdc::Schema<T>& s) {
  s.param(&T::init, "init", "First centres: k-means++ (by distance) or random samples").choices({"k-means++", "random"});
  s.param(&T::spherical, "spherical", "Cluster by angle: rows and centres at length 1");
  normalise_parameter(s);
}

inline cdc::KMeansOptions::Start start_of(const std::string& init) {
  return init == "random" ? cdc::KMeansOptions::Start::random : cdc::KMeansOptions::Start::kmeans_plus_plus;
}

}  // namespace cdc_cluster
