#pragma once

#include <string>

#include "cdc/export.hpp"

namespace cdc {

/// The word as a POSIX shell reads it back: as it is where that is safe, else between single quotes.
CDC_API std::string shell_quoted(const std::string& word);

}  // namespace cdc
