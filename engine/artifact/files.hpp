#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "artifact/array_file.hpp"

namespace cdc {

// What whole-or-not-at-all files share.

std::string errno_text(int number);
/// What to do about it, as the end of a sentence; empty where there is nothing to say.
std::string remedy_for(int number);
[[noreturn]] void fail_writing(const std::filesystem::path& path, int number);

/// A name beside `path` that no other process or thread uses. Hidden, so that globs do not see it.
std::filesystem::path temporary_name(const std::filesystem::path& path);
/// Removes what killed processes left of `path`. Only for its one owner.
void remove_temporaries(const std::filesystem::path& path);
/// With the folders above it. Gives true where it made it. cdc::Error naming it.
bool make_folder(const std::filesystem::path& folder);
/// Flushes a folder's entries, so that a rename outlives a power cut.
void sync_folder(const std::filesystem::path& folder);
/// Gives a finished temporary file its name, for good where `sync`.
void show_file(const std::filesystem::path& temporary, const std::filesystem::path& path, bool sync = true);
/// A file opened for reading, and its size. cdc::Error naming it where it cannot be, or is no plain file.
int open_file(const std::filesystem::path& path, std::uint64_t& size);
/// The bytes of such a file, mapped, read-only, alive as long as the pointer; nullptr for none.
std::shared_ptr<const char> map_file(int fd, std::uint64_t size, const std::filesystem::path& path);
/// Writes a file of these parts, one after the other, as write_file() does: whole or not at all.
void write_parts(const std::filesystem::path& path, const std::vector<std::string_view>& parts, Durable durable = Durable::all);

}  // namespace cdc
