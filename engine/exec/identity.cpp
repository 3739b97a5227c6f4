#include "exec/identity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "artifact/hash.hpp"
#include "cdc/error.hpp"
#include "config/diagnostic.hpp"

namespace cdc {
namespace {

// Raised when the engine itself gives another result for the same parameters (another order of samples, another random stream).
constexpr int kResultsVersion = 1;

/// Parameters that affect the result, by name, parts with the version of their plugin.
Value affecting(const ComponentInfo& info, const Value& parameters, const Registry& registry) {
  Value::Table sorted;
  for (const auto& [name, value] : parameters.as_table()) {
    const ParameterInfo* parameter = info.parameter(name);
    if (parameter != nullptr && !parameter->affects_result) continue;
    const Value* plugin = value.find("plugin");
    if (parameter != nullptr && parameter->type == ParameterType::component && plugin != nullptr) {
      const ComponentInfo* part = registry.find(plugin->as_string());
      if (part == nullptr) throw Error(fmt::format("no plugin '{}' for the parameter '{}'", plugin->as_string(), name));
      Value own = value;
      Value::Table& entries = own.as_table();
      entries.erase(std::remove_if(entries.begin(), entries.end(), [](const auto& entry) { return entry.first == "plugin"; }), entries.end());
      Value whole = Value::table();
      whole["plugin"] = part->id;
      whole["version"] = part->version;
      const Value inside = affecting(*part, own, registry);
      for (const auto& [key, inner] : inside.as_table()) whole[key] = inner;
      sorted.emplace_back(name, std::move(whole));
    } else {
      sorted.emplace_back(name, value);
    }
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return Value(std::move(sorted));
}

/// The libraries of a plugin and of the parts that its parameters name.
void add_libraries(const ComponentInfo& info, const Value& parameters, const Registry& registry, std::set<const PluginLibrary*>& out) {
  out.insert(&registry.library(info));
  for (const auto& [name, value] : parameters.as_table()) {
    const ParameterInfo* parameter = info.parameter(name);
    const Value* plugin = parameter != nullptr && parameter->type == ParameterType::component ? value.find("plugin") : nullptr;
    if (const ComponentInfo* part = plugin == nullptr ? nullptr : registry.find(plugin->as_string())) add_libraries(*part, value, registry, out);
  }
}

/// Contents of the libraries whose code a stage runs, by path: not of those that come with the engine, which count by the versions of their plugins.
/// A model's nodes count where it was made.
Value libraries_record(const PlannedStage& stage, const Registry& registry, const std::filesystem::path& memo_folder) {
  std::set<const PluginLibrary*> used;
  add_libraries(*stage.info, stage.parameters, registry, used);
  if (stage.info->has_graph && stage.graph)
    for (const PlannedNode& node : stage.graph->nodes) add_libraries(*node.info, node.parameters, registry, used);
  std::map<std::string, std::string> contents;
  for (const PluginLibrary* library : used) {
    if (library->bundled) continue;
    contents[library->path.string()] = library->code;
    for (const std::filesystem::path& helper : library->helpers) contents[helper.string()] = fingerprint(helper, memo_folder);
  }
  Value out = Value::table();
  for (const auto& [path, print] : contents) out[path] = print;
  return out;
}

Value graph_record(const PlannedGraph& graph, const Registry& registry) {
  Value nodes = Value::array();
  for (const PlannedNode& node : graph.nodes) {
    Value entry = Value::table(), inputs = Value::table();
    for (const Connection& connection : node.inputs) {
      Value sources = Value::array();
      for (const Source& source : connection.sources) sources.push_back(graph.nodes.at(source.index).name + "." + source.port);
      inputs[connection.port] = std::move(sources);
    }
    entry["name"] = node.name;
    entry["plugin"] = node.info->id;
    entry["version"] = node.info->version;
    entry["parameters"] = affecting(*node.info, node.parameters, registry);
    entry["inputs"] = std::move(inputs);
    if (node.shares) entry["shares"] = graph.nodes.at(*node.shares).name;
    if (node.follows) {
      entry["follows"] = graph.nodes.at(node.follows->node).name;
      entry["momentum"] = node.follows->momentum;
      entry["momentum_end"] = node.follows->momentum_end;
    }
    nodes.push_back(std::move(entry));
  }
  return nodes;
}

Value inputs_record(const PlannedStage& stage, const Plan& plan, const std::vector<StageIdentity>& before) {
  Value inputs = Value::table();
  for (const Connection& connection : stage.inputs) {
    Value sources = Value::array();
    for (const Source& source : connection.sources) {
      Value entry = Value::table();
      entry["stage"] = plan.stages.at(source.index).name;
      entry["port"] = source.port;
      entry["key"] = before.at(source.index).key;
      sources.push_back(std::move(entry));
    }
    inputs[connection.port] = std::move(sources);
  }
  return inputs;
}

/// Where a message about a stage's files belongs: at the parameter whose text it quotes, else at the stage.
Location blame(const PlannedStage& stage, const std::string& message) {
  Location where = stage.where;
  std::size_t longest = 0;
  for (const auto& [name, value] : stage.parameters.as_table()) {
    const auto given = stage.parameter_where.find(name);
    if (given == stage.parameter_where.end() || !value.is_string() || value.as_string().size() <= longest) continue;
    if (message.find(value.as_string()) == std::string::npos) continue;
    longest = value.as_string().size();
    where = given->second;
  }
  return where;
}

std::string key_of(const Value& record) {
  Value essence = Value::table();
  essence["results"] = kResultsVersion;
  for (const auto& [name, value] : record.as_table()) {
    if (name == "files") {  // what they hold, not where they lie
      Value prints = Value::array();
      for (const auto& [path, print] : value.as_table()) prints.push_back(print);
      essence[name] = std::move(prints);
    } else if (name == "libraries") {
      std::set<std::string> prints;
      for (const auto& [path, print] : value.as_table()) prints.insert(print.as_string());
      essence[name] = Value::array();
      for (const std::string& print : prints) essence[name].push_back(print);
    } else {
      essence[name] = value;
    }
  }
  return hash_text(essence.to_json());
}

std::string shown(const Value& value) {
  constexpr std::size_t kLongest = 60;
  const std::string text = value.to_json();
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

/// Differences of two tables of parameters; parts are compared inside. `prefix` ends in a dot or is empty.
void compare_parameters(const Value& before, const Value& now, const std::string& owner, const std::string& prefix, std::vector<std::string>& out) {
  for (const auto& [name, value] : now.as_table()) {
    const Value* old = before.find(name);
    if (old == nullptr) {
      out.push_back(fmt::format("{}parameter '{}{}' is new: {}", owner, prefix, name, shown(value)));
    } else if (*old != value) {
      const Value *old_plugin = old->find("plugin"), *new_plugin = value.find("plugin");
      if (old_plugin != nullptr && new_plugin != nullptr && *old_plugin == *new_plugin)
        compare_parameters(*old, value, owner, prefix + name + ".", out);
      else
        out.push_back(fmt::format("{}parameter '{}{}' changed: {} -> {}", owner, prefix, name, shown(old_plugin != nullptr ? *old_plugin : *old),
                                  shown(new_plugin != nullptr ? *new_plugin : value)));
    }
  }
  for (const auto& [name, value] : before.as_table())
    if (now.find(name) == nullptr) out.push_back(fmt::format("{}parameter '{}{}' is gone", owner, prefix, name));
}

void compare_plugins(const Value& before, const Value& now, const std::string& owner, std::vector<std::string>& out) {
  if (before.at("plugin") != now.at("plugin")) {
    out.push_back(fmt::format("{}plugin changed: {} -> {}", owner, before.at("plugin").as_string(), now.at("plugin").as_string()));
    return;
  }
  if (before.at("version") != now.at("version"))
    out.push_back(fmt::format("{}plugin version {} -> {}", owner, before.at("version").as_integer(), now.at("version").as_integer()));
  compare_parameters(before.at("parameters"), now.at("parameters"), owner, "", out);
}

const Value* node_named(const Value& graph, const Value& name) {
  for (const Value& node : graph.as_array())
    if (node.at("name") == name) return &node;
  return nullptr;
}

void compare_graphs(const Value& before, const Value& now, std::vector<std::string>& out) {
  const std::size_t already = out.size();
  for (const Value& node : now.as_array()) {
    const std::string title = fmt::format("node '{}'", node.at("name").as_string());
    const Value* old = node_named(before, node.at("name"));
    if (old == nullptr) {
      out.push_back(title + " is new");
      continue;
    }
    compare_plugins(*old, node, title + ": ", out);
    if (old->at("inputs") != node.at("inputs"))
      out.push_back(fmt::format("{}: inputs changed: {} -> {}", title, shown(old->at("inputs")), shown(node.at("inputs"))));
  }
  for (const Value& node : before.as_array())
    if (node_named(now, node.at("name")) == nullptr) out.push_back(fmt::format("node '{}' is gone", node.at("name").as_string()));
  if (out.size() == already && before != now) out.push_back("the order of the graph's nodes changed");
}

/// Libraries by path; one of the same name elsewhere is the same library, moved.
void compare_libraries(const Value& before, const Value& now, std::vector<std::string>& out) {
  const auto named = [](const Value& all, const std::string& path) -> const Value* {
    if (const Value* same = all.find(path)) return same;
    for (const auto& [other, print] : all.as_table())
      if (std::filesystem::path(other).filename() == std::filesystem::path(path).filename()) return &print;
    return nullptr;
  };
  for (const auto& [path, print] : now.as_table()) {
    const Value* old = named(before, path);
    if (old == nullptr)
      out.push_back(fmt::format("plugin library {} is new", path));
    else if (*old != print)
      out.push_back(fmt::format("plugin library {} changed", path));
  }
  for (const auto& [path, print] : before.as_table())
    if (named(now, path) == nullptr) out.push_back(fmt::format("plugin library {} is gone", path));
}

/// Data files by path. Where the folder that they are read from is another, those of the same name are compared.
void compare_files(const Value& before, const Value& now, std::vector<std::string>& out) {
  namespace fs = std::filesystem;
  std::vector<std::pair<std::string, Value>> left;  // only there before
  for (const auto& [path, print] : before.as_table())
    if (now.find(path) == nullptr) left.emplace_back(path, print);
  std::string moved;
  for (const auto& [path, print] : now.as_table()) {
    const char* kind = print.as_string().rfind("folder:", 0) == 0 ? "folder" : "file";
    if (const Value* old = before.find(path)) {
      if (*old != print) out.push_back(fmt::format("data {} {} changed", kind, path));
      continue;
    }
    const auto same_name =
        std::find_if(left.begin(), left.end(), [&, &p = path](const auto& one) { return fs::path(one.first).filename() == fs::path(p).filename(); });
    if (same_name == left.end()) {
      out.push_back(fmt::format("data {} {} is new", kind, path));
      continue;
    }
    if (same_name->second != print)
      out.push_back(fmt::format("data {} {} has other contents than {} had", kind, path, same_name->first));
    else
      moved = fmt::format("its data are read from {} now, with the same contents as in {}", fs::path(path).parent_path().string(),
                          fs::path(same_name->first).parent_path().string());
    left.erase(same_name);
  }
  for (const auto& [path, print] : left)
    out.push_back(fmt::format("data {} {} is no longer read", print.as_string().rfind("folder:", 0) == 0 ? "folder" : "file", path));
  if (!moved.empty()) out.push_back(moved);
}

/// An entry of a record that one side may lack.
const Value& entry(const Value& record, const char* name) {
  static const Value empty = Value::table();
  const Value* found = record.find(name);
  return found == nullptr ? empty : *found;
}

}  // namespace

std::uint64_t stage_seed(std::uint64_t pipeline_seed, const std::string& stage) {
  return std::stoull(hash_text(fmt::format("{}/{}", pipeline_seed, stage)).substr(0, 16), nullptr, 16);
}

std::vector<StageIdentity> identify_stages(const Plan& plan, const Registry& registry, const std::string& device,
                                           const std::filesystem::path& memo_folder, const FilesProgress& progress) {
  std::vector<StageIdentity> all;
  std::vector<Diagnostic> problems;
  for (const PlannedStage& stage : plan.stages) {
    StageIdentity identity;
    identity.component = std::dynamic_pointer_cast<Stage>(registry.create(*stage.info, stage.parameters));
    if (!identity.component) throw Error(fmt::format("stage '{}': the plugin {} is no stage", stage.name, stage.info->id));
    identity.seed = stage_seed(plan.seed, stage.name);
    Value& record = identity.record;
    record["plugin"] = stage.info->id;
    record["version"] = stage.info->version;
    record["parameters"] = affecting(*stage.info, stage.parameters, registry);
    if (stage.info->seeded) {
      record["seed"] = static_cast<std::int64_t>(plan.seed);
      record["seeded_name"] = stage.name;
    }
    record["inputs"] = inputs_record(stage, plan, all);
    if (stage.info->has_graph && stage.graph) record["graph"] = graph_record(*stage.graph, registry);
    if (!stage.ports.empty()) {
      Value ports = Value::table();
      for (const auto& [parameter, source] : stage.ports) ports[parameter] = source.port;  // the node is named by the parameter itself
      record["ports"] = std::move(ports);
    }
    const auto read = [&](std::int64_t done, std::int64_t total) {
      constexpr std::int64_t kMegabyte = 1 << 20;
      if (progress) progress(stage.name, {done / kMegabyte, total / kMegabyte, "MB", "reading the data files once, to tell whether they changed"});
    };
    try {
      const Value libraries = libraries_record(stage, registry, memo_folder);
      if (!libraries.as_table().empty()) record["libraries"] = libraries;
      Value files = Value::table();
      for (const std::filesystem::path& path : identity.component->files()) files[path.string()] = fingerprint(path, memo_folder, read);
      if (!files.as_table().empty()) record["files"] = std::move(files);
      const Value resolved = identity.component->resolved(device);
      if (!resolved.is_null()) record["resolved"] = resolved;
    } catch (const Stopped&) {
      throw;
    } catch (const std::exception& e) {
      problems.push_back({blame(stage, e.what()), fmt::format("stage '{}': {}", stage.name, e.what())});
    }
    identity.key = key_of(record);
    all.push_back(std::move(identity));
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return all;
}

std::vector<std::string> changes_between(const Value& before, const Value& now) {
  std::vector<std::string> out;
  compare_plugins(before, now, "", out);
  if (entry(before, "seed") != entry(now, "seed"))
    out.push_back(entry(before, "seed").is_integer() && entry(now, "seed").is_integer()
                      ? fmt::format("seed changed: {} -> {}", entry(before, "seed").as_integer(), entry(now, "seed").as_integer())
                      : "its use of the seed changed");
  const Value &old_graph = entry(before, "graph"), &new_graph = entry(now, "graph");
  if (old_graph.is_array() && new_graph.is_array())
    compare_graphs(old_graph, new_graph, out);
  else if (old_graph != new_graph)
    out.push_back("its graph is another");
  if (out.empty() && entry(before, "ports") != entry(now, "ports")) out.push_back("the ports that it reads changed");
  compare_libraries(entry(before, "libraries"), entry(now, "libraries"), out);
  compare_files(entry(before, "files"), entry(now, "files"), out);
  const Value &old_resolved = entry(before, "resolved"), &new_resolved = entry(now, "resolved");
  for (const auto& [name, value] : new_resolved.as_table()) {
    const Value* old = old_resolved.find(name);
    if (old == nullptr || *old != value)
      out.push_back(fmt::format("'{}' is {} on this machine{}", name, shown(value), old == nullptr ? "" : fmt::format(", was {}", shown(*old))));
  }
  return out;
}

std::string run_key(const Plan& plan, const std::vector<StageIdentity>& identities, const std::string& device) {
  std::string all = plan.resolved.to_json() + "\n" + device + "\n";
  for (const StageIdentity& identity : identities) all += identity.key + "\n";
  return hash_text(all);
}

}  // namespace cdc
