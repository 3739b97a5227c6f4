#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "artifact/array_file.hpp"

namespace cdc {

/// Writes arrays as a safetensors file (8 bytes with the length of a JSON header, the header, the arrays;
/// https://github.com/huggingface/safetensors), which Python reads by safetensors.torch.load_file() without running anything. Each array with its
/// memory, bytes() of it; wider elements first, so that each lies aligned. `metadata`: table of strings. Whole or not at all; cdc::Error naming file
/// and reason.
CDC_API void write_safetensors(const std::filesystem::path& path, const std::vector<std::pair<ArrayInfo, const void*>>& arrays,
                               const Value& metadata);

/// The arrays of a model's array file, verified, as a safetensors file. Its metadata: "format" = "pt", "protocol" = the model's protocol as JSON.
CDC_API void export_model(const std::filesystem::path& array_file, const std::filesystem::path& path);

}  // namespace cdc
