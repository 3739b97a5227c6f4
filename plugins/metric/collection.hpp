#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <set>
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

/// How many classes the samples are of: one that has a name alone does not count.
inline std::int64_t classes_of(const Dataset& data) {
  const std::set<std::int32_t> seen(data.labels().begin(), data.labels().end());
  return static_cast<std::int64_t>(seen.size());
}

}  // namespace cdc::metric
