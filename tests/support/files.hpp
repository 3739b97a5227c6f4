#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace cdc::test {

/// A folder that ctest names in the environment.
inline std::filesystem::path folder_of(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr) throw std::runtime_error(std::string(variable) + " is not set: run the tests by ctest, or set it by hand (tests/README.md)");
  return value;
}

/// The repository.
inline std::filesystem::path source_folder() { return folder_of("CDC_SOURCE_DIR"); }

/// The build folder: programs in bin, plugins in lib/cdc/plugins.
inline std::filesystem::path binary_folder() { return folder_of("CDC_BINARY_DIR"); }

/// The bytes of a file, which must be there.
inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error(file.string() + " cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Makes or replaces a file; its folder must be there.
inline void write_file(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary);
  if (!out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) throw std::runtime_error(file.string() + " cannot be written");
}

}  // namespace cdc::test
