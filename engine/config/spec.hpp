#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cdc/value.hpp"
#include "config/diagnostic.hpp"

namespace cdc {

/// A value of a pipeline file as it stands there, with its place and its key's. Nothing is known yet of what it means.
struct Spec {
  Location where;      ///< of the value; of a table: its header
  Location key_where;  ///< of its key
  Value::Type type = Value::Type::null;
  Value scalar;                                     ///< boolean, integer, real, string
  std::vector<std::pair<std::string, Spec>> table;  ///< in order of the file
  std::vector<Spec> array;
  bool told = false;  ///< cannot be what the user meant, and that is among the problems already

  bool is_table() const { return type == Value::Type::table; }
  bool is_array() const { return type == Value::Type::array; }
  bool is_string() const { return type == Value::Type::string; }
  const std::string& string() const { return scalar.as_string(); }
  CDC_API const Spec* find(std::string_view key) const;
  CDC_API Spec* find(std::string_view key);
  CDC_API bool is_told() const;  ///< this or something in it
  /// Without the places.
  CDC_API Value value() const;
};

/// Reads a text in TOML, expands `${VAR}` and `${VAR:-default}` in its strings (`$${` stands for "${"), and applies `key=value` overrides. `file`
/// names it in messages. What is wrong is added to `problems`; nothing comes back where the text is no TOML.
CDC_API std::optional<Spec> read_spec(const std::string& text, const std::string& file, const std::vector<std::string>& overrides,
                                      std::vector<Diagnostic>& problems);

/// TOML text of a resolved pipeline (Plan::resolved): read_spec() gives the same values back. Parts with a "plugin" inside another are written
/// inline, `in` with dotted keys, every other table under a header. cdc::Error where `table` is no table or holds a null.
CDC_API std::string to_toml(const Value& table);

namespace detail {

/// TOML with places, as it stands: strings are not expanded.
std::optional<Spec> parse_toml(const std::string& text, const std::string& file, std::vector<Diagnostic>& problems);
/// One TOML value, nothing where the text is none; `where` is the place of its first letter.
std::optional<Spec> parse_toml_value(const std::string& text, const Location& where);
void expand_variables(Spec& spec, std::vector<Diagnostic>& problems);
/// `number`: which argument it is, from 1.
void apply_override(Spec& root, const std::string& argument, int number, std::vector<Diagnostic>& problems);

}  // namespace detail
}  // namespace cdc
