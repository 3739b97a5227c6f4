#include "files.hpp"

#include <fmt/format.h>

#include <fstream>

#include "cdc/error.hpp"

namespace cdc::dataset {

namespace fs = std::filesystem;

fs::path need_file(const fs::path& path, const std::string& of, const std::string& or_else) {
  if (!fs::exists(path))
    throw Error(fmt::format("{}: not there; set root to the folder of the binary version's files ({}){}", path.string(), of, or_else));
  if (!fs::is_regular_file(path)) throw Error(fmt::format("{}: is no file but a folder, pipe or device", path.string()));
  return path;
}

std::size_t file_bytes(const fs::path& file) {
  std::error_code code;
  const std::uintmax_t bytes = fs::file_size(file, code);
  if (code) throw Error(fmt::format("{}: cannot be read: {}", file.string(), code.message()));
  return static_cast<std::size_t>(bytes);
}

std::size_t count_records(const fs::path& file, std::size_t record) {
  const std::size_t bytes = file_bytes(file);
  if (bytes == 0 || bytes % record != 0) {
    throw Error(fmt::format("{}: {} bytes is no whole number of records of {} bytes; it is cut short or not a file of this data set; fetch it again",
                            file.string(), bytes, record));
  }
  return bytes / record;
}

std::vector<std::uint8_t> read_bytes(const fs::path& file, std::size_t begin, std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  std::ifstream in(file, std::ios::binary);
  if (!in.seekg(static_cast<std::streamoff>(begin)) || !in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(count)))
    throw Error(fmt::format("{}: cannot be read", file.string()));
  return bytes;
}

std::vector<std::string> read_class_names(const fs::path& file, std::size_t classes) {
  if (!fs::is_regular_file(file)) throw Error(fmt::format("{}: is no file but a folder, pipe or device", file.string()));
  std::ifstream in(file);
  if (!in) throw Error(fmt::format("{}: cannot be opened", file.string()));
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.size() != classes) throw Error(fmt::format("{}: {} class names; {} are expected", file.string(), names.size(), classes));
  return names;
}

}  // namespace cdc::dataset
