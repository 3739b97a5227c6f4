// The layout of zip archives: PKWARE's APPNOTE.TXT, 4.3.
#include "artifact/zip.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <cstring>

#include "artifact/weights_detail.hpp"
#include "cdc/error.hpp"

namespace cdc::zip {
namespace {

constexpr std::uint32_t kEnd = 0x06054b50, kEnd64Locator = 0x07064b50, kEnd64 = 0x06064b50, kCentral = 0x02014b50, kLocal = 0x04034b50;
constexpr std::size_t kEndSize = 22, kEnd64LocatorSize = 20, kEnd64Size = 56, kCentralSize = 46, kLocalSize = 30;
constexpr std::size_t kLongestComment = 0xffff;

using weights::damaged;

/// Numbers of a record, little endian; each access is checked against the archive.
class Record {
 public:
  Record(std::string_view archive, std::uint64_t offset, std::size_t size, const char* what) {
    if (offset > archive.size() || size > archive.size() - offset) damaged(what);
    bytes_ = archive.substr(offset, size);
  }
  template <class T>
  T get(std::size_t at) const {
    if (at > bytes_.size() || sizeof(T) > bytes_.size() - at) damaged("a record of the archive");
    T value = 0;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  std::uint64_t u16(std::size_t at) const { return get<std::uint16_t>(at); }
  std::uint64_t u32(std::size_t at) const { return get<std::uint32_t>(at); }
  std::uint64_t u64(std::size_t at) const { return get<std::uint64_t>(at); }

 private:
  std::string_view bytes_;
};

struct Directory {
  std::uint64_t entries = 0, offset = 0;
};

Directory find_directory(std::string_view archive) {
  if (archive.size() < kEndSize) damaged("it has no directory");
  std::size_t at = archive.size() - kEndSize;
  const std::size_t first = at > kLongestComment ? at - kLongestComment : 0;
  for (;; --at) {
    const Record end(archive, at, kEndSize, "its directory");
    if (end.u32(0) == kEnd && at + kEndSize + end.u16(20) == archive.size()) break;
    if (at == first) damaged("it has no directory");
  }
  const Record end(archive, at, kEndSize, "its directory");
  Directory found{end.u16(10), end.u32(16)};
  if (at < kEnd64LocatorSize) return found;
  const Record locator(archive, at - kEnd64LocatorSize, kEnd64LocatorSize, "its directory");
  if (locator.u32(0) != kEnd64Locator) return found;
  const Record end64(archive, locator.u64(8), kEnd64Size, "its directory");
  if (end64.u32(0) != kEnd64) damaged("its directory");
  return {end64.u64(32), end64.u64(48)};
}

/// Sizes and the offset of an entry that is too large for 32 bits stand in its extra field 1, those that need it, in this order.
void read_zip64(const Record& extra, std::size_t size, std::uint64_t& uncompressed, std::uint64_t& compressed, std::uint64_t& offset) {
  constexpr std::uint64_t kElsewhere = 0xffffffff;
  for (std::size_t at = 0; at + 4 <= size;) {
    const std::uint64_t id = extra.u16(at), length = extra.u16(at + 2);
    at += 4;
    if (id == 1) {
      std::size_t value = at;
      for (std::uint64_t* number : {&uncompressed, &compressed, &offset})
        if (*number == kElsewhere) {
          *number = extra.u64(value);
          value += 8;
        }
      return;
    }
    at += length;
  }
}

}  // namespace

std::vector<Entry> entries(std::string_view archive) {
  const Directory directory = find_directory(archive);
  std::vector<Entry> all;
  std::uint64_t at = directory.offset, total = 0;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    const Record central(archive, at, kCentralSize, "its directory");
    if (central.u32(0) != kCentral) damaged("its directory");
    const std::uint64_t flags = central.u16(8), method = central.u16(10), name_size = central.u16(28), extra_size = central.u16(30);
    std::uint64_t compressed = central.u32(20), uncompressed = central.u32(24), offset = central.u32(42);
    Record(archive, at + kCentralSize, name_size + extra_size, "its directory");
    Entry entry;
    entry.name = archive.substr(at + kCentralSize, name_size);
    entry.crc = central.get<std::uint32_t>(16);
    read_zip64(Record(archive, at + kCentralSize + name_size, extra_size, "its directory"), extra_size, uncompressed, compressed, offset);
    entry.compressed = method != 0;
    entry.encrypted = (flags & 1) != 0;
    const Record local(archive, offset, kLocalSize, "an entry reaches beyond the end");
    if (local.u32(0) != kLocal || (!entry.compressed && compressed != uncompressed)) damaged("an entry's header");
    const std::uint64_t data = offset + kLocalSize + local.u16(26) + local.u16(28);
    Record(archive, data, compressed, "an entry reaches beyond the end");
    entry.data = archive.substr(data, compressed);
    total += compressed;
    if (total > archive.size()) damaged("entries overlap");
    all.push_back(entry);
    at += kCentralSize + name_size + extra_size + central.u16(32);
  }
  return all;
}

std::string_view contents(const Entry& entry) {
  if (entry.compressed || entry.encrypted)
    throw Error(fmt::format("its entry '{}' is {}, as torch.save() writes none; store it as it is: zip -0", entry.name,
                            entry.compressed ? "compressed" : "encrypted"));
  const auto* bytes = reinterpret_cast<const Bytef*>(entry.data.data());
  if (entry.crc != 0 && ::crc32_z(0, bytes, entry.data.size()) != entry.crc) damaged(fmt::format("the checksum of its entry '{}'", entry.name));
  return entry.data;
}

}  // namespace cdc::zip
