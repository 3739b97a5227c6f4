// Who reads what: references, inputs, order, cycles.
#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "config/suggest.hpp"
#include "graph/draft.hpp"

namespace cdc::planning {
namespace {

std::vector<const PortInfo*> outputs_there(const Draft& draft) {
  std::vector<const PortInfo*> out;
  for (const PortInfo& p : draft.info->outputs)
    if (draft.has_output(p)) out.push_back(&p);
  return out;
}

/// What could be written instead: outputs of the wanted type, as short as they can be written.
std::vector<std::string> candidates(const Scope& scope, PortType wanted, const Draft* reader) {
  std::vector<std::string> out;
  for (const Draft* draft : scope.drafts) {
    if (draft == reader || draft->info == nullptr) continue;
    std::vector<std::string> ports;
    for (const PortInfo* p : outputs_there(*draft))
      if (p->type == wanted) ports.push_back(p->name);
    for (const std::string& port : ports) out.push_back(ports.size() == 1 ? draft->name : draft->name + "." + port);
  }
  return out;
}

std::string type_hint(const Scope& scope, PortType wanted, const Draft* reader) {
  const std::vector<std::string> all = candidates(scope, wanted, reader);
  if (all.empty()) return fmt::format("nothing in {} gives {}", scope.place, port_type_name(wanted));
  return fmt::format("{} is given by {}", port_type_name(wanted), quoted_list(all, 5));
}

std::string output_list(const Draft& draft) {
  std::string out;
  for (const PortInfo* p : outputs_there(draft)) out += fmt::format("{}'{}' ({})", out.empty() ? "" : ", ", p->name, port_type_name(p->type));
  return out.empty() ? "it has no outputs" : "its outputs are " + out;
}

std::string absent_text(const Draft& draft, const PortInfo& port) {
  return fmt::format("{} has the output '{}' only under a condition: {}", draft.title(), port.name,
                     port.absent.empty() ? "see its plugin's description" : port.absent);
}

}  // namespace

Scope::Scope(std::vector<const Draft*> all, std::string of) : drafts(std::move(all)), place(std::move(of)) {
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    by_name.emplace(drafts[i]->name, i);
    if (drafts[i]->info == nullptr) continue;
    const std::vector<const PortInfo*> there = outputs_there(*drafts[i]);
    if (std::any_of(there.begin(), there.end(), [](const PortInfo* port) { return port->type == PortType::samples; })) samplers.push_back(drafts[i]);
  }
}

std::optional<Source> resolve_reference(const Scope& scope, const std::string& text, const Location& where, std::optional<PortType> wanted,
                                        const std::string& what, const Draft* reader, Problems& problems) {
  const std::size_t dot = text.find('.');
  const std::string name = text.substr(0, dot);
  const auto found = scope.by_name.find(name);
  if (found == scope.by_name.end()) {
    std::vector<std::string> names;
    for (const Draft* draft : scope.drafts) names.push_back(draft->name);
    const char* kind = scope.drafts.empty() ? "node" : kind_name(scope.drafts.front()->kind);
    std::string hint = did_you_mean(name, names);
    if (hint.empty()) hint = there_are(names);
    problems.add(where, fmt::format("{} names '{}', but there is no {} '{}' in {}{}", what, text, kind, name, scope.place, hint));
    return std::nullopt;
  }
  const std::size_t index = found->second;
  const Draft& target = *scope.drafts[index];
  if (target.info == nullptr) return std::nullopt;

  if (dot != std::string::npos) {
    const std::string port_name = text.substr(dot + 1);
    const PortInfo* port = target.info->output(port_name);
    if (port == nullptr) {
      std::vector<std::string> names;
      for (const PortInfo& p : target.info->outputs) names.push_back(p.name);
      std::string hint = did_you_mean(port_name, names);
      if (hint.empty()) hint = "; " + output_list(target);
      problems.add(where,
                   fmt::format("{} names '{}', but {} ('{}') has no output '{}'{}", what, text, target.title(), target.info->id, port_name, hint));
      return std::nullopt;
    }
    if (!target.may_have_output(*port)) {
      problems.add(where, fmt::format("{} names '{}', but {}", what, text, absent_text(target, *port)));
      return std::nullopt;
    }
    if (wanted && port->type != *wanted) {
      problems.add(where, fmt::format("{} takes {}, but '{}' gives {}; {}", what, port_type_name(*wanted), text, port_type_name(port->type),
                                      type_hint(scope, *wanted, reader)));
      return std::nullopt;
    }
    return Source{index, port_name};
  }

  const std::vector<const PortInfo*> there = outputs_there(target);
  std::vector<const PortInfo*> fitting;
  for (const PortInfo* p : there)
    if (!wanted || p->type == *wanted) fitting.push_back(p);
  if (fitting.empty() && !target.wrong.empty())
    for (const PortInfo& p : target.info->outputs)
      if (wanted && p.type == *wanted) fitting.push_back(&p);
  if (fitting.size() == 1) return Source{index, fitting.front()->name};
  if (fitting.size() > 1) {
    std::vector<std::string> full;
    for (const PortInfo* p : fitting) full.push_back(name + "." + p->name);
    problems.add(where, fmt::format("{} names '{}', which has {} outputs{}: choose one of {}", what, name, fitting.size(),
                                    wanted ? fmt::format(" of type {}", port_type_name(*wanted)) : std::string(), quoted_list(full)));
    return std::nullopt;
  }
  for (const PortInfo& p : target.info->outputs) {
    if (wanted && p.type != *wanted) continue;
    problems.add(where, fmt::format("{} names '{}', but {}", what, name, absent_text(target, p)));
    return std::nullopt;
  }
  if (there.empty()) {
    problems.add(where, fmt::format("{} names '{}', but {} ('{}') has no outputs{}", what, name, target.title(), target.info->id,
                                    wanted ? "; " + type_hint(scope, *wanted, reader) : std::string()));
    return std::nullopt;
  }
  problems.add(
      where,
      fmt::format("{} takes {}, but '{}' gives {}; {}", what, port_type_name(*wanted), there.size() == 1 ? name + "." + there[0]->name : name,
                  there.size() == 1 ? port_type_name(there[0]->type) : "none (" + output_list(target) + ")", type_hint(scope, *wanted, reader)));
  return std::nullopt;
}

