#pragma once

#include <cstdint>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

struct SinkhornOptions {
  double epsilon = 0.05;            ///< weight of the entropy: scores are divided by it; > 0
  int iterations = 3;               ///< of columns, then rows; >= 1
  const float* marginal = nullptr;  ///< [columns] the share of each column, > 0, summing to 1; nullptr: all 1 / columns
  bool force_log_domain = false;    ///< never takes the quick way (for tests and benches)
  int vector_width = 0;             ///< 4, 8 or 16 numbers at a time, if the processor can (for tests); 0: its widest
};

struct SinkhornReport {
  bool log_domain = false;  ///< whether the scores' range needed the log domain
};

/// Sinkhorn-Knopp on scores [rows, columns] (row-major, rows = samples): P = diag(u) exp(scores / epsilon) diag(v), where `iterations` times
/// the columns are scaled to their shares of the rows, then the rows to 1 (Cuturi, arXiv 1306.0895; as SwAV, arXiv 2006.09882, uses it). Writes the
/// last `rows_out` rows of P to `codes` [rows_out, columns]: rows sum to 1 in float32 rounding; columns sum to `rows * marginal` as far as the
/// iterations converged. `codes` and `scores` must not overlap.
///
/// The result is that of the log domain whatever the scores' range. The quick way takes exp once, of score minus the row's maximum, and starts with
/// u = exp((row maximum - global maximum) / epsilon), so that it iterates on the same matrix; where anything leaves the range in which float32 keeps
/// its precision, the work is done again on logarithms. Same bits with any number of threads. Error naming row and column where a score is not
/// finite.
CDC_API SinkhornReport sinkhorn(const float* scores, std::int64_t rows, std::int64_t columns, std::int64_t rows_out, const SinkhornOptions& options,
                                float* codes);

}  // namespace cdc
