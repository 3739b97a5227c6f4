#pragma once

#include <filesystem>
#include <string>

#include "cdc/export.hpp"

namespace cdc {

/// What people write (pipelines, sweeps) is at most this long, in bytes: no reading of it may take all memory, or never end.
inline constexpr std::size_t kLongestText = std::size_t{4} << 20;

struct TextFile {
  std::string text;
  std::string problem;  ///< what is wrong and the remedy, as a sentence's end ("is a folder: ..."); empty where it was read
};

/// Reads a file that people write, whole. With `pipes` it may also be a pipe that somebody writes into (/dev/stdin, <(...)), whose end is waited for;
/// a pipe of nobody, a device, a folder, what is too long or no text in UTF-8 is a problem.
CDC_API TextFile read_text(const std::filesystem::path& path, bool pipes);

}  // namespace cdc
