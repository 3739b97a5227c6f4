#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cdc/plugin.hpp"

namespace cdc {

/// What is read of a plugin library's file.
struct LibraryFile {
  std::vector<AbiTag> tags;  ///< from the section `.cdc_abi`, one a source file that says CDC_PLUGIN
  /// Hash of what is loaded of it: code, constants, symbols. Not of notes (the build's id), debug information and other sections that stay on disk:
  /// the same code built again has the same hash.
  std::string code;
};

/// Reads the ELF file: none of its code runs. PluginError where it cannot be read, is no shared object for this machine, is cut short, or has no tag.
CDC_API LibraryFile read_library(const std::filesystem::path& library);

/// Why a library with this tag cannot be used with this engine, as a clause ("it was built for ..., this engine ..."); empty where it can.
CDC_API std::string abi_mismatch(const AbiTag& tag);

}  // namespace cdc
