#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <new>
#include <set>
#include <utility>

#include "artifact/array_file.hpp"
#include "base/at_work.hpp"
#include "cdc/error.hpp"
#include "cdc/session.hpp"
#include "exec/artifact_check.hpp"
#include "exec/memory_advice.hpp"
#include "exec/run_state.hpp"

namespace cdc {
namespace {

/// The first line: LibTorch appends a page of addresses.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// What a stage warned of. While it is at work, it is kept beside its checkpoint: a later start that goes on from there does not see it again.
class Warnings {
 public:
  explicit Warnings(std::filesystem::path checkpoint)
      : checkpoint_(std::move(checkpoint)), file_(checkpoint_.empty() ? checkpoint_ : warnings_file(checkpoint_)) {
    std::error_code ignored;
    if (file_.empty() || !std::filesystem::exists(checkpoint_, ignored) || !std::filesystem::exists(file_, ignored)) return;
    try {
      all_ = warnings_of(Value::from_json(read_file(file_)));
    } catch (const Error&) {  // those of the earlier start are lost: no reason to fail
    }
  }

  void add(const std::string& text) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (std::find(all_.begin(), all_.end(), text) != all_.end()) return;  // an epoch that is done again
    all_.push_back(text);
    if (file_.empty()) return;
    Value table = Value::table();
    put_warnings(all_, table);
    try {
      write_file(file_, table.to_json(), Durable::nothing);
    } catch (const Error&) {  // a full disk: only a later start would need them
    }
  }
  std::vector<std::string> all() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return all_;
  }

 private:
  std::filesystem::path checkpoint_, file_;
  mutable std::mutex mutex_;
  std::vector<std::string> all_;
};

class Context final : public StageContext {
 public:
  Context(RunState& run, std::size_t index)
      : run_(run),
        index_(index),
        stage_(run.plan.stages[index]),
        device_(run.options.device),
        warnings_(stage_.info->cached ? run.cache.checkpoint_path(run.schedule.identities[index].key) : std::filesystem::path()) {}

  const std::string& name() const override { return stage_.name; }
  const std::string& pipeline() const override { return run_.plan.name; }
  const std::string& key() const override { return run_.schedule.identities[index_].key; }
  std::uint64_t seed() const override { return run_.schedule.identities[index_].seed; }
  int threads() const override { return run_.threads; }
  const std::string& device() const override { return device_; }
  bool stopping() const override { return run_.stopping(); }
  void info(const std::string& text) override { run_.info(index_, text); }
  void warn(const std::string& text) override {
    warnings_.add(text);
    run_.warn(index_, text);
  }
  void warn_now(const std::string& text) override { run_.warn(index_, text); }
  void progress(const Progress& progress) override { run_.progress(index_, progress); }
  void metric(Value line) override { run_.directory.metric(stage_.name, line); }
  void metrics(const std::vector<Value>& lines) override { run_.directory.metrics(stage_.name, lines); }
  void summary(std::string_view key, Value value) override { summary_[key] = std::move(value); }
  std::filesystem::path checkpoint_path() const override { return run_.cache.checkpoint_path(run_.schedule.identities[index_].key); }

  void spent_before(double seconds) override { spent_before_ = seconds; }

  std::pair<std::string, std::string> port(std::string_view parameter) const override {
    const auto found = stage_.ports.find(std::string(parameter));
    if (found == stage_.ports.end()) return {};
    const ParameterInfo* info = stage_.info->parameter(found->first);
    return {graph_of(info == nullptr ? std::string() : info->graph_of)->nodes.at(found->second.index).name, found->second.port};
  }

  std::unique_ptr<GraphSession> session(std::string_view model_input) override {
    if (!run_.options.sessions) throw Error("this program runs no graphs of nodes");
    return run_.options.sessions(graph_of(std::string(model_input)), run_.registry);
  }

  const Value& told() const { return summary_; }
  std::vector<std::string> warnings() const { return warnings_.all(); }
  double seconds_before() const { return spent_before_; }
  const std::shared_ptr<const void>& given(const std::string& port) const {
    static const std::shared_ptr<const void> nothing;
    const auto found = outputs_.find(port);
    return found == outputs_.end() ? nothing : found->second;
  }

