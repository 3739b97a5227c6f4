#include "describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "plugin/parameter.hpp"

namespace cdc::inspect {
namespace {

std::string joined(const std::vector<std::string>& all, const char* between) {
  std::string out;
  for (const std::string& one : all) out += (out.empty() ? "" : between) + one;
  return out;
}

/// "integer, default 10, at least 2"
std::string parameter_text(const ParameterInfo& p) {
  std::string out = p.type == ParameterType::component ? fmt::format("{} plugin", kind_name(p.component_kind)) : parameter_type_name(p.type);
  if (p.type == ParameterType::port) {
    if (p.port_type) out += fmt::format(" of type {}", port_type_name(*p.port_type));
    out += p.graph_of.empty() ? " of the graph" : fmt::format(" of the graph that made '{}'", p.graph_of);
  }
  if (p.required)
    out += ", required";
  else if (p.default_value.is_null() || (p.type == ParameterType::port && p.default_value.as_string().empty()))
    out += ", optional";
  else
    out += ", default " + p.default_value.to_json();
  if (const std::string limits = parameter_limits(p); !limits.empty()) out += ", " + limits;
  if (p.minimum_length || p.maximum_length) {
    out += p.maximum_length ? fmt::format(", {} to {} elements", p.minimum_length.value_or(0), *p.maximum_length)
                            : fmt::format(", at least {} elements", *p.minimum_length);
  }
  if (!p.affects_result) out += ", without effect on the result";
  return out;
}

std::string port_text(const PortInfo& p) {
  std::string out = fmt::format("{} [{}]", port_type_name(p.type), joined(p.sizes, ", "));
  if (p.optional) out += ", optional";
  if (p.list) out += ", any number";
  if (p.present) out += fmt::format(", only under a condition: {}", p.absent);
  return out;
}

void add_section(std::string& out, const std::string& title, const std::vector<std::array<std::string, 3>>& rows) {
  if (rows.empty()) return;
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row[0].size());
  out += fmt::format("\n{}\n", title);
  for (const auto& row : rows) out += fmt::format("  {:<{}}  {}\n  {:<{}}  {}\n", row[0], width, row[1], "", width, row[2]);
}

Value port_json(const PortInfo& p) {
  Value out = Value::table();
  out["name"] = p.name;
  out["type"] = port_type_name(p.type);
  Value sizes = Value::array();
  for (const std::string& size : p.sizes) sizes.push_back(size);
  out["sizes"] = std::move(sizes);
  out["doc"] = p.doc;
  out["optional"] = p.optional;
  out["list"] = p.list;
  if (p.present) out["condition"] = p.absent;
  return out;
}

Value parameter_json(const ParameterInfo& p) {
  Value out = Value::table();
  out["name"] = p.name;
  out["type"] = parameter_type_name(p.type);
  out["doc"] = p.doc;
  out["required"] = p.required;
  if (!p.default_value.is_null()) out["default"] = p.default_value;
  if (p.minimum) out["minimum"] = *p.minimum;
  if (p.maximum) out["maximum"] = *p.maximum;
  if (!p.choices.empty()) {
    Value choices = Value::array();
    for (const std::string& one : p.choices) choices.push_back(one);
    out["choices"] = std::move(choices);
  }
  if (p.minimum_length) out["minimum_length"] = *p.minimum_length;
  if (p.maximum_length) out["maximum_length"] = *p.maximum_length;
  if (p.type == ParameterType::component) out["kind"] = kind_name(p.component_kind);
  if (p.port_type) out["port_type"] = port_type_name(*p.port_type);
  if (!p.graph_of.empty()) out["graph_of"] = p.graph_of;
  out["affects_result"] = p.affects_result;
  return out;
}

}  // namespace

std::string list_text(const std::vector<const ComponentInfo*>& all) {
  std::size_t width = 0;
  for (const ComponentInfo* info : all) width = std::max(width, info->id.size());
  std::string out, family;
  for (const ComponentInfo* info : all) {  // in order of id, so that a family stands together
    if (const std::string its = info->id.substr(0, info->id.find('.')); its != family) {
      out += fmt::format("{}{}\n", family.empty() ? "" : "\n", its);
      family = its;
    }
    out += fmt::format("  {:<{}}  {}\n", info->id, width, info->summary);
  }
  return out;
}

std::string text(const ComponentInfo& info) {
  std::string out = fmt::format("{} ({}, version {})\n  {}\n", info.id, kind_name(info.kind), info.version, info.summary);
  if (info.has_graph) out += "  Takes a graph of nodes: [stage.NAME.graph.NODE], or graph = \"STAGE\".\n";
  if (info.kind == Kind::stage && !info.cached) out += "  Made anew in each run, not cached.\n";
  if (info.kind == Kind::stage && !info.seeded) out += "  Draws no random numbers: one result serves every seed.\n";
  if (info.full_precision) out += "  Runs in float32, whatever the stage's precision.\n";
  if (info.no_gradient) out += "  Runs without autograd.\n";
  std::vector<std::array<std::string, 3>> rows;
  for (const ParameterInfo& p : info.parameters) rows.push_back({p.name, parameter_text(p), p.doc});
  add_section(out, "Parameters", rows);
  for (const auto& [title, ports] : {std::pair{"Inputs", &info.inputs}, std::pair{"Outputs", &info.outputs}}) {
    rows.clear();
    for (const PortInfo& p : *ports) rows.push_back({p.name, port_text(p), p.doc});
    add_section(out, title, rows);
  }
  std::string sizes, states;
  for (const SizeInfo& s : info.sizes)
    sizes += fmt::format("{}{}{}", sizes.empty() ? "" : ", ", s.symbol, s.parameter.empty() ? "" : " = " + s.parameter);
  for (const StateInfo& s : info.states) states += fmt::format("{}{}{}", states.empty() ? "" : ", ", s.name, s.trainable ? " (trained)" : "");
  if (!sizes.empty()) out += fmt::format("\nSizes that it fixes: {}\n", sizes);
  if (!states.empty()) out += fmt::format("\nState: {}\n", states);
  out += fmt::format("\nLibrary: {}\n", info.library);
  return out;
}

Value json(const ComponentInfo& info) {
  Value out = Value::table();
  out["id"] = info.id;
  out["kind"] = kind_name(info.kind);
  out["summary"] = info.summary;
  out["version"] = info.version;
  out["library"] = info.library;
  Value parameters = Value::array(), inputs = Value::array(), outputs = Value::array(), sizes = Value::array(), states = Value::array();
  for (const ParameterInfo& p : info.parameters) parameters.push_back(parameter_json(p));
  for (const PortInfo& p : info.inputs) inputs.push_back(port_json(p));
  for (const PortInfo& p : info.outputs) outputs.push_back(port_json(p));
  for (const SizeInfo& s : info.sizes) {
    Value size = Value::table();
    size["symbol"] = s.symbol;
    if (!s.parameter.empty()) size["parameter"] = s.parameter;
    sizes.push_back(std::move(size));
  }
  for (const StateInfo& s : info.states) {
    Value state = Value::table();
    state["name"] = s.name;
    state["trainable"] = s.trainable;
    states.push_back(std::move(state));
  }
  out["parameters"] = std::move(parameters);
  out["inputs"] = std::move(inputs);
  out["outputs"] = std::move(outputs);
  out["sizes"] = std::move(sizes);
  out["states"] = std::move(states);
  out["graph"] = info.has_graph;
  out["cached"] = info.cached;
  out["seeded"] = info.seeded;
  out["full_precision"] = info.full_precision;
  out["no_gradient"] = info.no_gradient;
  return out;
}

}  // namespace cdc::inspect
