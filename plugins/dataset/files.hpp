#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// What the data sets of binary files share.
namespace cdc::dataset {

/// The path, which must be there: else cdc::Error saying to set root to the folder of the binary version, as it is called (`of`), and what else would
/// do.
std::filesystem::path need_file(const std::filesystem::path& path, const std::string& of, const std::string& or_else = "");

/// Bytes of a file. cdc::Error where it has no size, such as a folder.
std::size_t file_bytes(const std::filesystem::path& file);

/// How many records of `record` bytes the file holds. cdc::Error where there is none, or a rest.
std::size_t count_records(const std::filesystem::path& file, std::size_t record);

/// `count` bytes of a file from `begin` on. cdc::Error where there are fewer.
std::vector<std::uint8_t> read_bytes(const std::filesystem::path& file, std::size_t begin, std::size_t count);

/// The lines of a file of class names, blank ones left out. cdc::Error where their number is not `classes`.
std::vector<std::string> read_class_names(const std::filesystem::path& file, std::size_t classes);

}  // namespace cdc::dataset
