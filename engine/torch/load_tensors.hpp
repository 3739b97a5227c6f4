#pragma once

#include <cstddef>
#include <vector>

#include "cdc/session.hpp"

namespace cdc {

/// Copies `saved` into tensors of the same names. cdc::Error with all that has no partner against `names`, or another shape: counts, and the first
/// names. Returns how many were taken.
std::size_t load_tensors(const std::vector<NamedTensor>& ours, const std::vector<NamedTensor>& saved, Names names);

}  // namespace cdc