 protected:
  std::shared_ptr<const void> input(std::string_view port, std::size_t i) const override {
    const Connection* connection = connected(port);
    if (connection == nullptr || i >= connection->sources.size()) return nullptr;
    return run_.artifact(connection->sources[i]);
  }
  std::size_t connections_of(std::string_view port) const override {
    const Connection* connection = connected(port);
    return connection == nullptr ? 0 : connection->sources.size();
  }
  std::string source_of(std::string_view port, std::size_t i) const override {
    const Connection* connection = connected(port);
    if (connection == nullptr || i >= connection->sources.size()) throw Error(fmt::format("the input '{}' has no connection {}", port, i));
    return run_.plan.stages[connection->sources[i].index].name;
  }
  void output(std::string_view port, std::shared_ptr<const void> artifact) override {
    const PortInfo* const declared = output_port(stage_, port);
    if (declared == nullptr) throw Error(fmt::format("it has no output '{}'{}", port, faulty()));
    if (outputs_.count(std::string(port)) != 0) throw Error(fmt::format("it gave its output '{}' twice{}", port, faulty()));
    check_artifact(*declared, artifact, known_sizes(), faulty());
    check_numbers(*declared, artifact.get());
    if (declared->type == PortType::features) artifact = with_collection<Features>(std::move(artifact));
    if (declared->type == PortType::assignment) artifact = with_collection<Assignment>(std::move(artifact));
    outputs_[std::string(port)] = std::move(artifact);
  }

 private:
  std::string faulty() const { return fmt::format("; the plugin is faulty ({})", stage_.info->library); }

  /// Of the symbols of its ports, by its inputs and its parameters.
  KnownSizes known_sizes() const {
    KnownSizes sizes;
    for (const Connection& connection : stage_.inputs) {
      const PortInfo* const port = stage_.info->input(connection.port);
      if (port == nullptr || port->type == PortType::model || port->type == PortType::scores) continue;
      for (const Source& source : connection.sources)
        if (const auto artifact = run_.artifact(source)) add_sizes(*port, artifact.get(), fmt::format("its input '{}'", port->name), sizes);
    }
    for (const auto& [symbol, size] : stage_.sizes)
      if (KnownSize& known = sizes[symbol]; size > 0 && known.value == 0) known = {size, "the pipeline"};
    return sizes;
  }

  static std::int64_t samples_of(const Features& features) { return features.rows; }
  static std::int64_t samples_of(const Assignment& assignment) { return static_cast<std::int64_t>(assignment.cluster.size()); }

  /// The artifact, told of which collection it is where its stage did not say.
  template <class T>
  std::shared_ptr<const void> with_collection(std::shared_ptr<const void> artifact) const {
    const T& given = *static_cast<const T*>(artifact.get());
    if (!given.collection.empty()) return artifact;
    std::string collection = only_collection(samples_of(given));
    if (collection.empty()) return artifact;
    auto told = std::make_shared<T>(given);
    told->collection = std::move(collection);
    return told;
  }

  /// The collection that all inputs of so many samples are of; empty where there is none, or another one too.
  std::string only_collection(std::int64_t samples) const {
    std::string only;
    for (const Connection& connection : stage_.inputs)
      for (std::size_t i = 0; i < connection.sources.size(); ++i) {
        const std::string found = collection_of(connection, i, samples);
        if (!same_collection(only, found)) return {};
        if (only.empty()) only = found;
      }
    return only;
  }

  /// Empty for what is of no collection, or not of so many samples.
  std::string collection_of(const Connection& connection, std::size_t i, std::int64_t samples) const {
    const Source& source = connection.sources[i];
    const auto of = [&](const auto& artifact) { return samples_of(artifact) == samples ? artifact.collection : std::string(); };
    switch (output_port(run_.plan.stages[source.index], source.port)->type) {
      case PortType::dataset: {
        const auto data = std::static_pointer_cast<const Dataset>(run_.artifact(source));
        return data->size() == samples ? data->fingerprint() : std::string();
      }
      case PortType::features:
        return of(*std::static_pointer_cast<const Features>(run_.artifact(source)));
      case PortType::assignment:
        return of(*std::static_pointer_cast<const Assignment>(run_.artifact(source)));
      default:
        return {};
    }
  }

