#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cdc/stage.hpp"
#include "graph/plan.hpp"
#include "plugin/registry.hpp"

namespace cdc {

/// Makes a session for a graph (torch/graph_session.hpp gives the real one).
using SessionFactory = std::function<std::unique_ptr<GraphSession>(std::shared_ptr<const PlannedGraph> graph, const Registry& registry)>;

/// Sees what happens, for the terminal. Called from any thread, one at a time.
class CDC_API RunObserver {
 public:
  virtual ~RunObserver();
  virtual void info(const std::string& stage, const std::string& text) = 0;
  virtual void warn(const std::string& stage, const std::string& text) = 0;
  virtual void stage_begins(const std::string& stage, const std::string& plugin, const std::string& why) = 0;
  virtual void stage_cached(const std::string& stage, const std::string& plugin) = 0;
  virtual void stage_ends(const std::string& stage, double seconds) = 0;
  virtual void progress(const std::string& stage, const Progress& progress) = 0;
};

inline constexpr int kMostThreads = 4096;  ///< that a run may be told to use (--threads)

struct RunOptions {
  std::filesystem::path cache = "cache";
  std::filesystem::path runs = "runs";  ///< run directories: RUNS/NAME/TIME
  std::filesystem::path run_directory;  ///< this one instead, where given
  int threads = 0;                      ///< 0: all
  std::string device = "cpu";
  bool fresh = false;  ///< nothing cached is taken, checkpoints are removed: starts over
  bool only_cached =
      false;  ///< runs no stage but data sets that `tensorboard` asks for: NotCached, before anything is written, where one would have to run
  bool weights = true;       ///< of trained models, as safetensors in the run directory; the cache has them in any case
  bool tensorboard = false;  ///< the run directory gets a folder of events for TensorBoard; data sets are opened for their images
  SessionFactory sessions;
  std::string (*last_backward)() = nullptr;  ///< in which function of which node the backward pass is that has failed; empty: in none that is known
  RunObserver* observer = nullptr;
  const std::atomic<bool>* stop = nullptr;  ///< set by a signal handler
  std::string command_line;                 ///< for the record
  Value versions;                           ///< table, for the record: cdc, torch, compiler
};

/// A stage as `--dry-run` prints it.
struct StageStatus {
  std::string name, plugin, key;
  bool cached = false, uncached_kind = false;  ///< uncached_kind: opened anew whenever needed (data sets)
  std::string why;    ///< "no result with this key", "parameter 'clusters' changed: 10 -> 20", "input 'features' runs", ...; "not needed"
  bool runs = false;  ///< false: cached, or not needed
};
CDC_API std::vector<StageStatus> stage_status(const Plan& plan, const Registry& registry, const RunOptions& options);

struct RunResult {
  std::filesystem::path directory;
  Value summary;  ///< summary.json
};

/// A stage would have to run, and may not (RunOptions::only_cached).
class CDC_API NotCached : public Error {
 public:
  using Error::Error;
  ~NotCached() override;
};

/// Runs what has to run (oneTBB flow graph: independent stages at the same time; stages with a graph of nodes one at a time, since LibTorch owns the
/// cores), and writes the run directory. cdc::Error naming the stage; Stopped.
CDC_API RunResult run_pipeline(const Plan& plan, const Registry& registry, const RunOptions& options);

}  // namespace cdc
