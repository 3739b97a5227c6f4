#include "cdc/stage.hpp"

#include "exec/runner.hpp"

namespace cdc {

// Destructors out of line: one home for each class's type information, so that dynamic_cast and exceptions work across libraries.
Stage::~Stage() = default;
StageContext::~StageContext() = default;
RunObserver::~RunObserver() = default;

}  // namespace cdc
