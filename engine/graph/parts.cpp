// The plugin, the parameters and the component of one stage or node.
#include <fmt/format.h>

#include <algorithm>

#include "cdc/error.hpp"
#include "config/suggest.hpp"
#include "graph/draft.hpp"
#include "plugin/parameter.hpp"

namespace cdc::planning {
namespace {

std::string article(const std::string& word) { return std::string("aeiou").find(word[0]) != std::string::npos ? "an " + word : "a " + word; }

/// Where a plugin of this kind belongs.
std::string place_of(Kind kind) {
  switch (kind) {
    case Kind::stage:
      return "it belongs into a table [stage.NAME]";
    case Kind::node:
      return "it belongs into a table [stage.NAME.graph.NODE]";
    case Kind::optimizer:
    case Kind::schedule:
      return fmt::format("it is given as a parameter, {} = {{ plugin = ... }}", kind_name(kind));
  }
  return {};
}

const ComponentInfo* find_plugin(const Spec& table, const Location& header, const std::string& title, Kind kind, const Registry& registry,
                                 Problems& problems) {
  const Spec* plugin = table.find("plugin");
  if (plugin == nullptr) {
    problems.add(header, fmt::format("{} names no plugin: write plugin = \"FAMILY.NAME\"", title));
    return nullptr;
  }
  if (!plugin->is_string()) {
    problems.add(plugin->where, fmt::format("'plugin' must be a string, found {}", article(Value::type_name(plugin->type))));
    return nullptr;
  }
  const std::string& id = plugin->string();
  if (const ComponentInfo* info = registry.find(id); info != nullptr) {
    if (info->kind == kind) return info;
    problems.add(plugin->where,
                 fmt::format("'{}' is {}, not {}: {}", id, article(kind_name(info->kind)), article(kind_name(kind)), place_of(info->kind)));
    return nullptr;
  }
  std::vector<std::string> ids, family;
  const std::string prefix = id.substr(0, id.find('.')) + ".";
  for (const ComponentInfo* info : registry.all()) {
    if (info->kind != kind) continue;
    ids.push_back(info->id);
    if (info->id.compare(0, prefix.size(), prefix) == 0) family.push_back(info->id);
  }
  std::string hint = did_you_mean(id, ids);
  if (hint.empty()) hint = there_are(family) + "; cdc-inspect lists all plugins; " + registry.where_searched();
  problems.add(plugin->where, fmt::format("there is no {} plugin '{}'{}", kind_name(kind), id, hint));
  return nullptr;
}

/// One table of parameters against what its plugin declares.
class Part {
 public:
  Part(const ComponentInfo& info, const Spec& table, const Location& header, std::string title, std::string path, const Registry& registry,
       Problems& problems)
      : info_(info), table_(table), header_(header), title_(std::move(title)), path_(std::move(path)), registry_(registry), problems_(problems) {}

  /// `reserved`: keys that somebody else reads.
  void read(const std::vector<std::string>& reserved) {
    for (const auto& [key, entry] : table_.table)
      if (std::find(reserved.begin(), reserved.end(), key) == reserved.end() && info_.parameter(key) == nullptr) unknown(key, entry);
    for (const ParameterInfo& p : info_.parameters) {
      const Spec* given = table_.find(p.name);
      if (given != nullptr) {
        where[p.name] = given->key_where;
        read_one(p, *given);
      } else if (p.required) {
        problems_.add(header_, fmt::format("{} needs the parameter '{}' ({}): write {} = {}", title_, p.name, p.doc, p.name,
                                           p.type == ParameterType::component ? fmt::format("{{ plugin = \"{}.NAME\" }}", kind_name(p.component_kind))
                                           : p.type == ParameterType::port    ? "\"NODE\""
                                                                              : "..."));
        wrong.insert(p.name);
      } else if (!p.default_value.is_null()) {
        parameters[p.name] = p.default_value;
      }
    }
    make();
  }

  Value parameters = Value::table();
  std::map<std::string, Location> where;
  std::set<std::string> wrong;
  std::shared_ptr<Component> component;

 private:
  void unknown(const std::string& key, const Spec& entry) {
    if (info_.input(key) != nullptr) {
      problems_.add(entry.key_where, fmt::format("'{0}' is an input of '{1}', not a parameter: write in.{0} = ...", key, info_.id));
      return;
    }
    std::vector<std::string> names;
    for (const ParameterInfo& p : info_.parameters) names.push_back(p.name);
    std::vector<std::string> keys = names;
    if (!info_.inputs.empty()) keys.push_back("in");
    if (info_.has_graph) keys.push_back("graph");
    if (takes_prefix(info_)) keys.push_back(kPrefix);
    std::string hint = misplaced_hint(key);
    if (hint.empty()) hint = did_you_mean(key, keys);
    if (hint.empty()) hint = names.empty() ? "; it has no parameters" : fmt::format("; its parameters are {}", quoted_list(names, 30));
    problems_.add(entry.key_where, fmt::format("'{}' has no parameter '{}'{}", info_.id, key, hint));
  }

