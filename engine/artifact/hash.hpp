#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "cdc/export.hpp"
#include "cdc/value.hpp"

namespace cdc {

/// 128-bit XXH3 as 32 hexadecimal digits. Not against forgers: against accidents.
CDC_API std::string hash_text(std::string_view text);
CDC_API std::string hash_bytes(const void* data, std::size_t size);

/// How many bytes of those that have to be read are; called from any thread, one at a time. May throw, which comes out.
using ReadProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// What a stage's key holds of a path it reads: of a file its bytes; of a folder the relative paths and bytes of the files below it, wherever it lies
/// and whatever their times. Hidden files and what systems leave behind (Thumbs.db, @eaDir, ...) do not count; a link that leads nowhere does by its
/// name. A file's hash is remembered under `memo_folder` by (path, size, times, inode), so that it is read once; empty: not remembered.
/// cdc::Error where the path cannot be read.
CDC_API std::string fingerprint(const std::filesystem::path& path, const std::filesystem::path& memo_folder, const ReadProgress& progress = {});
/// Whether the file is there, and is what a memo of fingerprint() says of it under "identity".
bool is_unchanged(const std::filesystem::path& path, const Value& known);
/// The ending of a memo of a folder's files: the folder's path, then for each file its name, state and hash, each ended by a NUL.
inline constexpr const char* kFolderMemo = ".files";

}  // namespace cdc
