#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "artifact/array_file.hpp"
#include "artifact/cache.hpp"
#include "artifact/weights.hpp"
#include "cdc/error.hpp"
#include "cdc/session.hpp"

namespace cdc {
namespace {

constexpr std::pair<at::ScalarType, ElementType> kTypes[] = {
    {at::kBool, ElementType::boolean},   {at::kByte, ElementType::uint8},        {at::kChar, ElementType::int8},
    {at::kShort, ElementType::int16},    {at::kInt, ElementType::int32},         {at::kLong, ElementType::int64},
    {at::kHalf, ElementType::float16},   {at::kBFloat16, ElementType::bfloat16}, {at::kFloat, ElementType::float32},
    {at::kDouble, ElementType::float64},
};

ElementType element_type(const NamedTensor& t) {
  for (const auto& [torch, ours] : kTypes)
    if (t.tensor.scalar_type() == torch) return ours;
  throw Error(fmt::format("the tensor '{}' has the type {}, which is not kept in files", t.name, c10::toString(t.tensor.scalar_type())));
}

at::ScalarType scalar_type(ElementType type) {
  for (const auto& [torch, ours] : kTypes)
    if (type == ours) return torch;
  throw Error("unknown element type");
}

void put(ArrayFileWriter& file, const Value& header, const std::vector<NamedTensor>& tensors) {
  Value head = Value::table();
  head["header"] = header;
  Value flags = Value::array();
  for (const NamedTensor& t : tensors) {
    Value one = Value::array();
    one.push_back(t.trainable);
    one.push_back(t.decay);
    flags.push_back(std::move(one));
  }
  head["flags"] = std::move(flags);
  file.header(head);
  for (const NamedTensor& t : tensors) {
    const at::Tensor plain = t.tensor.detach().cpu().contiguous();
    file.write({t.name, element_type(t), plain.sizes().vec()}, plain.data_ptr());
  }
}

void take(const ArrayFileReader& file, Value& header, std::vector<NamedTensor>& tensors) {
  header = file.header().at("header");
  const Value::Array& flags = file.header().at("flags").as_array();
  tensors.clear();
  for (const ArrayInfo& array : file.arrays()) {
    const Value::Array& flag = flags.at(tensors.size()).as_array();
    at::Tensor t = at::empty(array.shape, at::TensorOptions().dtype(scalar_type(array.type)));
    file.read(array.name, t.data_ptr());
    tensors.push_back({array.name, std::move(t), flag.at(0).as_boolean(), flag.at(1).as_boolean()});
  }
}

void write_model(const std::shared_ptr<const void>& artifact, ArrayFileWriter& file) {
  const auto& model = *static_cast<const Model*>(artifact.get());
  put(file, model.protocol, model.state);
}

std::shared_ptr<const void> read_model(const std::filesystem::path& path) {
  auto model = std::make_shared<Model>();
  take(ArrayFileReader(path, "model"), model->protocol, model->state);
  return model;
}

[[maybe_unused]] const bool kRegistered = (register_codec({PortType::model, "model", &write_model, &read_model}), true);

}  // namespace

void save_tensors(const std::string& path, const std::string& kind, const Value& header, const std::vector<NamedTensor>& tensors) {
  ArrayFileWriter file(path, kind);
  put(file, header, tensors);
  file.commit();
}

bool load_tensors(const std::string& path, const std::string& kind, Value& header, std::vector<NamedTensor>& tensors) {
  if (!std::filesystem::exists(path)) return false;
  take(ArrayFileReader(path, kind), header, tensors);
  return true;
}

FileWeights read_weights(const std::string& path) {
  WeightArrays all = read_weight_arrays(path);
  FileWeights out;
  out.unread = std::move(all.unread);
  for (const WeightArray& array : all.arrays) {
    const at::ScalarType type = array.type == ElementType::boolean ? at::kByte : scalar_type(array.type);  // any byte may stand there
    const std::shared_ptr<const void> memory = array.data;
    at::Tensor t = at::from_blob(
        const_cast<void*>(memory.get()), array.shape, array.strides, [memory](void*) {}, at::TensorOptions().dtype(type));
    out.tensors.push_back({array.name, std::move(t)});
  }
  return out;
}

}  // namespace cdc
