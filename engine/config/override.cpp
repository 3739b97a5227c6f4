#include <fmt/format.h>

#include "config/spec.hpp"
#include "config/suggest.hpp"

namespace cdc::detail {
namespace {

std::vector<std::string> keys_of(const Spec& table) {
  std::vector<std::string> out;
  for (const auto& [name, entry] : table.table) out.push_back(name);
  return out;
}

/// The tables whose entries have names of the user's own: a name that is not there was mistyped.
const char* named_by_user(const std::vector<std::string>& path) {
  if (path.size() == 1 && path[0] == "stage") return "stage";
  if (path.size() == 3 && path[0] == "stage" && path[2] == "graph") return "node";
  return nullptr;
}

}  // namespace

std::optional<Override> parse_override(const std::string& argument, int number, std::vector<Diagnostic>& problems) {
  const Location start{"command line", number, 1, Location::kCommandLine};
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    problems.push_back({start, fmt::format("'{}' is no key=value: write, for example, stage.train.epochs=5", argument)});
    return std::nullopt;
  }
  Override out;
  out.key = argument.substr(0, equals);
  Location value_where = start;
  value_where.column += static_cast<int>(equals) + 1;
  const std::string text = argument.substr(equals + 1);
  if (std::optional<Spec> parsed = parse_toml_value(text, value_where)) {
    out.value = std::move(*parsed);
    if (!out.value.is_table() && !out.value.is_array() && !out.value.is_string()) out.value.typed = text;
  } else {
    out.value.where = value_where;
    out.value.scalar = text;
    out.value.type = Value::Type::string;
  }
  out.value.key_where = start;
  return out;
}

void apply_override(Spec& root, const Override& override, std::vector<Diagnostic>& problems) {
  const std::string& key = override.key;
  const Location start = override.value.key_where;
  // Words have columns of their own where the key is known to stand as it is: in an argument.
  const auto place = [&](std::size_t column) {
    Location where = start;
    if (where.depth == Location::kCommandLine) where.column += static_cast<int>(column);
    return where;
  };
  const auto problem = [&](std::size_t column, std::string message) { problems.push_back({place(column), std::move(message)}); };
  Spec* table = &root;
  std::vector<std::string> path;
  for (std::size_t at = 0;;) {
    const std::size_t dot = key.find('.', at);
    const std::string word = key.substr(at, dot == std::string::npos ? std::string::npos : dot - at);
    if (word.empty() || path.size() >= 16) {
      problem(at, fmt::format("'{}' is no path of keys: write, for example, stage.train.epochs=5", key));
      return;
    }
    const Location here = place(at);
    if (!table->is_table()) {
      std::string whole;
      for (const std::string& one : path) whole += (whole.empty() ? "" : ".") + one;
      problem(at, fmt::format("'{}' is {} {}, not a table, so that it has no '{}'", whole,
                              table->type == Value::Type::integer || table->is_array() ? "an" : "a", Value::type_name(table->type), word));
      return;
    }
    Spec* entry = table->find(word);
    if (entry == nullptr) {
      if (const char* what = named_by_user(path); what != nullptr) {
        const std::vector<std::string> there = keys_of(*table);
        problem(at, fmt::format("there is no {} '{}'{}", what, word, there_are(there) + did_you_mean(word, there)));
        return;
      }
      if (path.empty() && word != "pipeline" && word != "stage") {
        problem(at, fmt::format("there is no table '{}': an override begins with pipeline. or stage.{}", word,
                                did_you_mean(word, {"pipeline", "stage"})));
        return;
      }
      Spec made;
      made.where = made.key_where = here;
      made.type = Value::Type::table;
      table->table.emplace_back(word, std::move(made));
      entry = &table->table.back().second;
    }
    path.push_back(word);
    if (dot == std::string::npos) {
      Spec value = override.value;
      value.key_where = here;
      *entry = std::move(value);
      return;
    }
    table = entry;
    at = dot + 1;
  }
}

}  // namespace cdc::detail
