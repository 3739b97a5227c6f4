#pragma once

#include "cdc/export.hpp"

namespace cdc {

/// For programs that train, before they do: memory that is freed stays with the process, for good. Tensors come and go by the batch; otherwise glibc
/// gives large ones back to the system each time, and every step pays for getting zeroed pages again. Does nothing with another C library.
CDC_API void keep_freed_memory();

}  // namespace cdc
