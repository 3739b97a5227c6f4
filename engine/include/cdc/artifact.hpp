#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cdc/ports.hpp"
#include "cdc/value.hpp"

namespace cdc {

/// A matrix of features, row-major float32 [rows, columns]; the memory may be a mapped cache file.
struct Features {
  std::int64_t rows = 0, columns = 0;
  std::shared_ptr<const float> data;
  Value protocol;  ///< table: what they were taken of ("split", "node", ...)
};

/// A cluster for each sample.
struct Assignment {
  std::vector<std::int32_t> cluster;  ///< [N], 0 .. clusters-1
  std::int64_t clusters = 0;          ///< K
  Value protocol;                     ///< table: split trained on, method, chosen epoch and by what rule
};

/// Scores of one or more assignments.
struct Scores {
  Value values;  ///< table: name of what was scored -> table of numbers, with "protocol"
};

}  // namespace cdc
