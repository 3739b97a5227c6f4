#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "artifact/cache.hpp"
#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "graph/plan.hpp"
#include "plugin/registry.hpp"

namespace cdc {

/// A run that has ended, as its directory and the cache have it.
class EndedRun {
 public:
  /// cdc::Error naming the directory where it holds no run, or one that has not ended; ConfigError where its pipeline cannot be planned with these
  /// plugins. `cache`: empty for the one that the run recorded.
  EndedRun(std::filesystem::path directory, const std::filesystem::path& cache, const Registry& registry);

  const std::filesystem::path& directory() const { return directory_; }
  const Value& record() const { return record_; }            ///< run.json
  const Value& summary() const { return summary_; }          ///< summary.json
  const std::string& pipeline() const { return pipeline_; }  ///< TOML
  const Plan& plan() const { return plan_; }
  std::vector<Value> metrics() const;  ///< lines of metrics.jsonl

  /// What a stage gave, from the cache. cdc::Error naming stage and remedy where it is not there any more, or damaged.
  template <class T>
  std::shared_ptr<const T> result(const Source& source, PortType type) const {
    return std::static_pointer_cast<const T>(read(source, type));
  }

  /// A clustering that the run made: what gave it, what it was made of, and of which images.
  struct Clustering {
    Source assignment;
    std::optional<Source> features;  ///< those it was made of; of a trained head, what that model's graph gave for the same images
    std::optional<Source> dataset;
  };
  const std::vector<Clustering>& clusterings() const { return clusterings_; }  ///< in the plan's order

 private:
  std::shared_ptr<const void> read(const Source& source, PortType type) const;
  std::optional<Source> features_of(std::size_t stage) const;
  std::optional<Source> dataset_of(std::size_t stage) const;

  std::filesystem::path directory_;
  Value record_, summary_;
  std::string pipeline_;
  Plan plan_;
  std::unique_ptr<Cache> cache_;  ///< null where its folder is gone
  std::filesystem::path cache_folder_;
  std::vector<Clustering> clusterings_;
};

}  // namespace cdc
