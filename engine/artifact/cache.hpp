#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "cdc/component.hpp"
#include "cdc/value.hpp"

namespace cdc {

class ArrayFileReader;
class ArrayFileWriter;

/// How artifacts of one type are kept in a file. Features, Assignment and Scores are known to the cache; Model's comes with LibTorch (torch/model_file.hpp).
struct ArtifactCodec {
  PortType type = PortType::features;
  std::string kind;  ///< of the file
  void (*write)(const std::shared_ptr<const void>& artifact, ArrayFileWriter& file) = nullptr;
  std::shared_ptr<const void> (*read)(const std::filesystem::path& file) = nullptr;
};
CDC_API void register_codec(const ArtifactCodec& codec);
CDC_API const ArtifactCodec* find_codec(PortType type);

/// Results of stages by key: FOLDER/ab/abcd.../{entry.json, PORT.h5}. An entry appears whole or not at all; any number of processes may use a cache.
class CDC_API Cache {
 public:
  explicit Cache(std::filesystem::path folder);  ///< made where missing; cdc::Error where it cannot be written
  const std::filesystem::path& folder() const { return folder_; }

  bool contains(const std::string& key) const;
  /// entry.json: {"plugin", "version", "parameters", "summary": {...}, "metrics": [...], "seconds", "ports": [...]}
  Value entry(const std::string& key) const;
  std::shared_ptr<const void> read(const std::string& key, const std::string& port, PortType type) const;
  /// Every checksum of an entry; cdc::Error naming the damaged file.
  void verify(const std::string& key) const;
  void remove(const std::string& key);

  /// Makes an entry: artifacts are put, then commit() shows it. Should another process have been faster, its entry stays.
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

  /// One process at a time works on a key (flock; freed by the kernel when the process dies). `waiting` is called once if another has it.
  class CDC_API Lock {
   public:
    ~Lock();

   private:
    friend class Cache;
    explicit Lock(int fd) : fd_(fd) {}
    int fd_;
  };
  std::unique_ptr<Lock> lock(const std::string& key, const std::function<void()>& waiting, const std::function<bool()>& stopping);

  std::filesystem::path checkpoint_path(const std::string& key) const;
  std::filesystem::path memo_folder() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace cdc
