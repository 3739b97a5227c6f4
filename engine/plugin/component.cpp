#include "cdc/component.hpp"

#include <fmt/format.h>

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "cdc/error.hpp"
#include "cdc/ports.hpp"
#include "cdc/schema.hpp"

namespace cdc {
namespace {

template <class Info>
const Info* by_name(const std::vector<Info>& all, const std::string& name) {
  for (const Info& one : all)
    if (one.name == name) return &one;
  return nullptr;
}

}  // namespace

Component::~Component() = default;

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::stage:
      return "stage";
    case Kind::node:
      return "node";
    case Kind::optimizer:
      return "optimizer";
    case Kind::schedule:
      return "schedule";
  }
  return "unknown kind";
}

const char* parameter_type_name(ParameterType type) {
  switch (type) {
    case ParameterType::boolean:
      return "boolean";
    case ParameterType::integer:
      return "integer";
    case ParameterType::real:
      return "real";
    case ParameterType::string:
      return "string";
    case ParameterType::integers:
      return "list of integers";
    case ParameterType::reals:
      return "list of reals";
    case ParameterType::strings:
      return "list of strings";
    case ParameterType::component:
      return "plugin";
    case ParameterType::port:
      return "port";
  }
  return "unknown type";
}

const char* port_type_name(PortType type) {
  switch (type) {
    case PortType::samples:
      return "Samples";
    case PortType::images:
      return "Images";
    case PortType::embeddings:
      return "Embeddings";
    case PortType::logits:
      return "Logits";
    case PortType::codes:
      return "Codes";
    case PortType::scalar:
      return "Scalar";
    case PortType::dataset:
      return "Dataset";
    case PortType::model:
      return "Model";
    case PortType::features:
      return "Features";
    case PortType::assignment:
      return "Assignment";
    case PortType::scores:
      return "Scores";
  }
  return "unknown type";
}

bool is_artifact(PortType type) {
  switch (type) {
    case PortType::dataset:
    case PortType::model:
    case PortType::features:
    case PortType::assignment:
    case PortType::scores:
      return true;
    default:
      return false;
  }
}

const ParameterInfo* ComponentInfo::parameter(const std::string& name) const { return by_name(parameters, name); }
const PortInfo* ComponentInfo::input(const std::string& name) const { return by_name(inputs, name); }
const PortInfo* ComponentInfo::output(const std::string& name) const { return by_name(outputs, name); }

namespace detail {

std::vector<std::string> split_sizes(const char* sizes) {
  std::vector<std::string> out;
  std::string_view rest(sizes);
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    std::string_view one = rest.substr(0, comma);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    out.emplace_back(one);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return out;
}

int to_int(std::int64_t value) {
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max())
    throw Error(fmt::format("{} does not fit 32 bits with a sign", value));
  return static_cast<int>(value);
}

}  // namespace detail
}  // namespace cdc