  const Connection* connected(std::string_view port) const {
    for (const Connection& connection : stage_.inputs)
      if (connection.port == port) return &connection;
    return nullptr;
  }
  /// The graph that made the model at an input; this stage's own for an empty name, and where that input is not connected.
  std::shared_ptr<const PlannedGraph> graph_of(const std::string& model_input) const {
    for (const auto& [port, graph] : stage_.model_graphs)
      if (port == model_input) return graph;
    if (stage_.graph && connected(model_input) == nullptr) return stage_.graph;
    throw Error(model_input.empty() ? "it has no graph of nodes" : fmt::format("no model with a graph is connected to its input '{}'", model_input));
  }

  RunState& run_;
  std::size_t index_;
  const PlannedStage& stage_;
  std::string device_;
  Warnings warnings_;
  Value summary_ = Value::table();
  double spent_before_ = 0;
  std::map<std::string, std::shared_ptr<const void>> outputs_;
};

/// The outputs that this stage, with its parameters, must give.
std::vector<const PortInfo*> outputs_of(const PlannedStage& stage, const Stage& component) {
  std::vector<const PortInfo*> all;
  for (const PortInfo& port : stage.info->outputs)
    if (!port.present || port.present(component)) all.push_back(&port);
  return all;
}

void take_from_cache(RunState& run, std::size_t index) {
  const Value entry = run.cache.entry(run.schedule.identities[index].key);
  run.told[index].summary = entry.at("summary");
  run.told[index].seconds = entry.at("seconds").as_real();
  run.told[index].warnings = warnings_of(entry);
  for (const std::string& text : run.told[index].warnings) run.warn(index, text);
  run.directory.metrics(run.plan.stages[index].name, entry.at("metrics").as_array());
}

void write_to_cache(RunState& run, std::size_t index, const Context& context, const std::vector<const PortInfo*>& outputs) {
  const PlannedStage& stage = run.plan.stages[index];
  const std::string& key = run.schedule.identities[index].key;
  Value entry = Value::table(), metrics = Value::array();
  for (const Value& line : run.directory.metrics_of(stage.name)) metrics.push_back(line);
  entry["plugin"] = stage.info->id;
  entry["version"] = stage.info->version;
  entry["pipeline"] = run.plan.name;
  entry["stage"] = stage.name;
  entry["parameters"] = stage.parameters;
  entry["summary"] = run.told[index].summary;
  entry["metrics"] = std::move(metrics);
  entry["seconds"] = run.told[index].seconds;
  put_warnings(run.told[index].warnings, entry);
  // A data set is not opened where all that is made of it is cached: what it said and warned of is kept with that.
  Value of_inputs = Value::table();
  for (const Connection& connection : stage.inputs)
    for (const Source& source : connection.sources) {
      const RunState::Told& told = run.told[source.index];
      if (run.plan.stages[source.index].info->cached || (told.summary.as_table().empty() && told.warnings.empty())) continue;
      Value& of_input = of_inputs[run.plan.stages[source.index].name] = Value::table();
      of_input["summary"] = told.summary;
      put_warnings(told.warnings, of_input);
    }
  if (!of_inputs.as_table().empty()) entry["inputs"] = std::move(of_inputs);
  const auto pending = run.cache.begin(key);
  for (const PortInfo* port : outputs) pending->put(port->name, port->type, context.given(port->name));
  if (run.options.fresh) run.cache.remove(key);
  pending->commit(entry);
}

/// How many images a data set that was opened has, of which splits and classes: on screen, in the log, in summary.json.
void tell_data(RunState& run, std::size_t index, const Dataset& data) {
  Value splits = Value::table();
  std::string of;
  for (const SplitPart& part : data.parts()) {
    splits[part.name] = part.samples;
    of += fmt::format("{}{} {}", of.empty() ? "" : ", ", part.name, part.samples);
  }
  const auto classes = static_cast<std::int64_t>(std::set<std::int32_t>(data.labels().begin(), data.labels().end()).size());
  Value& told = run.told[index].summary;
  told["images"] = data.size();
  told["classes"] = classes;
  told["splits"] = std::move(splits);
  run.info(index, fmt::format("{} images ({}), {}", data.size(), of, data.labels().empty() ? "no labels" : fmt::format("{} classes", classes)));
}

