#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// Files as PyTorch's torch.save() writes them, for tests that want them wrong. Pieces of a pickle are strings of its instructions.
namespace cdc::test::torch_file {

template <class T>
std::string little(T number) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i));
  return bytes;
}
template <class T>
std::string bytes_of(const std::vector<T>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T)};
}

inline std::string text(const std::string& value) { return "X" + little(static_cast<std::uint32_t>(value.size())) + value; }
inline std::string integer(std::int64_t value) {
  if (value == static_cast<std::int32_t>(value)) return "J" + little(static_cast<std::int32_t>(value));
  return "\x8a\x08" + little(value);
}
inline std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
inline std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}
inline std::string tuple(const std::vector<std::string>& parts) { return "(" + joined(parts) + "t"; }
inline std::string list(const std::vector<std::string>& parts) { return "](" + joined(parts) + "e"; }
inline std::string integers(const std::vector<std::int64_t>& values) {
  std::vector<std::string> parts;
  for (const std::int64_t value : values) parts.push_back(integer(value));
  return tuple(parts);
}
inline std::string call(const std::string& callee, const std::vector<std::string>& arguments) { return callee + tuple(arguments) + "R"; }
inline std::string dictionary(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string all = "}(";
  for (const auto& [key, value] : entries) all += text(key) + value;
  return all + "u";
}
inline std::string ordered(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string all = call(global("collections", "OrderedDict"), {}) + "(";
  for (const auto& [key, value] : entries) all += text(key) + value;
  return all + "u";
}
inline std::string storage(const std::string& type, const std::string& key, std::int64_t elements, const std::string& more = "") {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(elements), more}) + "Q";
}
inline std::string tensor(const std::string& in_storage, std::int64_t offset, const std::vector<std::int64_t>& shape,
                          const std::vector<std::int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {in_storage, integer(offset), integers(shape), integers(strides), "\x89", call(global("collections", "OrderedDict"), {})});
}
inline std::string pickle(const std::string& object) { return "\x80\x02" + object + "."; }

struct ZipOptions {
  bool checksums = true, zip64 = false;
  std::uint16_t method = 0, flags = 0;
};

using Entries = std::vector<std::pair<std::string, std::string>>;

inline std::string zip(const Entries& entries, const ZipOptions& options = {}) {
  std::string all, directory;
  for (const auto& [name, data] : entries) {
    const std::uint64_t offset = all.size(), size = data.size();
    const auto crc = options.checksums ? static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), size)) : 0;
    const std::uint32_t in_header = options.zip64 ? 0xffffffff : static_cast<std::uint32_t>(size);
    const std::string sizes = little(in_header) + little(in_header), name_size = little(static_cast<std::uint16_t>(name.size()));
    const std::string common = little(options.flags) + little(options.method) + little(std::uint32_t{0}) + little(crc) + sizes + name_size;
    const std::string extra = !options.zip64 ? ""
                                             : little(std::uint16_t{7}) + little(std::uint16_t{2}) + "??" + little(std::uint16_t{1}) +
                                                   little(std::uint16_t{24}) + little(size) + little(size) + little(offset);
    all += "PK\x03\x04" + little(std::uint16_t{45}) + common + little(std::uint16_t{3}) + name + "pad" + data;
    directory += "PK\x01\x02" + little(std::uint16_t{45}) + little(std::uint16_t{45}) + common + little(static_cast<std::uint16_t>(extra.size())) +
                 std::string(10, '\0') + little(options.zip64 ? 0xffffffff : static_cast<std::uint32_t>(offset)) + name + extra;
  }
  const std::uint64_t start = all.size(), count = entries.size();
  all += directory;
  if (options.zip64) {
    const std::uint64_t end64 = all.size();
    all += "PK\x06\x06" + little(std::uint64_t{44}) + little(std::uint32_t{45}) + std::string(8, '\0') + little(count) + little(count) +
           little(static_cast<std::uint64_t>(directory.size())) + little(start);
    all += "PK\x06\x07" + little(std::uint32_t{0}) + little(end64) + little(std::uint32_t{1});
  }
  const auto shown = static_cast<std::uint16_t>(options.zip64 ? 0xffff : count);
  return all + "PK\x05\x06" + std::string(4, '\0') + little(shown) + little(shown) + little(static_cast<std::uint32_t>(directory.size())) +
         little(options.zip64 ? 0xffffffff : static_cast<std::uint32_t>(start)) + little(std::uint16_t{0});
}

/// torch.save(object, FILE): storages by key.
inline std::string saved(const std::string& object, const Entries& storages, const ZipOptions& options = {}) {
  Entries entries = {{"archive/data.pkl", pickle(object)}, {"archive/byteorder", "little"}};
  for (const auto& [key, bytes] : storages) entries.emplace_back("archive/data/" + key, bytes);
  return zip(entries, options);
}

/// The same before PyTorch 1.6: storages by key, each as the number of its elements and its bytes.
struct OldStorage {
  std::string key;
  std::int64_t elements = 0;
  std::string bytes;
};
inline std::string saved_before_1_6(const std::string& object, const std::vector<OldStorage>& storages, bool little_endian = true,
                                    int version = 1001) {
  std::string all = pickle("\x8a\x0a" + std::string("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")) + pickle(integer(version)) +
                    pickle(dictionary({{"protocol_version", integer(1001)}, {"little_endian", little_endian ? "\x88" : "\x89"}})) + pickle(object);
  std::vector<std::string> keys;
  for (const OldStorage& one : storages) keys.push_back(text(one.key));
  all += pickle(list(keys));
  for (const OldStorage& one : storages) all += little(one.elements) + one.bytes;
  return all;
}

}  // namespace cdc::test::torch_file
