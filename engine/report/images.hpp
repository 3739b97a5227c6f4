#pragma once

#include <cstdint>
#include <vector>

#include "cdc/dataset.hpp"
#include "cdc/value.hpp"

namespace cdc {

/// Small pictures of samples as sheets of JPEG, the table `thumbnails` or `pictures` of a page (README.md): as large and as good as `bytes` allow for
/// all of them, 16 to `largest` pixels a side, never much larger than the images are. Which it is, is found by trying some. cdc::Error naming the
/// file of an image that cannot be decoded.
CDC_API Value picture_sheets(const Dataset& data, const std::vector<std::int64_t>& samples, int largest, std::int64_t bytes);

}  // namespace cdc