void work(RunState& run, std::size_t index) {
  const PlannedStage& stage = run.plan.stages[index];
  const std::string& key = run.schedule.identities[index].key;
  std::unique_ptr<Cache::Lock> lock;
  if (stage.info->cached) {
    lock = run.cache.lock(
        key, [&] { run.info(index, "another run computes the same result; waiting for it"); }, [&] { return run.stopping(); });
    if (!lock) throw Stopped("asked to stop");
    if (!run.options.fresh && run.cache.contains(key)) {
      try {
        run.cache.verify(key);
        take_from_cache(run, index);
        run.info(index, "the result was computed by another run");
        run.ends(index, 0);
        return;
      } catch (const Error& e) {
        run.warn(index, fmt::format("the result of another run cannot be used: {}; it is computed again", e.what()));
        run.cache.remove(key);
      }
    }
    if (run.options.fresh) remove_checkpoint(run.cache, key);
  }
  run.begins(index);
  run.directory.metrics(stage.name, {});  // those of an earlier start; who resumes gives them again
  const auto start = std::chrono::steady_clock::now();
  Context context(run, index);
  run.schedule.identities[index].component->run(context);
  const std::vector<const PortInfo*> outputs = outputs_of(stage, *run.schedule.identities[index].component);
  for (const PortInfo* port : outputs)
    if (!context.given(port->name))
      throw Error(fmt::format("it ended without giving its output '{}'; the plugin is faulty ({})", port->name, stage.info->library));
  for (const PortInfo* port : outputs) run.keep(index, port->name, context.given(port->name));
  run.told[index].summary = context.told();
  for (const PortInfo* port : outputs)
    if (port->type == PortType::dataset) tell_data(run, index, *std::static_pointer_cast<const Dataset>(context.given(port->name)));
  run.told[index].warnings = context.warnings();
  run.told[index].seconds = context.seconds_before() + std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (stage.info->cached) {
    write_to_cache(run, index, context, outputs);
    remember(run.plan, run.schedule, index, run.cache);
    remove_checkpoint(run.cache, key);
  }
  run.ends(index, run.told[index].seconds);
}

/// For AtWork: the stage, and the plugins that are its parts.
std::string title_at_work(const PlannedStage& stage) {
  std::string parts;
  for (const ParameterInfo& p : stage.info->parameters)
    if (const Value* part = p.type == ParameterType::component ? stage.parameters.find(p.name) : nullptr; part != nullptr && part->is_table())
      parts += ", with " + part->at("plugin").as_string();
  return fmt::format("stage '{}' ({} of {}{}{}{})", stage.name, stage.info->id, stage.info->library, stage.where.file.empty() ? "" : ", ",
                     stage.where.file.empty() ? "" : stage.where.text(), parts);
}

}  // namespace

void run_stage(RunState& run, std::size_t index) {
  const PlannedStage& stage = run.plan.stages[index];
  const std::string who = fmt::format("stage '{}' (plugin {}): ", stage.name, stage.info->id);
  const std::string at_work = title_at_work(stage);
  const auto told = [&](const std::string& what) {
    const std::string backward = run.options.last_backward == nullptr ? std::string() : run.options.last_backward();
    return Error(who + what + (backward.empty() ? "" : ": " + backward) + (is_of_memory(what) ? memory_advice(stage) : ""));
  };
  try {
    const AtWork here(at_work.c_str());
    work(run, index);
    run.told[index].ended = true;
    run.done_reading(index);
  } catch (const Stopped& e) {
    if (!run.stopping()) throw Error(who + e.what());  // a plugin that stops unasked has failed
    throw Stopped(who + e.what());
  } catch (const Error& e) {
    throw told(e.what());
  } catch (const std::bad_alloc&) {
    throw told("there is not enough memory");
  } catch (const std::exception& e) {
    throw told(first_line(e.what()));
  } catch (...) {
    throw Error(who + "the plugin threw something that is no std::exception");
  }
}

}  // namespace cdc