  void read_one(const ParameterInfo& p, const Spec& given) {
    if (given.is_told()) {
      wrong.insert(p.name);
      return;
    }
    if (p.type == ParameterType::component && given.is_table()) {
      const std::string title = fmt::format("'{}' of {}", p.name, title_);
      const ComponentInfo* info = find_plugin(given, given.key_where, title, p.component_kind, registry_, problems_);
      if (info == nullptr) {
        wrong.insert(p.name);
        return;
      }
      Part part(*info, given, given.key_where, title, path_ + "." + p.name, registry_, problems_);
      part.read({"plugin"});
      if (part.component == nullptr || !part.wrong.empty()) wrong.insert(p.name);
      Value value = Value::table();
      value["plugin"] = info->id;
      for (auto& [key, one] : part.parameters.as_table()) value[key] = std::move(one);
      parameters[p.name] = std::move(value);
      parts_[p.name] = part.component;
      return;
    }
    const bool text = p.type == ParameterType::string || p.type == ParameterType::port;
    const Value value = text && !given.typed.empty() ? Value(given.typed) : given.value();  // stage.images.root=2024, where quotes are the shell's
    if (const std::string problem = parameter_problem(p, value); !problem.empty()) {
      std::string hint;
      if (value.is_string() && !given.variables.empty() && !text)
        hint = fmt::format("; a variable of the environment is text: give the number on the command line, {}.{}=\"${}\"", path_, p.name,
                           given.variables.front());
      if (value.is_string() && !p.choices.empty()) hint = did_you_mean(value.as_string(), p.choices);
      problems_.add(given.where, fmt::format("'{}' of '{}' {}{}", p.name, info_.id, problem, hint));
      wrong.insert(p.name);
      return;
    }
    parameters[p.name] = parameter_value(p, value);
  }

  void make() {
    try {
      component = info_.create();
    } catch (const std::exception& e) {
      problems_.add(header_, fmt::format("plugin '{}' could not be made: {}", info_.id, e.what()));
      return;
    }
    for (const ParameterInfo& p : info_.parameters) {
      const Value* value = parameters.find(p.name);
      if (value == nullptr) continue;
      if (p.type == ParameterType::component) {
        if (parts_[p.name] != nullptr) p.set_component(*component, parts_[p.name]);
        continue;
      }
      try {
        p.set(*component, *value);
      } catch (const std::exception& e) {
        const auto at = where.find(p.name);
        problems_.add(at == where.end() ? header_ : at->second, fmt::format("'{}' of '{}': {}", p.name, info_.id, e.what()));
        wrong.insert(p.name);
      }
    }
    if (!wrong.empty()) return;
    try {
      component->check();
    } catch (const std::exception& e) {
      problems_.add(header_, fmt::format("{} ('{}'): {}", title_, info_.id, e.what()));
      wrong.insert("");  // not one of them, but all together
    }
  }

  const ComponentInfo& info_;
  const Spec& table_;
  Location header_;
  std::string title_, path_;
  const Registry& registry_;
  Problems& problems_;
  std::map<std::string, std::shared_ptr<Component>> parts_;
};

}  // namespace

std::string Draft::title() const { return fmt::format("{} '{}'", kind_name(kind), name); }

bool Draft::has_output(const PortInfo& port) const {
  if (port.present == nullptr || component == nullptr) return true;
  try {
    return port.present(*component);
  } catch (const std::exception&) {
    return true;
  }
}

Location Draft::parameter_location(const std::string& parameter) const {
  const auto it = parameter_where.find(parameter);
  return it == parameter_where.end() ? spec->where : it->second;
}

const Wire* Draft::wire(const std::string& port) const {
  for (const Wire& one : wires)
    if (one.port == port) return &one;
  return nullptr;
}

std::string removal_hint(const Draft& draft, const Spec& entry, const std::string& path) {
  const Spec* owner = nullptr;
  for (const char* key : {"shares", "follows", "plugin"})
    if (owner == nullptr) owner = draft.spec->find(key);
  if (owner == nullptr || draft.spec->remover.empty()) return {};
  if (owner->key_where.depth == Location::kCommandLine || owner->key_where.depth >= entry.key_where.depth) return {};
  return fmt::format("; {} can take it out: remove = [\"{}.{}\"]", draft.spec->remover, draft.header, path);
}

std::string misplaced_hint(const std::string& key) {
  return key == "extends" || key == "remove" ? fmt::format("; '{}' stands at the top of a file, before its first table", key) : std::string();
}

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

void check_name(const Draft& draft, Problems& problems) {
  if (!is_name(draft.name))
    problems.add(draft.spec->key_where, fmt::format("a {} is named with letters, digits, '_' and '-' (at most 100 of them): rename '{}'",
                                                    kind_name(draft.kind), draft.name));
}

void read_part(Draft& draft, const Registry& registry, Problems& problems) {
  draft.info = find_plugin(*draft.spec, draft.spec->where, draft.title(), draft.kind, registry, problems);
  if (draft.info == nullptr) return;
  Part part(*draft.info, *draft.spec, draft.spec->where, draft.title(), draft.header, registry, problems);
  std::vector<std::string> reserved{"plugin", "in"};
  if (draft.kind == Kind::stage) reserved.push_back("graph");
  if (takes_prefix(*draft.info)) reserved.push_back(kPrefix);
  part.read(reserved);
  draft.parameters = std::move(part.parameters);
  draft.parameter_where = std::move(part.where);
  draft.wrong = std::move(part.wrong);
  draft.component = std::move(part.component);
}

}  // namespace cdc::planning
