// The one file that sees toml++.
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <functional>
#include <tuple>

#include "config/spec.hpp"

namespace cdc::detail {
namespace {

constexpr int kMaximumDepth = 32;
constexpr int kMaximumDots = 1000;  // in one key: toml++ and destructors recurse once a dot

using Place = std::function<Location(const toml::source_region&)>;

/// Whether a key is so long that merely reading it would exhaust the stack.
bool has_endless_key(const std::string& text) {
  int dots = 0;
  for (const char c : text) {
    if (c == '.' && ++dots > kMaximumDots) return true;
    if (c == '\n' || c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}' || c == '#') dots = 0;
  }
  return false;
}

Spec convert(const toml::node& node, const Place& place, int depth, std::vector<Diagnostic>& problems) {
  Spec out;
  out.where = place(node.source());
  if (depth > kMaximumDepth) {
    problems.push_back({out.where, fmt::format("nested deeper than {} levels", kMaximumDepth)});
    out.told = true;
    return out;
  }
  switch (node.type()) {
    case toml::node_type::boolean:
      out.scalar = node.as_boolean()->get();
      break;
    case toml::node_type::integer:
      out.scalar = node.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      out.scalar = node.as_floating_point()->get();
      break;
    case toml::node_type::string:
      out.scalar = node.as_string()->get();
      break;
    case toml::node_type::array:
      out.type = Value::Type::array;
      for (const toml::node& one : *node.as_array()) out.array.push_back(convert(one, place, depth + 1, problems));
      return out;
    case toml::node_type::table: {
      out.type = Value::Type::table;
      out.is_inline = node.as_table()->is_inline();
      for (auto&& [key, value] : *node.as_table()) {
        Spec entry = convert(value, place, depth + 1, problems);
        entry.key_where = place(key.source());
        out.table.emplace_back(std::string(key.str()), std::move(entry));
      }
      // toml++ keeps tables in alphabetical order.
      const auto position = [](const Spec& s) { return std::tie(s.key_where.line, s.key_where.column); };
      std::stable_sort(out.table.begin(), out.table.end(), [&](const auto& a, const auto& b) { return position(a.second) < position(b.second); });
      return out;
    }
    default:
      problems.push_back({out.where, "dates and times are no values here: write a string in quotes"});
      out.scalar = std::string();
      out.told = true;
  }
  out.type = out.scalar.type();
  return out;
}

}  // namespace

std::optional<Spec> parse_toml(const std::string& text, const std::string& file, std::vector<Diagnostic>& problems, int depth) {
  const Place place = [&](const toml::source_region& r) {
    return Location{file, std::max(1, static_cast<int>(r.begin.line)), std::max(1, static_cast<int>(r.begin.column)), depth};
  };
  if (has_endless_key(text)) {
    problems.push_back({{file, 1, 1, depth}, fmt::format("a key with more than {} dots cannot be read: shorten it", kMaximumDots)});
    return std::nullopt;
  }
  try {
    const toml::table table = toml::parse(text, file);
    return convert(table, place, 0, problems);
  } catch (const toml::parse_error& e) {
    std::string description(e.description());
    if (!description.empty() && description[0] == 'E') description[0] = 'e';  // "Error while ...", "Encountered ..."
    problems.push_back({place(e.source()), fmt::format("this is no TOML: {}", description)});
    return std::nullopt;
  }
}

std::optional<Spec> parse_toml_value(const std::string& text, const Location& where) {
  const std::string head = "v=";
  const Place place = [&](const toml::source_region& r) {
    Location out = where;
    if (r.begin.line <= 1) out.column += std::max(0, static_cast<int>(r.begin.column) - 1 - static_cast<int>(head.size()));
    return out;
  };
  if (has_endless_key(text)) return std::nullopt;
  try {
    const toml::table table = toml::parse(head + text);
    if (table.size() != 1) return std::nullopt;  // the text went on with keys of its own
    std::vector<Diagnostic> none;
    Spec out = convert(*table.get("v"), place, 0, none);
    if (!none.empty()) return std::nullopt;
    return out;
  } catch (const toml::parse_error&) {
    return std::nullopt;
  }
}

}  // namespace cdc::detail
