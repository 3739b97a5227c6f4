#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/export.hpp"
#include "exec/identity.hpp"
#include "graph/plan.hpp"

namespace cdc {

/// Keeps a run's assignments in its directory, where they outlive the cache: assignments/DATA.csv for each data set, a line a sample: its name, and
/// its cluster by each stage. A data set is not opened where all is cached: names are remembered beside the cache's other memos, by the data set's
/// key.
class CDC_API RunAssignments {
 public:
  RunAssignments(const Plan& plan, const std::vector<StageIdentity>& identities, std::filesystem::path memo_folder);

  /// A data set was opened: its samples' names, less the folders that all have in common, are remembered. From any thread.
  void opened(std::size_t stage, const Dataset& data);

  struct Result {
    std::size_t stage = 0;
    std::string title;  ///< of its column
    std::shared_ptr<const Assignment> assignment;
  };
  /// Where the names of an assignment's samples are not known, they have their numbers; where not even its data set is, the file is called after the
  /// stage.
  void write(const std::filesystem::path& run_directory, const std::vector<Result>& results);

  /// Of an earlier run in this directory.
  static void remove_files(const std::filesystem::path& run_directory);

 private:
  struct Names {
    std::string all;                   ///< the memory of what follows
    std::vector<std::string_view> of;  ///< by sample
  };
  std::filesystem::path memo(std::size_t stage) const;
  std::shared_ptr<const Names> names(std::size_t stage);
  std::optional<std::size_t> data_of(std::size_t stage, std::size_t samples);

  const Plan& plan_;
  const std::vector<StageIdentity>& identities_;
  const std::filesystem::path memo_folder_;
  std::mutex mutex_;
  std::map<std::size_t, std::shared_ptr<const Names>> known_;  ///< nullptr: not known
};

}  // namespace cdc
