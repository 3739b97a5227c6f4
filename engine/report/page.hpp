#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/value.hpp"

namespace cdc {

/// The whole page of a report, one HTML file without network, with this data (README.md says what it may hold).
CDC_API std::string report_page(const Value& data);

/// RFC 4648, with padding.
CDC_API std::string base64(std::string_view bytes);
/// Numbers as the page reads them: "u16:" or "i16:" and base64 of little-endian elements. For "u16" a value below 0 stands for none (65535).
/// cdc::Error where one does not fit.
CDC_API std::string packed_u16(const std::vector<std::int32_t>& values);
CDC_API std::string packed_i16(const std::vector<std::int32_t>& values);

}  // namespace cdc
