#include <fmt/format.h>

#include <algorithm>

#include "cdc/error.hpp"
#include "config/spec.hpp"

namespace cdc {
namespace {

std::string quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find("${", at)) != std::string::npos; at += 3) text.insert(at, 1, '$');
  std::string out;
  for (const char c : Value(std::move(text)).to_json()) {
    if (c == '\x7f')
      out += "\\u007f";  // JSON lets it stand, TOML does not
    else
      out += c;
  }
  return out;
}

std::string key_text(const std::string& key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (bare) return key;
  std::string out = Value(key).to_json();
  for (std::size_t at = 0; (at = out.find('\x7f', at)) != std::string::npos; at += 6) out.replace(at, 1, "\\u007f");
  return out;
}

std::string value_text(const Value& v) {
  switch (v.type()) {
    case Value::Type::null:
      throw Error("a null has no text in TOML: leave the key out");
    case Value::Type::boolean:
    case Value::Type::integer:
      return v.to_json();
    case Value::Type::real: {
      const std::string text = v.to_json();
      return text == "null" ? fmt::format("{}", v.as_real()) : text;  // "nan", "inf" and "-inf" are TOML's words too
    }
    case Value::Type::string:
      return quoted(v.as_string());
    case Value::Type::array: {
      std::string out;
      for (const Value& one : v.as_array()) out += (out.empty() ? "" : ", ") + value_text(one);
      return "[" + out + "]";
    }
    case Value::Type::table: {
      std::string out;
      for (const auto& [key, one] : v.as_table()) out += fmt::format("{} {} = {}", out.empty() ? "" : ",", key_text(key), value_text(one));
      return out.empty() ? "{}" : "{" + out + " }";
    }
  }
  return {};
}

void write_table(std::string& out, const std::string& path, const Value& table) {
  std::string lines;
  std::vector<std::pair<std::string, const Value*>> below;
  for (const auto& [key, value] : table.as_table()) {
    if (!value.is_table() || (table.find("plugin") != nullptr && value.find("plugin") != nullptr)) {
      lines += fmt::format("{} = {}\n", key_text(key), value_text(value));
    } else if (key == "in" && !path.empty()) {
      for (const auto& [port, source] : value.as_table()) lines += fmt::format("in.{} = {}\n", key_text(port), value_text(source));
    } else {
      below.emplace_back(key, &value);
    }
  }
  if (!path.empty() && (!lines.empty() || below.empty())) out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", path);
  out += lines;
  for (const auto& [key, value] : below) write_table(out, path.empty() ? key_text(key) : path + "." + key_text(key), *value);
}

}  // namespace

std::string to_toml(const Value& table) {
  std::string out;
  write_table(out, "", Value(table.as_table()));
  return out;
}

}  // namespace cdc
