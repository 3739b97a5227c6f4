#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "cdc/image.hpp"

namespace cdc::dataset {

/// Decodes a JPEG or PNG file held in memory, told apart by its first bytes, to 8 bits a channel; `channels` is 1 (grey) or 3 (RGB). JPEG: baseline
/// and progressive; grey, YCbCr, RGB, CMYK, YCCK. PNG: all; 16 bits are scaled to 8, transparency is dropped (no blending), as Pillow's
/// convert("RGB") does. Grey of colour is 0.299 R + 0.587 G + 0.114 B. EXIF orientation is not applied. cdc::Error beginning with `name` where it is
/// neither or is damaged (cut data count as damage, though libjpeg would fill them up with grey).
Image decode_image(const std::uint8_t* data, std::size_t size, int channels, const std::string& name);

/// Reads the file and decodes it; cdc::Error naming it, also where it is no regular file (a pipe would be waited for, without end).
Image decode_file(const std::string& path, int channels);

/// What a look at a file says, without its pixels.
struct FileLook {
  std::string damage;  ///< empty: the beginning and the end are those of a whole image; else the message of decode_file()
  std::uint64_t bytes = 0;
  std::pair<std::uint64_t, std::uint64_t> identity;  ///< device and inode: equal for two names of one file
};
/// Reads the first and last bytes; where these leave a doubt, decodes the file.
FileLook look_at_file(const std::string& path, int channels);

}  // namespace cdc::dataset
