#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cdc/dataset.hpp"
#include "cdc/export.hpp"
#include "cdc/image.hpp"

namespace cdc {

/// In place of a sample's number: a tile left empty.
constexpr std::int64_t kNoSample = -1;

/// Samples of a data set as tiles of one image, row after row, `columns` in a row, without gaps: tile i stands at row i / columns, column i %
/// columns. Each image is resized (pixels::resize) to the largest size of its own aspect ratio that fits the tile, and stands in its middle; what it
/// leaves free, and tiles without a sample, are mid-grey. As many channels as the data set has. Images are read in parallel, the same bits with any
/// number of threads. Needs samples 0 .. data.size() - 1 or kNoSample, sizes and columns of at least 1; cdc::Error where there are no samples, where
/// the sheet would be higher or wider than 65500 pixels (JPEG's limit), and what data.image() throws.
CDC_API Image make_sheet(const Dataset& data, const std::vector<std::int64_t>& samples, int tile_height, int tile_width, int columns);

/// The image as a PNG file's bytes. 1 channel (grey) or 3 (RGB). cdc::Error where libpng refuses it.
CDC_API std::string encode_png(const Image& image);

/// The image as a baseline JPEG file's bytes, colours at half resolution (4:2:0). 1 channel (grey) or 3 (RGB); quality 1 to 100 as libjpeg scales it.
/// cdc::Error where libjpeg refuses it.
CDC_API std::string encode_jpeg(const Image& image, int quality);

}  // namespace cdc
