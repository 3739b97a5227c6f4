#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "artifact/array_file.hpp"

namespace cdc {

/// An array as it lies in a file of weights: element [i, j, ...] stands at data + i * strides[0] + j * strides[1] + ..., counted in elements.
struct WeightArray : ArrayInfo {
  std::vector<std::int64_t> strides;  ///< none negative
  std::shared_ptr<const void> data;   ///< aligned for its elements; the memory may be mapped from the file
};

struct WeightArrays {
  std::vector<WeightArray> arrays;  ///< in the file's order, each name once
  /// What is no array, text or number: name, and what would have to be called to make it ("numpy.core.multiarray._reconstruct"), or the type of its
  /// numbers where those are not read here ("torch.ComplexFloatStorage", "torch.float8_e4m3fn").
  std::vector<std::pair<std::string, std::string>> unread;
};

/// The arrays of a safetensors file, or of what PyTorch's torch.save() wrote (a zip archive since 1.6, a row of pickles before): dictionaries in
/// dictionaries become names with dots, {"state_dict": {"fc.weight": ...}} "state_dict.fc.weight". Nothing of the file is executed: of a pickle only
/// plain data and tensors are made. cdc::Error naming the file where it is of another kind, damaged, cut off, or inconsistent.
CDC_API WeightArrays read_weight_arrays(const std::filesystem::path& path);

}  // namespace cdc
