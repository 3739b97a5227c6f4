#pragma once

#include <cstdint>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

enum class Objective { minimise, maximise };

/// The linear assignment problem: pairs rows with columns, each at most once and min(rows, columns) of them, so that the sum of costs is least (or
/// greatest). Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing 38, 1987;
/// rectangular as in Crouse, "On implementing 2D rectangular assignment algorithms", IEEE TAES 52(4), 2016. O(n^3), whole numbers throughout, so
/// exact.
/// @param cost [rows, columns], row-major, each |cost| <= 2^40 (cdc::Error beyond: sums of potentials could overflow)
/// @return [rows] the column of each row; -1 of a row left over where rows > columns
CDC_API std::vector<std::int32_t> linear_assignment(const std::int64_t* cost, std::int64_t rows, std::int64_t columns, Objective objective);
CDC_API std::vector<std::int32_t> linear_assignment(const std::int32_t* cost, std::int64_t rows, std::int64_t columns, Objective objective);

}  // namespace cdc
