#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/argmax.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace cdc_stage {

/// How evenly a batch's predictions spread: collapse shows here long before it does in a loss.
struct ClusterCounts {
  std::vector<std::int64_t> count;
  void add(const at::Tensor& logits) {
    const at::Tensor cluster = logits.detach()[0].argmax(1).cpu();
    count.resize(static_cast<std::size_t>(logits.size(2)));
    const std::int64_t* c = cluster.data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < cluster.numel(); ++i) ++count[static_cast<std::size_t>(c[i])];
  }
  std::int64_t total() const {
    std::int64_t n = 0;
    for (const std::int64_t c : count) n += c;
    return n;
  }
  /// Entropy of the cluster sizes over log K: 1 = all the same size, 0 = one cluster.
  double entropy() const {
    if (count.size() < 2) return 0;
    const auto n = static_cast<double>(total());
    double h = 0;
    for (const std::int64_t c : count)
      if (c > 0) h -= static_cast<double>(c) / n * std::log(static_cast<double>(c) / n);
    return h / std::log(static_cast<double>(count.size()));
  }
  double largest_share() const { return static_cast<double>(*std::max_element(count.begin(), count.end())) / static_cast<double>(total()); }
};

}  // namespace cdc_stage
