#pragma once

#include <fmt/format.h>

#include <string>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"

namespace cdc::metric {

/// cdc::Error where what stage `source` gave is of other images than the data set of stage `stage`, though of as many.
inline void check_collection(const std::string& collection, const std::string& source, const Dataset& data, const std::string& stage) {
  if (collection.empty()) return;
  const std::string other = data.fingerprint();
  if (!same_collection(collection, other))
    throw Error(fmt::format("stage '{}' is of other images ({}) than stage '{}' has ({}): score it against the data set that it was made of", source,
                            collection, stage, other));
}

}  // namespace cdc::metric
