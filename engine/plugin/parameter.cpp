#include "plugin/parameter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace cdc {
namespace {

bool is_list(ParameterType type) { return type == ParameterType::integers || type == ParameterType::reals || type == ParameterType::strings; }

Value::Type wanted_type(ParameterType type) {
  switch (type) {
    case ParameterType::boolean:
      return Value::Type::boolean;
    case ParameterType::integer:
    case ParameterType::integers:
      return Value::Type::integer;
    case ParameterType::real:
    case ParameterType::reals:
      return Value::Type::real;
    case ParameterType::string:
    case ParameterType::strings:
    case ParameterType::port:
      return Value::Type::string;
    case ParameterType::component:
      return Value::Type::table;
  }
  return Value::Type::null;
}

std::string quoted_choices(const std::vector<std::string>& all) {
  std::string out;
  for (std::size_t i = 0; i < all.size(); ++i) out += fmt::format("{}'{}'", i == 0 ? "" : i + 1 == all.size() ? " or " : ", ", all[i]);
  return out;
}

/// `element`: " in element N" of a list, "" for the value itself. `whole`: the value, or the list.
std::string scalar_problem(const ParameterInfo& parameter, const Value& value, const std::string& element, const Value& whole) {
  const Value::Type wanted = wanted_type(parameter.type);
  if (value.type() != wanted && !(wanted == Value::Type::real && value.is_integer())) {
    const char* article = wanted == Value::Type::integer ? "an" : "a";
    return fmt::format("must be {} {}{}, found the {} {}{}", article, Value::type_name(wanted), element, Value::type_name(value.type()),
                       shown_value(value), parameter_remedy(parameter, whole));
  }
  if (value.is_number()) {
    const double number = value.as_real();
    if (!std::isfinite(number)) return fmt::format("must be a finite number{}, found {}", element, shown_value(value));
    if ((parameter.minimum && number < *parameter.minimum) || (parameter.maximum && number > *parameter.maximum))
      return fmt::format("must be {}{}, found {}", parameter_limits(parameter), element, shown_value(value));
  }
  if (value.is_string() && !parameter.choices.empty() &&
      std::find(parameter.choices.begin(), parameter.choices.end(), value.as_string()) == parameter.choices.end())
    return fmt::format("must be {}{}, found {}", quoted_choices(parameter.choices), element, shown_value(value));
  return {};
}

}  // namespace

std::string shown_value(const Value& value) {
  const std::string json = value.is_real() && !std::isfinite(value.as_real()) ? fmt::format("{}", value.as_real()) : value.to_json();
  return json.size() <= 60 ? json : json.substr(0, 57) + "...";
}

std::string parameter_limits(const ParameterInfo& parameter) {
  const auto number = [&](double v) {
    return parameter.type == ParameterType::integer || parameter.type == ParameterType::integers ? fmt::format("{:.0f}", v) : fmt::format("{}", v);
  };
  if (!parameter.choices.empty()) return quoted_choices(parameter.choices);
  if (parameter.minimum && parameter.maximum) return fmt::format("{} to {}", number(*parameter.minimum), number(*parameter.maximum));
  if (parameter.minimum) return fmt::format("at least {}", number(*parameter.minimum));
  if (parameter.maximum) return fmt::format("at most {}", number(*parameter.maximum));
  return {};
}

std::string parameter_problem(const ParameterInfo& parameter, const Value& value) {
  if (parameter.type == ParameterType::component) {
    const Value* plugin = value.find("plugin");
    if (plugin == nullptr || !plugin->is_string())
      return fmt::format("must be a table that names {0} {1}, {2} = {{ plugin = \"{1}.NAME\", ... }}",
                         parameter.component_kind == Kind::optimizer ? "an" : "a", kind_name(parameter.component_kind), parameter.name);
    return {};
  }
  if (!is_list(parameter.type)) return scalar_problem(parameter, value, "", value);
  if (!value.is_array())
    return fmt::format("must be a {}, found the {} {}{}", parameter_type_name(parameter.type), Value::type_name(value.type()), shown_value(value),
                       parameter_remedy(parameter, value));
  const Value::Array& all = value.as_array();
  const std::size_t least = parameter.minimum_length.value_or(0), most = parameter.maximum_length.value_or(all.size());
  if (all.size() < least || all.size() > most) {
    const std::string wanted = !parameter.maximum_length ? fmt::format("at least {}", least)
                               : least == most           ? fmt::format("{}", least)
                                                         : fmt::format("{} to {}", least, most);
    return fmt::format("must have {} elements, found {}", wanted, all.size());
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    if (std::string problem = scalar_problem(parameter, all[i], fmt::format(" in element {}", i + 1), value); !problem.empty()) return problem;
  return {};
}

Value parameter_value(const ParameterInfo& parameter, const Value& value) {
  if (parameter.type == ParameterType::real && value.is_integer()) return value.as_real();
  if (parameter.type == ParameterType::reals && value.is_array()) {
    Value out = Value::array();
    for (const Value& one : value.as_array()) out.push_back(one.is_integer() ? Value(one.as_real()) : one);
    return out;
  }
  return value;
}

}  // namespace cdc
