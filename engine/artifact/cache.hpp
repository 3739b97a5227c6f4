#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cdc/component.hpp"
#include "cdc/value.hpp"

namespace cdc {

class ArrayFileReader;
class ArrayFileWriter;

/// How artifacts of one type are kept in a file. Features, Assignment and Scores are known to the cache; Model's comes with LibTorch
/// (torch/model_file.hpp).
struct ArtifactCodec {
  PortType type = PortType::features;
  std::string kind;  ///< of the file
  void (*write)(const std::shared_ptr<const void>& artifact, ArrayFileWriter& file) = nullptr;
  std::shared_ptr<const void> (*read)(const std::filesystem::path& file) = nullptr;
};
CDC_API void register_codec(const ArtifactCodec& codec);
CDC_API const ArtifactCodec* find_codec(PortType type);

/// A result in the cache, or what a stage that was stopped left to go on from, as it is listed.
struct CachedResult {
  std::string key, plugin;  ///< plugin: empty where the entry is damaged, and of checkpoints
  std::uint64_t bytes = 0;  ///< of its files
  std::int64_t used = 0;    ///< when a run last made or took it; seconds since 1970
  /// For which stages, PIPELINE.STAGE, and when last for each (nanoseconds since 1970). Empty where it was last used before this was kept.
  std::vector<std::pair<std::string, std::int64_t>> stages;
  double seconds = 0;                   ///< that computing it took
  bool in_use = false;                  ///< by a run at work
  bool checkpoint = false;              ///< no result yet
  std::int64_t epoch = -1, epochs = 0;  ///< of a checkpoint: epochs that have ended, of how many; -1, 0 where it does not say
};

/// Results of stages by key: FOLDER/ab/abcd.../{entry.json, PORT.h5}; README.md tells the rest of the layout. An entry appears whole or not at all;
/// any number of processes may use a cache. What cdc did not write there is never removed, and no link below the folder is followed to remove
/// anything.
class CDC_API Cache {
 public:
  enum class Access {
    read,  ///< makes nothing, not even the cache: a folder that is not there holds no results
    write  ///< a folder that is missing or empty becomes a cache. Where it cannot be written, what is there can be read all the same
  };
  /// cdc::Error where the folder holds something else than a cache, or is none.
  explicit Cache(std::filesystem::path folder, Access access = Access::write);
  const std::filesystem::path& folder() const { return folder_; }
  /// Whether the folder is a cache; false where it is missing or empty. One without the mark, of before there was one, is known by its layout.
  /// cdc::Error where it holds something else, or cannot be read.
  static bool is_cache(const std::filesystem::path& folder);
  /// cdc::Error with reason and remedy where nothing can be written; lock(), begin() and collect() say the same.
  void require_writable() const;

  bool contains(const std::string& key) const;
  /// entry.json: {"plugin", "version", "parameters", "summary": {...}, "metrics": [...], "seconds", "ports": [...]}
  Value entry(const std::string& key) const;
  std::shared_ptr<const void> read(const std::string& key, const std::string& port, PortType type) const;
  /// Sizes of an entry's files, and every checksum of those that together have at most `largest` bytes; cdc::Error naming the damaged file.
  /// A file that this process has read whole before, and that has not been written to since, is not read again. Returns entry().
  Value verify(const std::string& key, std::uint64_t largest = UINT64_MAX) const;
  /// For every reader; memory mapped from it stays. False where something of it cannot be removed, or is not cdc's.
  bool remove(const std::string& key);
  /// The same, but of none that a run at work uses: false.
  bool remove_unused(const std::string& key);
  /// The file of a port's artifact.
  std::filesystem::path file(const std::string& key, const std::string& port) const;

  /// Makes an entry: artifacts are put, then commit() shows it. Should another process have been faster, its entry stays; what is left there of a
  /// damaged one is replaced.
  class CDC_API Pending {
   public:
    ~Pending();
    void put(const std::string& port, PortType type, const std::shared_ptr<const void>& artifact);
    void commit(const Value& entry);

   private:
    friend class Cache;
    struct Impl;
    explicit Pending(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
  };
  std::unique_ptr<Pending> begin(const std::string& key);

  /// One process (and thread) at a time works on a key (flock; freed by the kernel when the process dies). `waiting` is called once if another has
  /// it; nullptr once `stopping` says so. What a killed process left half-written of this key is removed.
  class CDC_API Lock {
   public:
    ~Lock();

   private:
    friend class Cache;
    Lock(int fd, std::filesystem::path file) : fd_(fd), file_(std::move(file)) {}
    int fd_;
    std::filesystem::path file_;
  };
  std::unique_ptr<Lock> lock(const std::string& key, const std::function<void()>& waiting, const std::function<bool()>& stopping);

  /// A run needs results of these keys, whether they are there or not: as long as this lives (or its process; flock), collect() leaves them alone.
  /// They count as used now. nullptr where the cache cannot be written: who can may then collect what this run reads.
  class CDC_API Use {
   public:
    ~Use();

   private:
    friend class Cache;
    Use(int fd, std::filesystem::path file) : fd_(fd), file_(std::move(file)) {}
    int fd_;
    std::filesystem::path file_;
  };
  std::unique_ptr<Use> use(const std::vector<std::string>& keys);

  /// Every result and checkpoint in the cache, what was used last first.
  std::vector<CachedResult> list() const;
  /// A run made or took the result for this stage of a pipeline, now. Does nothing where there is no such result.
  void mark(const std::string& key, const std::string& pipeline, const std::string& stage);

  /// What is to go, of what no run at work uses.
  struct Limits {
    /// All but so many of each stage of a pipeline, the last used; results and checkpoints each. A result of several stages is kept as long as it is
    /// among the last of one of them; one that no stage is known of counts as its plugin's.
    std::optional<std::size_t> keep_last = {};
    std::optional<std::uint64_t> max_bytes = {};  ///< the longest unused, until the rest has at most so many
    std::optional<std::int64_t> max_age = {};     ///< what was not used for so many seconds
  };
  struct Collection {
    std::vector<CachedResult> removed, kept;
    std::vector<std::filesystem::path> stuck = {};  ///< of those kept: what should have gone, and could not be removed whole
    std::size_t leftover_files = 0;                 ///< of killed runs, and records of what is gone
    std::uint64_t leftover_bytes = 0;
  };
  /// Removes it, and what killed runs left; with `dry` only says what. At most one at a time; runs that begin wait for it.
  Collection collect(const Limits& limits, bool dry);
  /// Removes the results and checkpoints that `which` names, but none in use: those are kept.
  Collection remove_some(const std::function<bool(const CachedResult&)>& which, bool dry);

  std::filesystem::path checkpoint_path(const std::string& key) const;
  /// Empty where there is no cache.
  std::filesystem::path memo_folder() const;
  /// What the last result of a stage was made of, for telling what changed since.
  std::filesystem::path last_file(const std::string& pipeline, const std::string& stage) const;

 private:
  std::filesystem::path entry_folder(const std::string& key) const;
  bool is_whole(const std::string& key) const;
  Collection remove_those(const std::vector<CachedResult>& all, const std::vector<char>& goes, bool dry);
  void remove_leftovers(const std::set<std::string>& at_work, bool dry, Collection& out) const;
  std::filesystem::path folder_;
  std::string unwritable_;  ///< why nothing can be written; empty where it can
};

}  // namespace cdc
