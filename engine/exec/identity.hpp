#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cdc/stage.hpp"
#include "graph/plan.hpp"
#include "plugin/registry.hpp"

namespace cdc {

/// What a stage's result depends on. The record holds all of it in readable form, so that one can tell what changed since; the key is its hash.
struct StageIdentity {
  /// {"plugin", "version", "parameters", "seed", "inputs": {PORT: [{"stage", "port", "key"}]}, "graph": [...], "ports", "files": {PATH: fingerprint},
  /// "libraries": {PATH: hash} of plugins that do not come with the engine, "resolved"}; what does not apply is left out.
  Value record = Value::table();
  std::string key;
  std::shared_ptr<Stage> component;  ///< made, with its parameters
  std::uint64_t seed = 0;            ///< of the stage
};

/// Of the pipeline's seed and the stage's name.
CDC_API std::uint64_t stage_seed(std::uint64_t pipeline_seed, const std::string& stage);

/// How far the data files of a stage are read; may throw, which comes out.
using FilesProgress = std::function<void(const std::string& stage, const Progress& progress)>;

/// All stages of a plan, in its order. ConfigError with file:line:column of the parameter for files that are missing and the like, all at once.
std::vector<StageIdentity> identify_stages(const Plan& plan, const Registry& registry, const std::string& device,
                                           const std::filesystem::path& memo_folder, const FilesProgress& progress = {});

/// What makes two starts the same run: the pipeline as resolved, its stages' keys, the device.
std::string run_key(const Plan& plan, const std::vector<StageIdentity>& identities, const std::string& device);

/// What makes `now` differ from `before` (two records), as parts of a sentence: "parameter 'clusters' changed: 10 -> 20". Inputs are left out.
CDC_API std::vector<std::string> changes_between(const Value& before, const Value& now);

}  // namespace cdc
