#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "artifact/array_layout.hpp"
#include "artifact/files.hpp"
#include "artifact/hash.hpp"
#include "artifact/hdf5_handle.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

constexpr std::uint64_t kLargest = std::uint64_t{1} << 62;  // bytes: what a product of sizes may reach without overflow

std::optional<ElementType> element_type_of(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(ElementType::float64); ++i)
    if (name == element_type_name(static_cast<ElementType>(i))) return static_cast<ElementType>(i);
  return std::nullopt;
}

struct Stored {
  std::string checksum;
  std::uint64_t offset = 0;  ///< in the file
};

}  // namespace

struct ArrayFileReader::Impl {
  std::filesystem::path path;
  Value header;
  std::vector<ArrayInfo> arrays;
  std::vector<Stored> stored;
  int fd = -1;
  std::uint64_t file_size = 0;
  mutable std::mutex mutex;
  mutable std::shared_ptr<const char> mapping;  ///< of the whole file; mapped arrays keep it
  mutable std::set<std::size_t> verified;

  ~Impl() {
    if (fd >= 0) ::close(fd);
  }

  [[noreturn]] void damaged(const std::string& what) const {
    throw Error(fmt::format("{} is damaged or cut off ({}); remove it, and what it held is computed again", path.string(), what));
  }
  void check(bool ok, const char* what) const {
    if (!ok) damaged(what);
  }

  /// A fixed string or integer of the root, checked for its size before it is read.
  bool attribute(hid_t file, const char* name, H5T_class_t type_class, std::size_t largest, std::string& to) const {
    if (H5Aexists(file, name) <= 0) return false;
    const hdf5::Handle attribute(H5Aopen(file, name, H5P_DEFAULT), &H5Aclose);
    if (!attribute.ok()) return false;
    const hdf5::Handle type(H5Aget_type(attribute.id()), &H5Tclose);
    const hdf5::Handle space(H5Aget_space(attribute.id()), &H5Sclose);
    const std::size_t size = H5Tget_size(type.id());
    if (H5Tget_class(type.id()) != type_class || H5Tis_variable_str(type.id()) > 0 || size == 0 || size > largest ||
        H5Sget_simple_extent_npoints(space.id()) != 1)
      return false;
    to.assign(size, '\0');
    return H5Aread(attribute.id(), type.id(), to.data()) >= 0;
  }

  /// A contiguous data set: its place in the file, checked against the file's size. Zero bytes have none.
  std::uint64_t place(hid_t set, std::uint64_t bytes) const {
    const hdf5::Handle properties(H5Dget_create_plist(set), &H5Pclose);
    check(properties.ok() && H5Pget_layout(properties.id()) == H5D_CONTIGUOUS, "an array's layout");
    if (bytes == 0) return 0;
    const haddr_t offset = H5Dget_offset(set);
    check(offset != HADDR_UNDEF && H5Dget_storage_size(set) == bytes, "an array's size");
    check(offset <= file_size && bytes <= file_size - offset, "an array reaches beyond the end of the file");
    return offset;
  }

