#include "artifact/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "artifact/files.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are little endian");

constexpr const char* kMetadata = "__metadata__";

const char* type_name(ElementType type) {
  switch (type) {
    case ElementType::boolean:
      return "BOOL";
    case ElementType::uint8:
      return "U8";
    case ElementType::int8:
      return "I8";
    case ElementType::int16:
      return "I16";
    case ElementType::int32:
      return "I32";
    case ElementType::int64:
      return "I64";
    case ElementType::float16:
      return "F16";
    case ElementType::bfloat16:
      return "BF16";
    case ElementType::float32:
      return "F32";
    case ElementType::float64:
      return "F64";
  }
  return "unknown";
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<std::pair<ArrayInfo, const void*>>& arrays, const Value& metadata) {
  std::vector<std::size_t> order(arrays.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return element_size(arrays[a].first.type) > element_size(arrays[b].first.type); });
  Value::Table header{{kMetadata, metadata}};
  std::unordered_set<std::string> names{kMetadata};
  std::vector<std::string_view> parts(1);
  std::int64_t offset = 0;
  for (const std::size_t i : order) {
    const auto& [info, data] = arrays[i];
    if (!names.insert(info.name).second) throw Error(fmt::format("cannot write {}: two arrays are called '{}'", path.string(), info.name));
    const auto bytes = static_cast<std::int64_t>(info.bytes());
    Value shape = Value::array(), offsets = Value::array(), entry = Value::table();
    for (const std::int64_t size : info.shape) shape.push_back(size);
    offsets.push_back(offset);
    offsets.push_back(offset + bytes);
    entry["dtype"] = type_name(info.type);
    entry["shape"] = std::move(shape);
    entry["data_offsets"] = std::move(offsets);
    header.emplace_back(info.name, std::move(entry));
    parts.emplace_back(static_cast<const char*>(data), info.bytes());
    offset += bytes;
  }
  std::string text = Value(std::move(header)).to_json();
  text.append((8 - text.size() % 8) % 8, ' ');
  const auto length = static_cast<std::uint64_t>(text.size());
  text.insert(0, reinterpret_cast<const char*>(&length), sizeof length);
  parts.front() = text;
  write_parts(path, parts);
}

void export_model(const std::filesystem::path& array_file, const std::filesystem::path& path) {
  const ArrayFileReader file(array_file, "model");
  std::vector<std::pair<ArrayInfo, const void*>> arrays;
  std::vector<std::shared_ptr<const void>> memory;
  for (const ArrayInfo& info : file.arrays()) {
    memory.push_back(file.map(info.name));
    arrays.emplace_back(info, memory.back().get());
  }
  Value metadata = Value::table();
  metadata["format"] = "pt";  // what Python libraries ask for
  metadata["protocol"] = file.header().at("header").to_json();
  remove_temporaries(path);
  write_safetensors(path, arrays, metadata);
}

}  // namespace cdc
