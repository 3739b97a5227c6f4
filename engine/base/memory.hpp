#pragma once

#include <string>

#include "cdc/export.hpp"

namespace cdc {

/// For programs that train, before they do: memory that is freed stays with the process, for good. Tensors come and go by the batch; otherwise glibc
/// gives large ones back to the system each time, and every step pays for getting zeroed pages again. Does nothing with another C library.
CDC_API void keep_freed_memory();

/// For programs that load LibTorch, before they do: what is wrong where a limit of this process (ulimit -v, -d) leaves too little memory for that,
/// and the remedy; empty where there is enough. OpenBLAS, which LibTorch loads, asks for a buffer for each core and, where it gets none, asks for
/// ever.
CDC_API std::string memory_limit_problem();

}  // namespace cdc
