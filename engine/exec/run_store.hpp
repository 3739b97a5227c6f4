#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/value.hpp"

namespace cdc {

/// A run as it is listed.
struct StoredRun {
  std::int64_t id = 0;  ///< within its store
  std::filesystem::path directory;
  std::string pipeline, started;
  std::int64_t seed = 0;
  bool done = false;                                   ///< it has a summary
  double seconds = 0;                                  ///< 0 where it is not done
  std::vector<std::pair<std::string, double>> scores;  ///< "kmeans.acc", in the summary's order
};

/// What differs between two runs, and what each has.
struct RunDifference {
  std::string what;  ///< key of the pipeline, or score
  std::string a, b;  ///< empty: it has none
};

/// An index of run directories in one SQLite file, so that runs can be listed, compared and queried. It holds nothing that the directories do not
/// hold: it may be deleted, and is made anew. Tables: run (id, directory, pipeline, seed, started, finished, seconds, device, threads, key, done),
/// setting (run, key, value as JSON), score (run, name, value).
class CDC_API RunStore {
 public:
  /// Made where missing. Where it may not be written, what there is of it is taken into memory, and forgotten at the end. cdc::Error where it is no
  /// such file (the message says what to do), or another program's.
  explicit RunStore(const std::filesystem::path& file);
  ~RunStore();
  RunStore(const RunStore&) = delete;
  RunStore& operator=(const RunStore&) = delete;

  /// Looks for run directories below the folders, as deep as they lie: new and changed ones are read, those that are gone are forgotten. Gives
  /// those that could not be read, each with the reason.
  std::vector<std::string> refresh(const std::vector<std::filesystem::path>& folders);

  /// The latest first; of one pipeline, where given.
  std::vector<StoredRun> runs(const std::string& pipeline = "") const;
  /// The run that a user means: an id, a directory, or a part of a directory's name that only one has. cdc::Error naming the candidates.
  StoredRun find(const std::string& text) const;
  /// The runs that have a score, the highest first.
  std::vector<std::pair<StoredRun, double>> best(const std::string& score, const std::string& pipeline, std::size_t most) const;
  std::vector<RunDifference> difference(const StoredRun& a, const StoredRun& b) const;
  std::vector<std::string> score_names() const;
  /// Rows of any query that only reads, all columns as text, the names first. cdc::Error with what SQLite says.
  std::vector<std::vector<std::string>> query(const std::string& sql) const;

 private:
  struct Database;
  std::unique_ptr<Database> database_;
};

}  // namespace cdc