  void open_array(hid_t group, const Value& entry) {
    ArrayInfo info;
    info.name = entry.at("name").as_string();
    const auto type = element_type_of(entry.at("type").as_string());
    check(type.has_value(), "an array's type");
    info.type = *type;
    std::uint64_t bytes = element_size(info.type);
    for (const Value& size : entry.at("shape").as_array()) {
      const std::int64_t n = size.as_integer();
      check(n >= 0 && (n == 0 || bytes <= kLargest / static_cast<std::uint64_t>(n)), "an array's shape");
      info.shape.push_back(n);
      bytes *= static_cast<std::uint64_t>(n);
    }
    const hdf5::Handle set(H5Dopen2(group, entry.at("set").as_string().c_str(), H5P_DEFAULT), &H5Dclose);
    check(set.ok(), "an array is missing");
    const hdf5::Handle set_type(H5Dget_type(set.id()), &H5Tclose);
    check(H5Tequal(set_type.id(), hdf5::element_type(info.type).id()) > 0, "an array's type");
    const hdf5::Handle space(H5Dget_space(set.id()), &H5Sclose);
    const int rank = H5Sget_simple_extent_ndims(space.id());
    check(rank == static_cast<int>(info.shape.size()), "an array's shape");
    std::vector<hsize_t> dims(info.shape.size());
    if (rank > 0) H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr);
    for (std::size_t i = 0; i < dims.size(); ++i) check(dims[i] == static_cast<hsize_t>(info.shape[i]), "an array's shape");
    stored.push_back({entry.at("checksum").as_string(), place(set.id(), bytes)});
    arrays.push_back(std::move(info));
  }

  void open(std::string_view kind) {
    const hdf5::Lock lock;
    const hdf5::Handle access = hdf5::file_access();  // closing it would clear the reason of a failure
    const hdf5::Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), &H5Fclose);
    if (!file.ok()) damaged(hdf5::reason());
    std::string format, found, checksum;
    if (!attribute(file.id(), layout::kFormatAttribute, H5T_INTEGER, 4, format) ||
        !attribute(file.id(), layout::kKindAttribute, H5T_STRING, 1000, found) ||
        !attribute(file.id(), layout::kChecksumAttribute, H5T_STRING, 32, checksum))
      throw Error(fmt::format("{} was not written by cdc, or is damaged; remove it, or name another file", path.string()));
    std::int32_t number = 0;
    check(format.size() == sizeof number, "its format number");
    std::memcpy(&number, format.data(), sizeof number);
    if (number != layout::kFormat)
      throw Error(fmt::format("{} has format {}, this program reads {}; remove it, and what it held is computed again", path.string(), number,
                              layout::kFormat));
    if (found != kind) throw Error(fmt::format("{} holds '{}', expected '{}'; name another file", path.string(), found, kind));
    const hdf5::Handle set(H5Dopen2(file.id(), layout::kIndex, H5P_DEFAULT), &H5Dclose);
    check(set.ok(), "no index");
    const hdf5::Handle space(H5Dget_space(set.id()), &H5Sclose);
    const hssize_t size = H5Sget_simple_extent_npoints(space.id());
    check(size >= 0 && static_cast<std::uint64_t>(size) <= file_size, "the index's size");
    place(set.id(), static_cast<std::uint64_t>(size));
    std::string text(static_cast<std::size_t>(size), '\0');
    check(H5Dread(set.id(), hdf5::element_type(ElementType::uint8).id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()) >= 0,
          "the index cannot be read");
    check(hash_text(text) == checksum, "the index's checksum");
    const Value index = Value::from_json(text);
    header = index.at("header");
    const hdf5::Handle group(H5Gopen2(file.id(), layout::kGroup, H5P_DEFAULT), &H5Gclose);
    check(group.ok(), "no arrays");
    for (const Value& entry : index.at("arrays").as_array()) open_array(group.id(), entry);
  }

  std::size_t index_of(std::string_view name) const {
    for (std::size_t i = 0; i < arrays.size(); ++i)
      if (arrays[i].name == name) return i;
    throw Error(
        fmt::format("{} holds no array '{}'; it was written by another version: remove it, and what it held is computed again", path.string(), name));
  }

  void compare(std::size_t i, const void* data) const {
    if (hash_bytes(data, arrays[i].bytes()) != stored[i].checksum) damaged(fmt::format("the checksum of the array '{}'", arrays[i].name));
  }

  std::shared_ptr<const char> mapped() const {
    const std::lock_guard<std::mutex> guard(mutex);
    if (!mapping) mapping = map_file(fd, file_size, path);
    return mapping;
  }
};

ArrayFileReader::ArrayFileReader(std::filesystem::path path, std::string_view kind) : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(path);
  impl_->fd = open_file(impl_->path, impl_->file_size);
  impl_->open(kind);
}

ArrayFileReader::~ArrayFileReader() = default;

const Value& ArrayFileReader::header() const { return impl_->header; }

const std::vector<ArrayInfo>& ArrayFileReader::arrays() const { return impl_->arrays; }

const ArrayInfo* ArrayFileReader::find(std::string_view name) const {
  for (const ArrayInfo& info : impl_->arrays)
    if (info.name == name) return &info;
  return nullptr;
}

void ArrayFileReader::read(std::string_view name, void* to) const {
  const std::size_t i = impl_->index_of(name);
  // Contiguous and of a native type: its bytes are read past HDF5, so that readers do not wait for each other.
  const std::size_t bytes = impl_->arrays[i].bytes();
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t got = ::pread(impl_->fd, static_cast<char*>(to) + done, bytes - done, static_cast<off_t>(impl_->stored[i].offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(fmt::format("cannot read {}: {}", impl_->path.string(), errno_text(errno)));
    impl_->check(got > 0, "it ends early");
    done += static_cast<std::size_t>(got);
  }
  impl_->compare(i, to);
}

std::shared_ptr<const void> ArrayFileReader::map(std::string_view name) const {
  const std::size_t i = impl_->index_of(name);
  static const char nothing = 0;
  if (impl_->arrays[i].bytes() == 0) return {std::shared_ptr<void>(), &nothing};
  const std::shared_ptr<const char> mapping = impl_->mapped();
  const void* data = mapping.get() + impl_->stored[i].offset;
  {
    const std::lock_guard<std::mutex> guard(impl_->mutex);
    if (impl_->verified.count(i) != 0) return {mapping, data};
  }
  impl_->compare(i, data);
  const std::lock_guard<std::mutex> guard(impl_->mutex);
  impl_->verified.insert(i);
  return {mapping, data};
}

}  // namespace cdc
