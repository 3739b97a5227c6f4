#include "exec/open_dataset.hpp"

#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/session.hpp"
#include "exec/artifact_check.hpp"
#include "exec/identity.hpp"

namespace cdc {
namespace {

/// A stage by itself: it reads no other, and what it says is of the run that used it.
class Alone final : public StageContext {
 public:
  Alone(const std::string& name, std::uint64_t seed, std::string port) : name_(name), seed_(seed), port_(std::move(port)) {}

  const std::string& name() const override { return name_; }
  const std::string& pipeline() const override { return nothing_; }
  const std::string& key() const override { return nothing_; }
  std::uint64_t seed() const override { return seed_; }
  int threads() const override { return 1; }
  const std::string& device() const override { return device_; }
  bool stopping() const override { return false; }
  void info(const std::string&) override {}
  void warn(const std::string&) override {}
  void progress(const Progress&) override {}
  void metric(Value) override {}
  void metrics(const std::vector<Value>&) override {}
  void summary(std::string_view, Value) override {}
  std::filesystem::path checkpoint_path() const override { return {}; }
  void spent_before(double) override {}
  std::pair<std::string, std::string> port(std::string_view) const override { return {}; }
  std::unique_ptr<GraphSession> session(std::string_view) override { throw Error("it has a graph of nodes, and is no plain data set"); }

  std::shared_ptr<const void> given;

 protected:
  std::shared_ptr<const void> input(std::string_view, std::size_t) const override { return nullptr; }
  std::size_t connections_of(std::string_view) const override { return 0; }
  std::string source_of(std::string_view port, std::size_t) const override {
    throw Error(fmt::format("nothing is connected to its input '{}'", port));
  }
  void output(std::string_view port, std::shared_ptr<const void> artifact) override {
    if (port == port_) given = std::move(artifact);
  }

 private:
  const std::string name_, device_ = "cpu", nothing_;
  const std::uint64_t seed_;
  const std::string port_;
};

}  // namespace

std::shared_ptr<const Dataset> open_dataset(const Plan& plan, const Source& source, const Registry& registry) {
  const PlannedStage& stage = plan.stages.at(source.index);
  const std::string who = fmt::format("stage '{}' (plugin {}): ", stage.name, stage.info->id);
  const PortInfo* port = stage.info->output(source.port);
  if (port == nullptr || port->type != PortType::dataset) throw Error(fmt::format("{}its output '{}' is no data set", who, source.port));
  if (!stage.inputs.empty()) throw Error(who + "it reads another stage, and cannot be opened by itself");
  try {
    const auto component = std::dynamic_pointer_cast<Stage>(registry.create(*stage.info, stage.parameters));
    Alone context(stage.name, stage_seed(plan.seed, stage.name), source.port);
    component->run(context);
    if (!context.given) throw Error(fmt::format("it ended without giving its output '{}'; the plugin is faulty", source.port));
    check_artifact(*port, context.given, {}, fmt::format("; the plugin is faulty ({})", stage.info->library));
    return std::static_pointer_cast<const Dataset>(context.given);
  } catch (const Error& e) {
    throw Error(who + e.what());
  }
}

}  // namespace cdc
