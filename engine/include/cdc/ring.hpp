#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cdc/export.hpp"

namespace cdc {

/// A ring of rows, for queues that a node keeps as its state (MoCo's keys, SwAV's queue): `ring` [..., size, D] holds the rows that came last, and
/// `place` [2] int64, both 0 at first, says where the next one goes and how many are there.

/// Enters `rows` [..., n, D] in their order over the oldest ones; of more than `size` rows the last stay. Call it in after_step: what a node gave out
/// of the ring must be a copy.
CDC_API void ring_enter(at::Tensor& ring, at::Tensor& place, const at::Tensor& rows);
/// How many rows are there: the ring's first.
CDC_API std::int64_t ring_count(const at::Tensor& place);

}  // namespace cdc
