#pragma once

#include <cstddef>
#include <string_view>

#include "cdc/suggest.hpp"

namespace cdc {

/// The number of letters to insert, remove, replace or swap with their neighbour to make one word of the other (optimal string alignment;
/// Damerau 1964, each place edited once).
CDC_API std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace cdc
