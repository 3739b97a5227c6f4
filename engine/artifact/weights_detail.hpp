#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "artifact/weights.hpp"

// Readers of the kinds of file that read_weight_arrays() knows. Their messages name no file: it adds that.
namespace cdc::weights {

/// A file's bytes, mapped.
struct FileBytes {
  std::shared_ptr<const char> memory;
  std::size_t size = 0;
  std::string_view view() const { return {memory.get(), size}; }
};

WeightArrays read_safetensors(const FileBytes& file);
WeightArrays read_torch_zip(const FileBytes& file);
WeightArrays read_torch_pickles(const FileBytes& file);

/// What the last starts with: the pickle of PyTorch's magic number.
inline constexpr std::string_view kTorchMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);

/// cdc::Error that says so, and what to do.
[[noreturn]] void damaged(const std::string& what);
/// Elements of a shape, or -1 where a size is negative or the bytes do not fit 62 bits.
std::int64_t elements_of(const std::vector<std::int64_t>& shape, ElementType type);
/// Of an array without gaps, the last dimension first.
std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape);
/// Bytes of the file as elements of this type: where they lie, or a copy where that is not aligned.
std::shared_ptr<const void> aligned(const FileBytes& file, std::string_view bytes, ElementType type);

}  // namespace cdc::weights
