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
  /// Dataset::fingerprint() of the samples that the rows are of; empty: unknown. The engine fills it in where a stage leaves it empty and all that it
  /// reads, of as many samples, is of one collection.
  std::string collection;
};

/// A cluster for each sample.
struct Assignment {
  std::vector<std::int32_t> cluster;  ///< [N], 0 .. clusters-1
  std::int64_t clusters = 0;          ///< K
  Value protocol;                     ///< table: split trained on, method, chosen epoch and by what rule
  std::string collection;             ///< as that of Features
};

/// False where both are known, and another: what is of one is not to be matched with what is of the other, though both be of as many samples.
inline bool same_collection(const std::string& a, const std::string& b) { return a.empty() || b.empty() || a == b; }

/// Scores of one or more assignments.
struct Scores {
  Value values;  ///< table: name of what was scored -> table of numbers, with "protocol"
};

}  // namespace cdc
