#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "cdc/export.hpp"

namespace cdc {

// Files of TensorBoard's embedding projector, beside a run's events. Names of files are relative to the folder that they share.

/// An entry of projector_config.pbtxt (message EmbeddingInfo of tensorboard/plugins/projector/projector_config.proto).
struct ProjectorEmbedding {
  std::string name;    ///< as the projector lists it
  std::string tensor;  ///< file of the matrix, from write_projector_tensor()
  std::int64_t rows = 0, columns = 0;
  std::string metadata;                 ///< file with a line a row; empty: none
  std::string sprite;                   ///< PNG with a tile a row, row after row; empty: none
  int tile_height = 0, tile_width = 0;  ///< of the sprite, in pixels
};

/// The text of projector_config.pbtxt.
CDC_API std::string projector_config(const std::vector<ProjectorEmbedding>& embeddings);

/// Columns of equal length by name -> a file of metadata: a line of names, then a line a row; without the names where there is one column, as the
/// projector expects it. Tabs and line breaks become spaces.
CDC_API std::string projector_metadata(const std::vector<std::pair<std::string, std::vector<std::string>>>& columns);

/// Writes a row-major matrix into the folder and gives the file's name: NAME.bytes, float32 little-endian; NAME.tsv, text of the same numbers, where
/// the projector could take those bytes for text. One of the other form that an earlier call left is removed. cdc::Error naming the file where it
/// cannot be written.
CDC_API std::string write_projector_tensor(const std::filesystem::path& folder, const std::string& name, const std::vector<float>& values,
                                           std::int64_t rows, std::int64_t columns);

inline constexpr const char* kProjectorConfig = "projector_config.pbtxt";
/// Whether a file of this name is of the projector, as runs call theirs: the above, NAME.PORT.bytes or .tsv, NAME.metadata.tsv, NAME.sprite.png.
CDC_API bool is_projector_file(const std::string& name);

}  // namespace cdc
