#pragma once

#include <filesystem>
#include <string>

#include "cdc/export.hpp"

namespace cdc {

/// Makes the folder of a sweep's runs and tables, and marks it as one (sweep.json), where it is missing or empty. cdc::Error where it holds what no
/// sweep wrote: nothing is changed then. Of before there was a mark, a folder is a sweep's by what is in cells/.
CDC_API void claim_sweep_folder(const std::filesystem::path& folder, const std::string& sweep);

}  // namespace cdc
