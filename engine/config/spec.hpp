#pragma once

#include <filesystem>
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
  std::vector<std::pair<std::string, Spec>> table;  ///< in order of the file; of the files, what is extended first
  std::vector<Spec> array;
  std::vector<std::string> variables;  ///< of the environment whose values are in this string
  std::string typed;                   ///< of a value of the command line that is no string: as it was typed there, for who wants a string
  std::string remover;                 ///< of a table whose plugin was laid onto a former table: the file that can `remove` what is left of that one
  bool is_inline = false;              ///< a table written as one value, { key = 1 }
  bool told = false;                   ///< cannot be what the user meant, and that is among the problems already

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

/// A key of the whole, and what it is to be.
struct Override {
  std::string key;  ///< dotted: "stage.train.epochs"
  Spec value;       ///< with its place; `key_where` is where the key begins
};

/// Reads a text in TOML, expands `${VAR}`, `${VAR:-default}` and `${here}` (the folder of the file) in its strings (`$${` stands for "${"), and
/// applies `key=value` overrides. `file` names it in messages. What is wrong is added to `problems`; nothing comes back where the text is no TOML, or
/// would extend a file: a text has no folder.
CDC_API std::optional<Spec> read_spec(const std::string& text, const std::string& file, const std::vector<std::string>& overrides,
                                      std::vector<Diagnostic>& problems);
/// The same of a file and of the files that it extends (engine/config/README.md): overrides and variables work on the merged whole.
CDC_API std::optional<Spec> read_spec_file(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                                           std::vector<Diagnostic>& problems);
/// The same with overrides that stand in another file.
CDC_API std::optional<Spec> read_changed_file(const std::filesystem::path& file, const std::vector<Override>& overrides,
                                              std::vector<Diagnostic>& problems);

/// TOML text of a resolved pipeline (Plan::resolved): read_spec() gives the same values back. Parts with a "plugin" inside another are written
/// inline, `in` with dotted keys, every other table under a header. cdc::Error where `table` is no table or holds a null.
CDC_API std::string to_toml(const Value& table);
/// The same, with a comment behind each value that says where it comes from: its file and line, the command line, variables of the environment, or
/// "default" where `origin`, the spec that was resolved, does not have it. Parts are written with dotted keys, a line each.
CDC_API std::string to_toml(const Value& table, const Spec& origin);

namespace detail {

/// TOML with places, as it stands: strings are not expanded. `depth`: see Location.
std::optional<Spec> parse_toml(const std::string& text, const std::string& file, std::vector<Diagnostic>& problems, int depth = 0);
/// One TOML value, nothing where the text is none; `where` is the place of its first letter.
std::optional<Spec> parse_toml_value(const std::string& text, const Location& where);
void expand_variables(Spec& spec, std::vector<Diagnostic>& problems);
/// key=value as an argument of the command line. `number`: which it is, from 1.
std::optional<Override> parse_override(const std::string& argument, int number, std::vector<Diagnostic>& problems);
void apply_override(Spec& root, const Override& override, std::vector<Diagnostic>& problems);

/// A file and all that it extends as one spec, as it stands: strings are not expanded. Nothing where one of them cannot be read.
std::optional<Spec> read_whole(const std::filesystem::path& file, std::vector<Diagnostic>& problems);
/// What `over` states, onto `base`, as `file` says by its tables or its list.
void merge(Spec& base, Spec over, const std::string& file);
/// Takes the entry at a dotted path ("stage.cdc.schedule") out of the base.
void take_away(Spec& base, const Spec& path, std::vector<Diagnostic>& problems);

}  // namespace detail
}  // namespace cdc
