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

void add_variables(const Spec& spec, std::vector<std::string>& out) {
  for (const std::string& one : spec.variables)
    if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
  for (const Spec& one : spec.array) add_variables(one, out);
}

/// "file:line", "file:line, environment VARIABLE", "command line", "default".
std::string origin_text(const Spec* spec) {
  if (spec == nullptr) return "default";
  std::string out = spec->where.depth == Location::kCommandLine ? spec->where.file : fmt::format("{}:{}", spec->where.file, spec->where.line);
  std::vector<std::string> variables;
  add_variables(*spec, variables);
  for (std::size_t i = 0; i < variables.size(); ++i) out += (i == 0 ? ", environment " : " and ") + variables[i];
  // A comment holds no control characters, and UTF-8 alone; file names may hold anything.
  std::string safe = Value(std::move(out)).to_json();
  safe = safe.substr(1, safe.size() - 2);
  std::replace(safe.begin(), safe.end(), '\x7f', '?');
  return safe;
}

/// Writes a table, and behind each value, where there is an `origin`, where it comes from.
class Writer {
 public:
  explicit Writer(bool comments) : comments_(comments) {}

  void write(const std::string& path, const Value& table, const Spec* origin) {
    std::string lines;
    std::vector<std::pair<std::string, const Value*>> below;
    for (const auto& [key, value] : table.as_table()) {
      const bool part = value.is_table() && table.find("plugin") != nullptr && value.find("plugin") != nullptr;
      if (!value.is_table() || (part && !comments_))
        line(lines, key_text(key), value, entry(origin, key));
      else if (part || (key == "in" && !path.empty()))
        dotted(lines, key_text(key), value, entry(origin, key));
      else
        below.emplace_back(key, &value);
    }
    if (!path.empty() && (!lines.empty() || below.empty())) out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", path);
    out += lines;
    for (const auto& [key, value] : below) write(path.empty() ? key_text(key) : path + "." + key_text(key), *value, entry(origin, key));
  }

  std::string out;

 private:
  static const Spec* entry(const Spec* table, const std::string& key) { return table == nullptr ? nullptr : table->find(key); }

  /// A line for each entry, and for those of parts in parts.
  void dotted(std::string& lines, const std::string& path, const Value& table, const Spec* origin) const {
    for (const auto& [key, value] : table.as_table()) {
      const std::string inner = path + "." + key_text(key);
      if (comments_ && value.is_table() && !value.as_table().empty())
        dotted(lines, inner, value, entry(origin, key));
      else
        line(lines, inner, value, entry(origin, key));
    }
  }

  void line(std::string& lines, const std::string& key, const Value& value, const Spec* origin) const {
    lines += fmt::format("{} = {}{}{}\n", key, value_text(value), comments_ ? "  # " : "", comments_ ? origin_text(origin) : "");
  }

  bool comments_;
};

}  // namespace

std::string to_toml(const Value& table) {
  Writer writer(false);
  writer.write("", Value(table.as_table()), nullptr);
  return std::move(writer.out);
}

std::string to_toml(const Value& table, const Spec& origin) {
  Writer writer(true);
  writer.write("", Value(table.as_table()), &origin);
  return std::move(writer.out);
}

}  // namespace cdc
