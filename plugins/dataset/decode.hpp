#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cdc/image.hpp"

namespace cdc::dataset {

/// Decodes a JPEG or PNG file held in memory, told apart by its first bytes, to 8 bits a channel; `channels` is 1 (grey) or 3 (RGB). JPEG: baseline
/// and progressive; grey, YCbCr, RGB, CMYK, YCCK. PNG: all; 16 bits are scaled to 8, transparency is dropped (no blending), as Pillow's
/// convert("RGB") does. Grey of colour is 0.299 R + 0.587 G + 0.114 B. EXIF orientation is not applied. cdc::Error beginning with `name` where it is
/// neither or is damaged (cut data count as damage, though libjpeg would fill them up with grey).
Image decode_image(const std::uint8_t* data, std::size_t size, int channels, const std::string& name);

/// Reads the file and decodes it; cdc::Error naming it.
Image decode_file(const std::string& path, int channels);

}  // namespace cdc::dataset
