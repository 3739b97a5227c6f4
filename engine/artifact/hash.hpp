#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "cdc/export.hpp"
#include "cdc/value.hpp"

namespace cdc {

/// 128-bit XXH3 as 32 hexadecimal digits. Not against forgers: against accidents.
CDC_API std::string hash_text(std::string_view text);
CDC_API std::string hash_bytes(const void* data, std::size_t size);

/// What a stage's key holds of a path it reads: of a file its bytes; of a folder the relative paths, sizes and times of the files below it.
/// A file's hash is remembered under `memo_folder` by (path, size, time, inode), so that a large file is read once; empty: not remembered.
/// cdc::Error where the path cannot be read.
CDC_API std::string fingerprint(const std::filesystem::path& path, const std::filesystem::path& memo_folder);
/// Whether the file is there, and is what a memo of fingerprint() says of it under "identity".
bool is_unchanged(const std::filesystem::path& path, const Value& known);

}  // namespace cdc
