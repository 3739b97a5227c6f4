#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cdc/value.hpp"

namespace cdc {

/// Scalars that nodes report, batch after batch, and their means. See GraphSession::reports().
class Reports {
 public:
  void add(const std::string& name, const at::Tensor& value);
  /// Means by name, in order of first report.
  std::vector<std::pair<std::string, double>> means();
  void clear() { all_.clear(); }
  /// The sums, exactly.
  Value state();
  void restore(const Value& state);

 private:
  struct Report {
    std::string name;
    double sum = 0;
    std::int64_t count = 0;
    std::vector<at::Tensor> pending;  ///< on a GPU: read when asked for, so that a step does not wait for the device
  };
  void read_pending();

  std::vector<Report> all_;
};

}  // namespace cdc
