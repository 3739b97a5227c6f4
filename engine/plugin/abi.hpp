#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cdc/plugin.hpp"

namespace cdc {

/// The ABI tags of a plugin library (one a source file that says CDC_PLUGIN), read from the section `.cdc_abi` of the ELF file: none of its code
/// runs. PluginError where the file cannot be read, is no shared object for this machine, is cut short, or has no tag.
CDC_API std::vector<AbiTag> read_abi_tags(const std::filesystem::path& library);

/// Why a library with this tag cannot be used with this engine, as a clause ("it was built for ..., this engine ..."); empty where it can.
CDC_API std::string abi_mismatch(const AbiTag& tag);

}  // namespace cdc
