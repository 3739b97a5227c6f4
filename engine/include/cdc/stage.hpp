#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cdc/artifact.hpp"
#include "cdc/component.hpp"
#include "cdc/plugin.hpp"

namespace cdc {

class GraphSession;

/// How far a stage is, for the progress line.
struct Progress {
  std::int64_t done = 0, total = 0;  ///< in `unit`s
  std::string unit;                  ///< "epoch", "batch", "restart"
  std::string text;                  ///< more: "loss 0.912  5200 images/s  waiting 3 %"
  bool keep = false;                 ///< worth a line that stays, as an epoch's end is
};

/// What a stage gets to run with.
class CDC_API StageContext {
 public:
  virtual ~StageContext();
  template <class T>
  std::shared_ptr<const T> in(const In<T>& port) const {
    return std::static_pointer_cast<const T>(input(port.name, 0));
  }
  template <class T>
  std::size_t connections(const In<T>& port) const {
    return connections_of(port.name);
  }
  template <class T>
  std::shared_ptr<const T> in(const In<T>& port, std::size_t i) const {
    return std::static_pointer_cast<const T>(input(port.name, i));
  }
  /// The name of the stage that feeds connection i of the port.
  template <class T>
  std::string source(const In<T>& port, std::size_t i) const {
    return source_of(port.name, i);
  }
  template <class T>
  void out(const Out<T>& port, std::shared_ptr<const T> artifact) {
    output(port.name, std::move(artifact));
  }

  virtual const std::string& name() const = 0;   ///< of the stage in the file
  virtual const std::string& pipeline() const = 0;  ///< its name
  /// Stands for all that the stage's result depends on: plugins and their versions, parameters, inputs, seed. Empty where nothing is kept.
  virtual const std::string& key() const = 0;
  virtual std::uint64_t seed() const = 0;        ///< of this stage: from the pipeline's seed and the stage's name
  virtual int threads() const = 0;               ///< compute threads this run owns
  virtual const std::string& device() const = 0; ///< "cpu" or "cuda:0"
  /// True once the run was asked to stop: save what must be saved and throw cdc::Stopped.
  virtual bool stopping() const = 0;
  virtual void info(const std::string& text) = 0;
  /// Something about the result that whoever uses it should know. Kept with it: a cached stage warns the same.
  virtual void warn(const std::string& text) = 0;
  /// Something about this start of the work alone, such as a checkpoint that cannot be used: told, but not kept.
  virtual void warn_now(const std::string& text) { warn(text); }
  virtual void progress(const Progress& progress) = 0;
  /// A line of metrics.jsonl; "stage" is added. metrics() replaces this stage's lines (after a resume).
  virtual void metric(Value line) = 0;
  virtual void metrics(const std::vector<Value>& lines) = 0;
  /// A further entry of this stage in summary.json. Kept with the stage's result: a cached stage reports the same.
  virtual void summary(std::string_view key, Value value) = 0;

  /// Where this stage keeps its checkpoint (save_tensors() and load_tensors() of session.hpp). A file there was left by an earlier start of
  /// the same work: go on from it. Removed when the stage has ended well.
  virtual std::filesystem::path checkpoint_path() const = 0;
  /// Seconds that earlier starts of the same work took, by their checkpoint: they count as this stage's.
  virtual void spent_before(double seconds) = 0;
  /// What a parameter of type port names (Schema::port): node and output of the graph, as resolved when the file was loaded; empty where it is not set.
  virtual std::pair<std::string, std::string> port(std::string_view parameter) const = 0;
  /// The graph of this stage, or of the model at `model_input`, ready to be built. See session.hpp.
  virtual std::unique_ptr<GraphSession> session(std::string_view model_input = {}) = 0;

 protected:
  virtual std::shared_ptr<const void> input(std::string_view port, std::size_t i) const = 0;
  virtual std::size_t connections_of(std::string_view port) const = 0;
  virtual std::string source_of(std::string_view port, std::size_t i) const = 0;
  virtual void output(std::string_view port, std::shared_ptr<const void> artifact) = 0;
};

/// A stage of the pipeline: whole artifacts in, whole artifacts out. Run once a run, in any thread, beside stages that do not depend on it.
class CDC_API Stage : public Component {
 public:
  static constexpr Kind kKind = Kind::stage;
  ~Stage() override;
  virtual void run(StageContext& context) = 0;
  /// Files whose contents the result depends on, read before the stage's key is made: a file counts by its bytes, a folder by the relative
  /// paths and bytes of the files below it. cdc::Error where one is missing.
  virtual std::vector<std::filesystem::path> files() const { return {}; }
  /// What else the key must hold: things that "auto" parameters resolve to on this machine. Table or null.
  virtual Value resolved(const std::string& /*device*/) const { return {}; }
};

}  // namespace cdc