namespace {

/// For each draft the next one on a shortest way along the data from it to `goal`; n where there is no way. For `goal` itself: around.
std::vector<std::size_t> next_towards(const std::vector<const Draft*>& drafts, std::size_t goal) {
  std::vector<std::size_t> next(drafts.size(), drafts.size());
  std::vector<std::size_t> queue{goal};
  for (std::size_t head = 0; head < queue.size(); ++head)
    for (const Wire& wire : drafts[queue[head]]->wires)
      for (const Source& source : wire.sources) {
        if (next[source.index] != drafts.size()) continue;
        next[source.index] = queue[head];
        if (source.index != goal) queue.push_back(source.index);
      }
  return next;
}

void read_wire(Draft& draft, const PortInfo& port, const Spec& given, const Scope& scope, Problems& problems) {
  const std::string what = fmt::format("input '{}' of {}", port.name, draft.title());
  const char* kind = kind_name(draft.kind);
  draft.wrong_inputs.insert(port.name);  // until it is seen to be right
  std::vector<const Spec*> references;
  if (given.is_array()) {
    if (!port.list) {
      problems.add(given.where,
                   fmt::format("{} takes one connection, found a list of {}: name one \"{}\" or \"{}.port\"", what, given.array.size(), kind, kind));
      return;
    }
    if (given.array.empty() && !port.optional) {
      problems.add(given.where, fmt::format("{} needs at least one connection; {}", what, type_hint(scope, port.type, &draft)));
      return;
    }
    for (const Spec& one : given.array) references.push_back(&one);
  } else {
    references.push_back(&given);
  }
  Wire wire;
  wire.port = port.name;
  for (const Spec* one : references) {
    if (one->is_told()) continue;
    if (!one->is_string()) {
      problems.add(one->where, fmt::format("{} must be a string, \"{}\" or \"{}.port\"{}, found the {} {}", what, kind, kind,
                                           port.list ? ", or a list of them" : "", Value::type_name(one->type), one->value().to_json()));
      continue;
    }
    if (std::optional<Source> source = resolve_reference(scope, one->string(), one->where, port.type, what, &draft, problems)) {
      wire.sources.push_back(std::move(*source));
      wire.where.push_back(one->where);
    }
  }
  if (wire.sources.size() == references.size()) draft.wrong_inputs.erase(port.name);
  if (!wire.sources.empty()) draft.wires.push_back(std::move(wire));
}

}  // namespace

