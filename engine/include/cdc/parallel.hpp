#pragma once

#include <cstdint>
#include <functional>

#include "cdc/export.hpp"

namespace cdc {

/// Runs `body(begin, end)` over [0, n) in chunks of `chunk` (the last may be shorter), on the threads that the run owns (oneTBB).
/// The chunks' borders depend on n and chunk alone: a reduction that keeps one partial result a chunk and adds them up in order has
/// the same bits with any number of threads. Exceptions come out of the call. May be nested.
CDC_API void parallel_chunks(std::int64_t n, std::int64_t chunk, const std::function<void(std::int64_t, std::int64_t)>& body);

/// The number of threads that parallel work may use here.
CDC_API int thread_count();

}  // namespace cdc
