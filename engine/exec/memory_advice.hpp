#pragma once

#include <string>

#include "graph/plan.hpp"

namespace cdc {

/// Whether an error's text is of memory that ran out, of the machine or a GPU.
bool is_of_memory(const std::string& text);

/// What to lower of a stage so that it needs less memory: "; lower batch_size = 256 (p.toml:12:1), ...": each with its value and place.
std::string memory_advice(const PlannedStage& stage);

}  // namespace cdc
