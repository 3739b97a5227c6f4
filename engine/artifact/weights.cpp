#include "artifact/weights.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "artifact/files.hpp"
#include "artifact/weights_detail.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace weights {
namespace {

constexpr std::int64_t kLargest = std::int64_t{1} << 62;  // bytes

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

WeightArrays read(const FileBytes& file) {
  const std::string_view bytes = file.view();
  if (starts_with(bytes, "PK\x03\x04")) return read_torch_zip(file);
  if (starts_with(bytes, kTorchMagic)) return read_torch_pickles(file);
  if (bytes.size() > 8 && bytes[8] == '{') return read_safetensors(file);
  throw Error(
      "it is neither a safetensors file nor one that PyTorch's torch.save() wrote; from a dictionary of tensors, safetensors.torch.save_file() makes "
      "one");
}

}  // namespace

void damaged(const std::string& what) { throw Error(fmt::format("it is damaged or cut off ({}); get it anew", what)); }

std::int64_t elements_of(const std::vector<std::int64_t>& shape, ElementType type) {
  std::int64_t elements = 1;
  for (const std::int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements)) return -1;
  return elements > kLargest / static_cast<std::int64_t>(element_size(type)) ? -1 : elements;
}

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return strides;  // other sizes may then be anything
  for (std::size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}

std::shared_ptr<const void> aligned(const FileBytes& file, std::string_view bytes, ElementType type) {
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % element_size(type) == 0) return {file.memory, bytes.data()};
  const std::shared_ptr<char[]> copy(new char[bytes.size()]);  // operator new aligns for any element
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  return {copy, copy.get()};
}

}  // namespace weights

WeightArrays read_weight_arrays(const std::filesystem::path& path) {
  weights::FileBytes file;
  std::uint64_t size = 0;
  const int fd = open_file(path, size);
  try {
    file.memory = map_file(fd, size, path);
  } catch (...) {
    ::close(fd);
    throw;
  }
  ::close(fd);
  file.size = size;
  try {
    return weights::read(file);
  } catch (const Error& e) {
    throw Error(fmt::format("cannot read the weights in {}: {}", path.string(), e.what()));
  }
}

}  // namespace cdc
