#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cdc::cache_folder {

// What a cache's folder is made of, by the names that cdc gives: nothing else in it is ever removed. README.md has the layout.

inline constexpr const char* kEntry = "entry.json";
inline constexpr const char* kStages = "stages";
inline constexpr const char* kCollectLock = "collect.lock";

bool is_key(const std::string& name);                                    ///< 32 hexadecimal digits
bool is_shelf(const std::string& name);                                  ///< the first two of a key
bool is_temporary(const std::string& name);                              ///< of a file that was being written: ".NAME.tmp-PROCESS-N"
bool is_mark(const std::string& name);                                   ///< cdc-cache.json, CACHEDIR.TAG, or one of them being written
bool is_pending(const std::string& name);                                ///< of an entry that was being made: "KEY.PROCESS-N", in tmp/
bool is_real_folder(const std::filesystem::path& path);                  ///< and no link to one
std::vector<std::string> names_in(const std::filesystem::path& folder);  ///< in order; none where it cannot be read

/// Removes of FOLDER/NAME, the folder of an entry or of one that was being made, what cdc wrote, entry.json first, and the folder if nothing else is
/// in it. Follows no link at NAME or below. False where something stays.
bool remove_entry(const std::filesystem::path& folder, const std::string& name);
/// The bytes of the plain files of such a folder.
std::uint64_t bytes_of_entry(const std::filesystem::path& folder);

/// Makes the marks that say that the folder is a cache, and its parts, where they are missing.
void make_cache(const std::filesystem::path& folder);

}  // namespace cdc::cache_folder
