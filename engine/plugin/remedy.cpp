// What to write in place of a value that is of another type than its parameter.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "plugin/parameter.hpp"

namespace cdc {
namespace {

bool wants_integer(ParameterType type) { return type == ParameterType::integer || type == ParameterType::integers; }
bool wants_real(ParameterType type) { return type == ParameterType::real || type == ParameterType::reals; }
bool wants_string(ParameterType type) { return type == ParameterType::string || type == ParameterType::strings || type == ParameterType::port; }
bool is_list(ParameterType type) { return type == ParameterType::integers || type == ParameterType::reals || type == ParameterType::strings; }

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? std::string() : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// A number that a text can only have meant: " 5", "0,5", ".1".
std::optional<double> number_in(std::string text) {
  text = trimmed(text);
  if (const std::size_t comma = text.find(','); comma != std::string::npos && text.find('.') == std::string::npos) text[comma] = '.';
  double number = 0;
  const auto [end, error] = std::from_chars(text.data() + (!text.empty() && text[0] == '+' ? 1 : 0), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

std::optional<Value> as_number(double number, bool integer) {
  if (!integer) return Value(number);
  if (number != std::floor(number) || std::abs(number) > 0x1p53) return std::nullopt;
  return Value(static_cast<std::int64_t>(number));
}

/// What the value was meant to be, in the type of the parameter or of its elements.
std::optional<Value> meant(const ParameterInfo& parameter, const Value& value) {
  if (wants_string(parameter.type)) {
    if (value.is_string()) return value;
    if (value.is_number() || value.is_boolean()) return Value(value.to_json());
    return std::nullopt;
  }
  if (parameter.type == ParameterType::boolean) {
    const std::string text = value.is_string() ? trimmed(value.as_string()) : value.to_json();
    for (const char* yes : {"true", "True", "TRUE", "yes", "on", "1"})
      if (text == yes) return Value(true);
    for (const char* no : {"false", "False", "FALSE", "no", "off", "0"})
      if (text == no) return Value(false);
    return std::nullopt;
  }
  if (!wants_integer(parameter.type) && !wants_real(parameter.type)) return std::nullopt;
  if (value.is_number()) return as_number(value.as_real(), wants_integer(parameter.type));
  if (!value.is_string()) return std::nullopt;
  const std::optional<double> number = number_in(value.as_string());
  return number ? as_number(*number, wants_integer(parameter.type)) : std::nullopt;
}

/// The elements of "3, 4" or "3 4".
std::optional<Value> meant_list(const ParameterInfo& parameter, const Value& value) {
  Value out = Value::array();
  if (!value.is_string()) {
    const std::optional<Value> one = meant(parameter, value);
    if (one) out.push_back(*one);
    return one ? std::optional<Value>(out) : std::nullopt;
  }
  std::string text = trimmed(value.as_string());
  if (text.size() > 1 && ((text.front() == '[' && text.back() == ']') || (text.front() == '(' && text.back() == ')')))
    text = text.substr(1, text.size() - 2);
  const bool commas = text.find(',') != std::string::npos;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(commas ? "," : " \t", at), text.size());
    if (const std::string word = trimmed(text.substr(at, end - at)); !word.empty()) {
      const std::optional<Value> one = meant(parameter, Value(word));
      if (!one) return std::nullopt;
      out.push_back(*one);
    }
    at = end + 1;
  }
  return out.as_array().empty() ? std::nullopt : std::optional<Value>(out);
}

}  // namespace

std::string parameter_remedy(const ParameterInfo& parameter, const Value& value) {
  constexpr std::size_t kLongest = 60;
  const auto write = [&](const char* how, const Value& one) {
    std::string text = one.to_json();
    if (const std::size_t point = text.find(".0"); one.is_real() && point != std::string::npos && point + 2 == text.size()) text.resize(point);
    if (text.size() > kLongest || !parameter_problem(parameter, one).empty()) return std::string();
    return fmt::format("; write {}, {} = {}", how, parameter.name, text);
  };
  if (is_list(parameter.type)) {
    if (value.is_array()) {
      Value all = Value::array();
      for (const Value& element : value.as_array()) {
        const std::optional<Value> one = meant(parameter, element);
        if (!one) return {};
        all.push_back(*one);
      }
      return write(wants_string(parameter.type) ? "each in quotes" : "each in its type", all);
    }
    const std::optional<Value> list = meant_list(parameter, value);
    return list ? write("a list in brackets", *list) : std::string();
  }
  if (value.is_array()) {
    if (value.as_array().size() != 1) return {};
    const std::optional<Value> one = meant(parameter, value.as_array().front());
    return one ? write("it without brackets", *one) : std::string();
  }
  const std::optional<Value> one = meant(parameter, value);
  if (!one) {
    const bool digits = value.is_string() && wants_integer(parameter.type) && !value.as_string().empty() &&
                        value.as_string().find_first_not_of("0123456789") == std::string::npos;
    return digits ? "; a number of more than 64 bits cannot be read" : std::string();
  }
  return write(wants_string(parameter.type)    ? "it in quotes"
               : value.is_string()             ? "it without quotes"
               : wants_integer(parameter.type) ? "it without a point or exponent"
                                               : "it as one",
               *one);
}

}  // namespace cdc
