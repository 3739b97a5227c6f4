#include "cdc/dataset.hpp"

#include "cdc/augment.hpp"

namespace cdc {

// Destructors out of line: one home for each class's type information.
Dataset::~Dataset() = default;
Augment::~Augment() = default;

}  // namespace cdc
