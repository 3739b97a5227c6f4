#include "artifact/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "artifact/files.hpp"
#include "artifact/weights_detail.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are little endian");

constexpr const char* kMetadata = "__metadata__";

constexpr std::pair<ElementType, std::string_view> kTypes[] = {
    {ElementType::boolean, "BOOL"}, {ElementType::uint8, "U8"},    {ElementType::int8, "I8"},     {ElementType::int16, "I16"},
    {ElementType::int32, "I32"},    {ElementType::int64, "I64"},   {ElementType::float16, "F16"}, {ElementType::bfloat16, "BF16"},
    {ElementType::float32, "F32"},  {ElementType::float64, "F64"},
};

std::string_view type_name(ElementType type) {
  for (const auto& [ours, name] : kTypes)
    if (ours == type) return name;
  throw Error("unknown element type");
}

/// A tensor as the header tells of it: bytes `begin` to `end` of what follows the header.
struct Place {
  WeightArray array;
  std::int64_t begin = 0, end = 0;
};

Place read_place(const std::string& name, const Value& entry) {
  Place place;
  WeightArray& one = place.array;
  one.name = name;
  std::string type;
  try {
    type = entry.at("dtype").as_string();
    for (const Value& size : entry.at("shape").as_array()) one.shape.push_back(size.as_integer());
    const Value::Array& offsets = entry.at("data_offsets").as_array();
    if (offsets.size() != 2) throw Error("two data_offsets are needed");
    place.begin = offsets[0].as_integer();
    place.end = offsets[1].as_integer();
  } catch (const Error& e) {
    weights::damaged(fmt::format("what its header says of '{}': {}", name, e.what()));
  }
  const auto* known = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& pair) { return pair.second == type; });
  if (known == std::end(kTypes))
    throw Error(fmt::format("its tensor '{}' has elements of the type {}, which is not read here; convert it to F32 in Python", name, type));
  one.type = known->first;
  const std::int64_t elements = weights::elements_of(one.shape, one.type);
  if (elements < 0 || place.begin < 0 || place.end < place.begin ||
      place.end - place.begin != elements * static_cast<std::int64_t>(element_size(one.type)))
    weights::damaged(fmt::format("the place of '{}' is not that of its shape", name));
  one.strides = weights::contiguous_strides(one.shape);
  return place;
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

WeightArrays weights::read_safetensors(const FileBytes& file) {
  std::uint64_t length = 0;
  const std::string_view bytes = file.view();
  std::memcpy(&length, bytes.data(), sizeof length);  // who calls has seen more bytes than these
  if (length > bytes.size() - sizeof length) damaged("its header reaches beyond the end");
  Value header;
  try {
    header = Value::from_json(bytes.substr(sizeof length, length));
  } catch (const Error& e) {
    damaged(fmt::format("its header is {}", e.what()));
  }
  std::vector<Place> places;
  for (const auto& [name, entry] : header.as_table())
    if (name != kMetadata) places.push_back(read_place(name, entry));
  // In the order of the file: then sizes tell what overlaps, is missing, or belongs to nobody.
  std::vector<const Place*> order;
  for (const Place& place : places) order.push_back(&place);
  std::sort(order.begin(), order.end(), [](const Place* a, const Place* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  const std::string_view data = bytes.substr(sizeof length + length);
  std::int64_t end = 0;
  for (const Place* place : order) {
    if (place->begin < end) damaged(fmt::format("'{}' overlaps another tensor", place->array.name));
    if (place->begin > end) damaged(fmt::format("bytes before '{}' belong to no tensor", place->array.name));
    end = place->end;
    if (end > static_cast<std::int64_t>(data.size())) damaged(fmt::format("'{}' reaches beyond the end", place->array.name));
  }
  if (end < static_cast<std::int64_t>(data.size())) damaged("bytes at its end belong to no tensor");
  WeightArrays all;
  for (Place& place : places) {
    const std::string_view own = data.substr(static_cast<std::size_t>(place.begin), static_cast<std::size_t>(place.end - place.begin));
    place.array.data = aligned(file, own, place.array.type);
    all.arrays.push_back(std::move(place.array));
  }
  return all;
}

}  // namespace cdc
