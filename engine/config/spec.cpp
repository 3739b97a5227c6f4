#include "config/spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace cdc {

const Spec* Spec::find(std::string_view key) const {
  for (const auto& [name, value] : table)
    if (name == key) return &value;
  return nullptr;
}

Spec* Spec::find(std::string_view key) { return const_cast<Spec*>(static_cast<const Spec*>(this)->find(key)); }

bool Spec::is_told() const {
  const auto entry = [](const auto& one) { return one.second.is_told(); };
  return told || std::any_of(table.begin(), table.end(), entry) || std::any_of(array.begin(), array.end(), [](const Spec& s) { return s.is_told(); });
}

Value Spec::value() const {
  if (is_table()) {
    Value::Table out;
    for (const auto& [name, entry] : table) out.emplace_back(name, entry.value());
    return out;
  }
  if (is_array()) {
    Value::Array out;
    for (const Spec& one : array) out.push_back(one.value());
    return out;
  }
  return scalar;
}

namespace detail {
namespace {

constexpr const char* kHereOnCommandLine = "'${here}' is the folder of the pipeline file that says it: on the command line write the folder itself";

/// `variables`: those of the environment whose values went in.
std::string expanded(const std::string& text, const Location& where, std::vector<std::string>& variables, std::vector<Diagnostic>& problems) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "$${") == 0) {
      out += "${";
      i += 3;
      continue;
    }
    if (text.compare(i, 2, "${") != 0) {
      out += text[i++];
      continue;
    }
    const std::size_t end = text.find('}', i);
    if (end == std::string::npos) {
      problems.push_back({where, "'${' without its '}': write ${VARIABLE} or ${VARIABLE:-default}, or $${ for the letters themselves"});
      return out;
    }
    const std::string inside = text.substr(i + 2, end - i - 2);
    const std::size_t colon = inside.find(":-");
    const std::string name = inside.substr(0, colon);
    if (name == "here") {
      if (where.depth == Location::kCommandLine) problems.push_back({where, kHereOnCommandLine});
      const std::string folder = std::filesystem::path(where.file).parent_path().string();
      out += folder.empty() ? "." : folder;
      i = end + 1;
      continue;
    }
    const char* value = name.empty() || name.find('\0') != std::string::npos ? nullptr : std::getenv(name.c_str());
    if (value != nullptr && (*value != '\0' || colon == std::string::npos)) {
      out += value;
      if (std::find(variables.begin(), variables.end(), name) == variables.end()) variables.push_back(name);
    } else if (name.empty()) {
      problems.push_back({where, "'${...}' without the name of a variable: write ${VARIABLE} or ${VARIABLE:-default}"});
    } else if (colon != std::string::npos) {
      out += inside.substr(colon + 2);
    } else {
      problems.push_back({where, fmt::format("the environment variable '{0}' is not set: set it, or give a default here, ${{{0}:-VALUE}}", name)});
    }
    i = end + 1;
  }
  return out;
}

}  // namespace

void expand_variables(Spec& spec, std::vector<Diagnostic>& problems) {
  const std::size_t before = problems.size();
  if (spec.is_string()) {
    if (const std::string& text = spec.string(); text == "~" || text.compare(0, 2, "~/") == 0)
      problems.push_back({spec.where, fmt::format("'~' is not expanded here: write ${{HOME}}{}", text.substr(1))});
    spec.scalar = expanded(spec.string(), spec.where, spec.variables, problems);
  }
  spec.told = spec.told || problems.size() > before;
  for (auto& [name, entry] : spec.table) expand_variables(entry, problems);
  for (Spec& one : spec.array) expand_variables(one, problems);
}

}  // namespace detail

namespace {

std::vector<Override> parsed(const std::vector<std::string>& arguments, std::vector<Diagnostic>& problems) {
  std::vector<Override> out;
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (std::optional<Override> one = detail::parse_override(arguments[i], static_cast<int>(i) + 1, problems)) out.push_back(std::move(*one));
  return out;
}

Spec completed(Spec spec, const std::vector<Override>& overrides, std::vector<Diagnostic>& problems) {
  // Overrides first: what they replace need not be expanded.
  for (const Override& one : overrides) detail::apply_override(spec, one, problems);
  detail::expand_variables(spec, problems);
  return spec;
}

}  // namespace

std::optional<Spec> read_spec(const std::string& text, const std::string& file, const std::vector<std::string>& overrides,
                              std::vector<Diagnostic>& problems) {
  std::optional<Spec> spec = detail::parse_toml(text, file, problems);
  if (!spec) return std::nullopt;
  for (const char* key : {"extends", "remove"}) {
    const Spec* given = spec->find(key);
    if (given == nullptr) continue;
    problems.push_back({given->key_where, "a text that was not read from a file extends none: save it as a file, or write out what it extends"});
    return std::nullopt;
  }
  return completed(std::move(*spec), parsed(overrides, problems), problems);
}

std::optional<Spec> read_spec_file(const std::filesystem::path& file, const std::vector<std::string>& overrides, std::vector<Diagnostic>& problems) {
  return read_changed_file(file, parsed(overrides, problems), problems);
}

std::optional<Spec> read_changed_file(const std::filesystem::path& file, const std::vector<Override>& overrides, std::vector<Diagnostic>& problems) {
  std::optional<Spec> spec = detail::read_whole(file, problems);
  if (!spec) return std::nullopt;
  return completed(std::move(*spec), overrides, problems);
}

}  // namespace cdc
