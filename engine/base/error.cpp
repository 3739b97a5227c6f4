#include "cdc/error.hpp"

namespace cdc {

// Out of line, so that the classes' type information lives in one library.
Error::~Error() = default;
PluginError::~PluginError() = default;
Stopped::~Stopped() = default;

}  // namespace cdc
