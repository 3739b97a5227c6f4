#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "cdc/neighbors.hpp"
#include "numeric/kmeans_kernels.hpp"

/// What exact and approximate searches for nearest neighbours share.
namespace cdc::neighbors_detail {

/// A row of the data, and its squared distance to a query less |query|^2.
struct Candidate {
  float score;
  std::int32_t index;
  bool operator<(const Candidate& other) const { return score < other.score || (score == other.score && index < other.index); }
};

/// The best `wanted` of the candidates offered. Where they are offered in order of their index, the lower index of equal scores.
class Best {
 public:
  explicit Best(std::int64_t wanted) : wanted_(static_cast<std::size_t>(wanted)) {}
  float threshold() const { return threshold_; }  ///< what is not below it is not wanted
  void offer(float score, std::int32_t index) {
    kept_.push_back({score, index});
    if (kept_.size() == 2 * wanted_) shrink();
  }
  /// In no order.
  const std::vector<Candidate>& finish() {
    if (kept_.size() > wanted_) shrink();
    return kept_;
  }

 private:
  void shrink();
  std::size_t wanted_;
  std::vector<Candidate> kept_;
  float threshold_ = std::numeric_limits<float>::infinity();
};

/// A query while panels pass.
struct Query {
  const float* row;  ///< [d] relative to the mean
  Best* best;        ///< of the rows met so far
  std::int32_t own;  ///< the row of the data that it is itself, no candidate; -1: none
};

/// Offers the panel's rows to `count` queries. `number` [panel.count]: which rows of the data they are.
void offer_panel(const kmeans_detail::Kernels& kernels, const kmeans_detail::Centres::Panel& panel, const std::int32_t* number, const Query* queries,
                 std::int64_t count, std::int64_t d);

/// Rows relative to the mean: float32 products stay exact enough far from 0.
void centre_rows(const float* x, std::int64_t n, std::int64_t d, const std::vector<double>& mean, float* out);

/// A power of two that brings rows whose squares float32 would lose digits of to about 1; 1 for others. `longest_square`: Points::longest_square.
double enlarging_factor(double longest_square);
std::vector<float> multiplied(const float* x, std::int64_t n, std::int64_t d, double factor);

/// cdc::Error naming a row whose products with others float32 cannot hold.
void check_spread(const float* x, std::int64_t n, std::int64_t d, const std::vector<double>& mean);

/// cdc::Error where the k nearest of at most `most` rows cannot be taken.
void check_shape(std::int64_t n, std::int64_t d, std::int64_t k, std::int64_t most);

}  // namespace cdc::neighbors_detail