void read_wires(Draft& draft, const Scope& scope, Problems& problems) {
  if (draft.info == nullptr) return;
  const Spec* in = draft.spec->find("in");
  if (in != nullptr && !in->is_table()) {
    problems.add(in->where, fmt::format("'in' of {} must name an input: write in.{} = \"{}\"", draft.title(),
                                        draft.info->inputs.empty() ? "PORT" : draft.info->inputs.front().name, kind_name(draft.kind)));
    for (const PortInfo& port : draft.info->inputs) draft.wrong_inputs.insert(port.name);
    return;
  }
  const bool samplers = std::any_of(scope.samplers.begin(), scope.samplers.end(), [&](const Draft* one) { return one != &draft; });
  std::vector<std::string> names;
  for (const PortInfo& p : draft.info->inputs)
    if (p.type != PortType::samples || samplers) names.push_back(p.name);
  if (in != nullptr)
    for (const auto& [name, given] : in->table) {
      if (draft.info->input(name) != nullptr) continue;
      std::string hint = did_you_mean(name, names);
      if (hint.empty()) hint = names.empty() ? "; it takes no inputs" : fmt::format("; its inputs are {}", quoted_list(names));
      problems.add(given.key_where, fmt::format("'{}' has no input '{}'{}{}", draft.info->id, name, hint, removal_hint(draft, given, "in." + name)));
    }
  for (const PortInfo& port : draft.info->inputs) {
    const Spec* given = in == nullptr ? nullptr : in->find(port.name);
    if (port.type == PortType::samples && given != nullptr && !samplers) {
      problems.add(given->key_where, fmt::format("input '{}' of {} is fed by the data of its stage: remove this line", port.name, draft.title()));
      continue;
    }
    if (given != nullptr) {
      read_wire(draft, port, *given, scope, problems);
    } else if (!port.optional) {
      draft.wrong_inputs.insert(port.name);
      const std::vector<std::string> all = candidates(scope, port.type, &draft);
      problems.add(
          draft.spec->where,
          fmt::format("input '{0}' of {1} ({2}: {3}) is not connected: {4}", port.name, draft.title(), port_type_name(port.type), port.doc,
                      all.empty() ? fmt::format("write in.{} = ..., but {}", port.name, type_hint(scope, port.type, &draft))
                                  : fmt::format("write in.{} = \"{}\"{}", port.name, all.front(),
                                                all.size() == 1 ? std::string() : fmt::format(" ({})", type_hint(scope, port.type, &draft)))));
    }
  }
}

std::vector<std::size_t> sorted_by_wires(const std::vector<const Draft*>& drafts, Problems& problems) {
  const std::size_t n = drafts.size();
  std::vector<std::vector<std::size_t>> readers(n);
  std::vector<std::size_t> waits(n, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (const Wire& wire : drafts[i]->wires)
      for (const Source& source : wire.sources) {
        readers[source.index].push_back(i);
        ++waits[i];
      }
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < n; ++i)
    if (waits[i] == 0) ready.push(i);
  std::vector<std::size_t> order;
  while (!ready.empty()) {
    const std::size_t i = ready.top();
    ready.pop();
    order.push_back(i);
    for (const std::size_t reader : readers[i])
      if (--waits[reader] == 0) ready.push(reader);
  }
  if (order.size() == n) return order;

  // What is left is in a circle or waits for one.
  std::vector<char> told(n, 0);
  for (std::size_t start = 0; start < n; ++start) {
    if (waits[start] == 0 || told[start]) continue;
    // Breadth first from reader to what it reads: the shortest circle through `start`, the first of its nodes in the file.
    const std::vector<std::size_t> next = next_towards(drafts, start);
    if (next[start] == n) continue;
    std::vector<std::size_t> circle{start};
    for (std::size_t i = next[start]; i != start; i = next[i]) circle.push_back(i);
    std::string names;
    for (const std::size_t i : circle) names += fmt::format("'{}' -> ", drafts[i]->name);
    Location where = drafts[start]->spec->where;
    for (const Wire& wire : drafts[start]->wires)
      for (std::size_t k = 0; k < wire.sources.size(); ++k)
        if (wire.sources[k].index == circle.back()) where = wire.where[k];
    problems.add(where, fmt::format("these {}s read each other in a circle: {}'{}'. Take one of the connections away", kind_name(drafts[start]->kind),
                                    names, drafts[start]->name));
    // One message for all that hangs together with it: whatever leads to it and is led to.
    for (std::size_t i = start; i < n; ++i)
      if (next[i] < n && next_towards(drafts, i)[start] < n) told[i] = 1;
  }
  return order;
}

}  // namespace cdc::planning
