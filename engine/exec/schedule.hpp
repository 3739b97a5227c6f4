#pragma once

#include <string>
#include <utility>
#include <vector>

#include "artifact/cache.hpp"
#include "exec/identity.hpp"
#include "exec/runner.hpp"

namespace cdc {

struct ScheduledStage {
  bool cached = false;  ///< its result is in the cache, whole
  bool runs = false;
  std::string why;  ///< it runs, or does not
  Value entry;      ///< of the cache, where cached
};

/// What has to run, and why.
struct Schedule {
  std::vector<StageIdentity> identities;
  std::unique_ptr<Cache::Use> use;  ///< of all their keys, so that nothing is collected before it is read; with `mend` alone
  std::vector<ScheduledStage> stages;
  std::vector<std::pair<std::size_t, std::string>> warnings;  ///< damaged results: stage, text
};

/// Whether a stage opens a data set.
bool is_data_set(const ComponentInfo& info);

/// Demand-driven: results that are not in the cache are computed; data sets and the like (uncached kinds) run where something that runs reads them,
/// or nothing could read them, or TensorBoard shows their images. Results that will be read are checked, every checksum; the others too up to 256 MB
/// each, beyond that their sizes. With `mend` damaged ones are removed, and the keys are in use as long as the schedule lives.
Schedule make_schedule(const Plan& plan, const Registry& registry, const RunOptions& options, Cache& cache, bool mend);

/// Remembers what the stage's present result was made of, for the next time's why.
void remember(const Plan& plan, const Schedule& schedule, std::size_t stage, Cache& cache);

}  // namespace cdc
