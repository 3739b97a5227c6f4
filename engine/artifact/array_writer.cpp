#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <unordered_set>
#include <utility>

#include "artifact/array_layout.hpp"
#include "artifact/files.hpp"
#include "artifact/hash.hpp"
#include "artifact/hdf5_handle.hpp"
#include "cdc/error.hpp"

namespace cdc {

std::size_t element_size(ElementType type) {
  switch (type) {
    case ElementType::boolean:
    case ElementType::uint8:
    case ElementType::int8:
      return 1;
    case ElementType::int16:
    case ElementType::float16:
    case ElementType::bfloat16:
      return 2;
    case ElementType::int32:
    case ElementType::float32:
      return 4;
    case ElementType::int64:
    case ElementType::float64:
      return 8;
  }
  return 0;
}

const char* element_type_name(ElementType type) {
  switch (type) {
    case ElementType::boolean:
      return "boolean";
    case ElementType::uint8:
      return "uint8";
    case ElementType::int8:
      return "int8";
    case ElementType::int16:
      return "int16";
    case ElementType::int32:
      return "int32";
    case ElementType::int64:
      return "int64";
    case ElementType::float16:
      return "float16";
    case ElementType::bfloat16:
      return "bfloat16";
    case ElementType::float32:
      return "float32";
    case ElementType::float64:
      return "float64";
  }
  return "unknown";
}

std::size_t ArrayInfo::bytes() const {
  std::size_t n = element_size(type);
  for (const std::int64_t size : shape) n *= static_cast<std::size_t>(size);
  return n;
}

std::string layout::set_name(std::string_view name) {
  if (name.empty()) return "%";
  const bool dots = name.find_first_not_of('.') == std::string_view::npos;
  std::string out;
  for (const char c : name) {
    if (c == '/' || c == '%' || (dots && c == '.'))
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

struct ArrayFileWriter::Impl {
  std::filesystem::path path, temporary;
  std::string kind;
  hdf5::Handle file, group;
  Value header = Value::table(), arrays = Value::array();
  std::unordered_set<std::string> names;

  // Under the lock.
  [[noreturn]] void fail() {
    const int number = hdf5::reason_number();
    throw Error(fmt::format("cannot write {}: {}{}", path.string(), hdf5::reason(), remedy_for(number)));
  }
  void check(bool ok) {
    if (!ok) fail();
  }
  hdf5::Handle data_set(hid_t parent, const std::string& name, const hdf5::Handle& type, const std::vector<std::int64_t>& shape) {
    const std::vector<hsize_t> dims(shape.begin(), shape.end());
    const hdf5::Handle space(dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), &H5Sclose);
    check(space.ok());
    hdf5::Handle set(H5Dcreate2(parent, name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), &H5Dclose);
    check(set.ok());
    return set;
  }
  void attribute(const char* name, const hdf5::Handle& type, const void* value) {
    const hdf5::Handle space(H5Screate(H5S_SCALAR), &H5Sclose);
    const hdf5::Handle attribute(H5Acreate2(file.id(), name, type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT), &H5Aclose);
    check(attribute.ok() && H5Awrite(attribute.id(), type.id(), value) >= 0);
  }
  void attribute(const char* name, const std::string& text) {
    const hdf5::Handle type(H5Tcopy(H5T_C_S1), &H5Tclose);
    H5Tset_size(type.id(), text.size());
    attribute(name, type, text.data());
  }
};

ArrayFileWriter::ArrayFileWriter(std::filesystem::path path, std::string kind) : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(path);
  impl_->temporary = temporary_name(impl_->path);
  impl_->kind = std::move(kind);
  const hdf5::Lock lock;
  const hdf5::Handle access = hdf5::file_access();  // closing it would clear the reason of a failure
  impl_->file = hdf5::Handle(H5Fcreate(impl_->temporary.c_str(), H5F_ACC_EXCL, H5P_DEFAULT, access.id()), &H5Fclose);
  impl_->check(impl_->file.ok());
  impl_->group = hdf5::Handle(H5Gcreate2(impl_->file.id(), layout::kGroup, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), &H5Gclose);
  try {
    impl_->check(impl_->group.ok());
  } catch (const Error&) {
    impl_->file.reset();
    ::unlink(impl_->temporary.c_str());
    throw;
  }
}

ArrayFileWriter::~ArrayFileWriter() {
  const hdf5::Lock lock;
  impl_->group.reset();
  impl_->file.reset();
  ::unlink(impl_->temporary.c_str());
}

void ArrayFileWriter::header(const Value& table) { impl_->header = table; }

void ArrayFileWriter::write(const ArrayInfo& info, const void* data) {
  if (info.name.find('\0') != std::string::npos) throw Error(fmt::format("cannot write {}: an array's name holds a NUL", impl_->path.string()));
  if (!impl_->names.insert(info.name).second)
    throw Error(fmt::format("cannot write {}: there are two arrays called '{}'", impl_->path.string(), info.name));
  for (const std::int64_t size : info.shape)
    if (size < 0) throw Error(fmt::format("cannot write {}: the array '{}' has a negative size", impl_->path.string(), info.name));
  Value entry = Value::table(), shape = Value::array();
  for (const std::int64_t size : info.shape) shape.push_back(size);
  entry["name"] = info.name;
  entry["set"] = layout::set_name(info.name);
  entry["type"] = element_type_name(info.type);
  entry["shape"] = shape;
  entry["checksum"] = hash_bytes(data, info.bytes());
  const hdf5::Lock lock;
  const hdf5::Handle type = hdf5::element_type(info.type);
  const hdf5::Handle set = impl_->data_set(impl_->group.id(), layout::set_name(info.name), type, info.shape);
  if (info.bytes() > 0) impl_->check(H5Dwrite(set.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  impl_->arrays.push_back(std::move(entry));
}

void ArrayFileWriter::commit() {
  Value index = Value::table();
  index["header"] = impl_->header;
  index["arrays"] = impl_->arrays;
  const std::string text = index.to_json();
  {
    const hdf5::Lock lock;
    const hdf5::Handle byte = hdf5::element_type(ElementType::uint8);
    hdf5::Handle set = impl_->data_set(impl_->file.id(), layout::kIndex, byte, {static_cast<std::int64_t>(text.size())});
    impl_->check(H5Dwrite(set.id(), byte.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()) >= 0);
    set.reset();
    const hdf5::Handle integer = hdf5::element_type(ElementType::int32);
    const std::int32_t format = layout::kFormat;
    impl_->attribute(layout::kFormatAttribute, integer, &format);
    impl_->attribute(layout::kKindAttribute, impl_->kind);
    impl_->attribute(layout::kChecksumAttribute, hash_text(text));
    impl_->check(H5Fflush(impl_->file.id(), H5F_SCOPE_GLOBAL) >= 0);
    impl_->group.reset();
    impl_->check(impl_->file.reset());
  }
  const int fd = ::open(impl_->temporary.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_writing(impl_->path, errno);
  const int failure = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (failure != 0) fail_writing(impl_->path, failure);
  show_file(impl_->temporary, impl_->path);
}

}  // namespace cdc
