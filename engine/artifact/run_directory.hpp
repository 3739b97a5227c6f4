#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/value.hpp"

namespace cdc {

/// Hears of the lines of metrics.jsonl as they come. Called one at a time, from any thread; what it throws comes out of the RunDirectory's call.
class CDC_API MetricListener {
 public:
  virtual ~MetricListener();
  virtual void added(const std::string& stage, const Value& line) = 0;
  /// These are the stage's lines now.
  virtual void replaced(const std::string& stage, const std::vector<Value>& lines) = 0;
};

/// Where a run leaves what explains its numbers: RUNS/PIPELINE/TIME with the link RUNS/PIPELINE/latest, or a folder that the user names. Holds the
/// folder for itself (flock) as long as it lives. Files, all but log.txt whole or not at all: pipeline.toml, run.json, metrics.jsonl, summary.json,
/// log.txt, STAGE.PORT.safetensors (weights). Methods may be called from any thread.
class CDC_API RunDirectory {
 public:
  struct Request {
    std::filesystem::path runs;       ///< folder of all runs
    std::string pipeline;             ///< its name
    std::filesystem::path directory;  ///< this one instead of RUNS/PIPELINE/TIME, where given
    std::string key;                  ///< of what is to be run: a run of the same key that did not end is continued
    bool fresh = false;               ///< never continue
    std::filesystem::path file = {};  ///< the pipeline's: it is not overwritten by `resolved`, which pipeline.toml will hold
    std::string resolved = {};
  };
  /// cdc::Error where it cannot be made, another run is at work in `directory`, or that holds a file that no run wrote: nothing is changed then.
  explicit RunDirectory(const Request& request);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// run.json of the earlier start that this run continues; null for a new run.
  const Value& earlier() const { return earlier_; }
  /// Another run was here, and is not continued.
  bool replaces() const { return replaces_; }

  void pipeline(const std::string& name, const std::string& text);  ///< the resolved pipeline
  void record(const Value& run);                                    ///< run.json
  /// summary.json: the run has ended. Only from here on does everything in the folder outlive a power cut.
  void summary(const Value& summary);
  /// The order of stages in metrics.jsonl once the run has ended; while it runs, lines stand as they come.
  void stages(std::vector<std::string> names);
  /// Who hears of lines from here on; must outlive the last of them.
  void listen(MetricListener* listener);
  /// Adds a line {"stage": ..., ...} to metrics.jsonl.
  void metric(const std::string& stage, const Value& line);
  /// Replaces the lines of a stage.
  void metrics(const std::string& stage, const std::vector<Value>& lines);
  std::vector<Value> metrics_of(const std::string& stage) const;  ///< without "stage"
  std::string finish_metrics();                                   ///< stage after stage; returns hash_text() of the file
  enum class Level { info, warning, error };
  void log(Level level, const std::string& text);
  /// The weights of a model, from its file in the cache, as NAME.safetensors.
  void weights(const std::filesystem::path& file, const std::string& name);

 private:
  bool take(const std::filesystem::path& folder);
  void require_own(const Request& request) const;
  void make_new(const Request& request);
  void point_latest() const;
  std::string metrics_text() const;

  std::filesystem::path path_;
  Value earlier_;
  bool replaces_ = false;
  int fd_ = -1;  ///< of the folder, locked
  mutable std::mutex mutex_;
  std::vector<std::string> order_;
  std::map<std::string, std::vector<Value>> lines_;
  MetricListener* listener_ = nullptr;
  struct Log;
  std::unique_ptr<Log> log_;
};

}  // namespace cdc
