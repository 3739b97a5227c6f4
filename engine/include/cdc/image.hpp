#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace cdc {

/// An image as it lies in a data set: 8 bits a channel, rows top to bottom, channels interleaved (RGB or grey).
struct Image {
  int height = 0, width = 0, channels = 0;
  std::shared_ptr<const std::uint8_t> pixels;  ///< height * width * channels bytes; may share a data set's memory

  const std::uint8_t* row(int y) const { return pixels.get() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * static_cast<std::size_t>(channels); }
};

}  // namespace cdc
