#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/value.hpp"

namespace cdc {

/// The whole page of a report, one HTML file without network, with this data (README.md says what it may hold).
CDC_API std::string report_page(const Value& data);

/// cdc::Error where a page cannot be written to this file: what is there is no page of a report, or may not be replaced.
CDC_API void require_place_for_page(const std::filesystem::path& file);

/// RFC 4648, with padding.
CDC_API std::string base64(std::string_view bytes);
/// Numbers as the page reads them: "u16:", "u32:" or "i16:" and base64 of little-endian elements. cdc::Error where one does not fit.
CDC_API std::string packed_u16(const std::vector<std::int32_t>& values);  ///< a value below 0 stands for none: 65535, which no other may be
CDC_API std::string packed_u32(const std::vector<std::int64_t>& values);
CDC_API std::string packed_i16(const std::vector<std::int64_t>& values);

}  // namespace cdc
