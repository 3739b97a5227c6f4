#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/value.hpp"

namespace cdc {

enum class ElementType { boolean, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64 };
CDC_API std::size_t element_size(ElementType type);
CDC_API const char* element_type_name(ElementType type);

/// A named array on its way to or from a file.
struct CDC_API ArrayInfo {
  std::string name;
  ElementType type = ElementType::float32;
  std::vector<std::int64_t> shape;
  CDC_API std::size_t bytes() const;
};

/// Writes arrays and a JSON header into one HDF5 file (contiguous sets; a checksum each and one of the header, kept outside HDF5's filters). The file
/// appears whole under its name at commit() (temporary name, flush, fsync, rename) or not at all. cdc::Error naming file and reason (disk full, ...).
class CDC_API ArrayFileWriter {
 public:
  /// `kind` says what the file holds ("checkpoint", "features", ...), and is checked by the reader.
  ArrayFileWriter(std::filesystem::path path, std::string kind);
  ~ArrayFileWriter();  ///< without commit(): nothing is left behind
  ArrayFileWriter(const ArrayFileWriter&) = delete;
  ArrayFileWriter& operator=(const ArrayFileWriter&) = delete;
  void header(const Value& table);
  void write(const ArrayInfo& info, const void* data);  ///< names are unique; any characters but NUL
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads such a file back. Opening checks kind, header and structure; read() and map() check the array's checksum. A damaged, cut or foreign file is
/// a cdc::Error that names it and says what to do.
class CDC_API ArrayFileReader {
 public:
  ArrayFileReader(std::filesystem::path path, std::string_view kind);
  ~ArrayFileReader();
  ArrayFileReader(const ArrayFileReader&) = delete;
  ArrayFileReader& operator=(const ArrayFileReader&) = delete;
  const Value& header() const;
  const std::vector<ArrayInfo>& arrays() const;  ///< in the order of writing
  const ArrayInfo* find(std::string_view name) const;
  void read(std::string_view name, void* to) const;  ///< bytes() of it
  /// The array's memory, mapped from the file, read-only, alive as long as the pointer.
  std::shared_ptr<const void> map(std::string_view name) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What of a file outlives a power cut from the moment that it is written: all; its contents, but perhaps not yet its name; or nothing for certain,
/// as is enough for what can be lost or found damaged without harm. Each step takes milliseconds of waiting for the disk.
enum class Durable { all, contents, nothing };
/// Writes a text file whole or not at all (temporary name in the same folder, fsync, rename). cdc::Error naming file and reason.
CDC_API void write_file(const std::filesystem::path& path, std::string_view contents, Durable durable = Durable::all);
/// cdc::Error naming the file where it cannot be read, or is none (a folder, a named pipe, a device).
CDC_API std::string read_file(const std::filesystem::path& path);

}  // namespace cdc
