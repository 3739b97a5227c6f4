#pragma once

#include <string>
#include <vector>

#include "cdc/component.hpp"

namespace cdc::inspect {

/// Plugins by family, a line each.
std::string list_text(const std::vector<const ComponentInfo*>& all);
/// All that a plugin states of itself.
std::string text(const ComponentInfo& info);
/// The same as a table.
Value json(const ComponentInfo& info);

}  // namespace cdc::inspect
