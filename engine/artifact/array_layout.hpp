#pragma once

#include <string>
#include <string_view>

#include "artifact/array_file.hpp"

namespace cdc::layout {

// An array file: root attributes "cdc_format", "kind", "index_checksum"; the data set "index", JSON text {"header", "arrays": [{"name", "set",
// "type", "shape", "checksum"}]}; the arrays as data sets of the group "arrays".
inline constexpr int kFormat = 1;
inline constexpr const char* kFormatAttribute = "cdc_format";
inline constexpr const char* kKindAttribute = "kind";
inline constexpr const char* kChecksumAttribute = "index_checksum";
inline constexpr const char* kIndex = "index";
inline constexpr const char* kGroup = "arrays";

/// An array's name as HDF5 takes it: '/' and lone dots mean something there.
std::string set_name(std::string_view name);

}  // namespace cdc::layout
