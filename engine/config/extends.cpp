// Files that extend files: a chain of them becomes one spec.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "config/spec.hpp"
#include "config/suggest.hpp"

namespace cdc::detail {
namespace {

namespace fs = std::filesystem;

struct Layer {
  std::string file;
  fs::path canonical;  ///< by which a circle is seen
  Spec spec;
  std::vector<Spec> removed;
};

std::optional<Spec> taken(Spec& table, std::string_view key) {
  const auto at = std::find_if(table.table.begin(), table.table.end(), [&](const auto& entry) { return entry.first == key; });
  if (at == table.table.end()) return std::nullopt;
  Spec out = std::move(at->second);
  table.table.erase(at);
  return out;
}

/// "a.toml -> b.toml -> c.toml"
std::string chain_text(const std::vector<Layer>& layers, const std::string& last) {
  std::string out;
  for (const Layer& layer : layers) out += layer.file + " -> ";
  return out + last;
}

std::optional<std::string> text_of(const fs::path& file) {
  std::error_code error;
  if (fs::is_directory(file, error)) return std::nullopt;
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

/// The text of what a file extends. Regular files alone: a device might never end.
std::optional<std::string> base_text(const std::string& name) {
  std::error_code error;
  if (name.find('\0') != std::string::npos || !fs::is_regular_file(name, error)) return std::nullopt;
  return text_of(name);
}

fs::path canonical(const fs::path& file) {
  std::error_code error;
  fs::path out = fs::canonical(file, error);
  return error ? file : out;
}

/// Takes the keys that speak of the base off; false where what they say cannot be gone on from.
bool read_keys(Layer& layer, std::optional<Spec>& extends, std::vector<Diagnostic>& problems) {
  extends = taken(layer.spec, "extends");
  std::optional<Spec> remove = taken(layer.spec, "remove");
  if (extends) {
    if (!extends->is_string()) {
      if (!extends->is_told())
        problems.push_back(
            {extends->where, fmt::format("'extends' must name one file, extends = \"FILE.toml\", found {}", extends->value().to_json())});
      return false;
    }
    expand_variables(*extends, problems);
    if (extends->told) return false;
  }
  if (!remove) return true;
  if (!extends) {
    problems.push_back({remove->key_where,
                        "'remove' takes something out of the file that this one extends, but it extends none: write extends = "
                        "\"FILE.toml\" before it, or leave it out"});
    return true;
  }
  if (remove->is_told()) return true;
  const bool strings = remove->is_array() && std::all_of(remove->array.begin(), remove->array.end(), [](const Spec& s) { return s.is_string(); });
  if (strings) {
    layer.removed = std::move(remove->array);
  } else {
    problems.push_back({remove->where, fmt::format("'remove' must be a list of keys, remove = [\"stage.NAME\", \"stage.NAME.KEY\"], found {}",
                                                   remove->value().to_json())});
  }
  return true;
}

/// To whom a table's parameters belong: a plugin, variables in its name counted by what they mean, or to sharing or following another node.
std::optional<std::string> owner_of(const Spec& table) {
  for (const char* key : {"shares", "follows"})
    if (table.find(key) != nullptr) return key;
  const Spec* plugin = table.find("plugin");
  if (plugin == nullptr || !plugin->is_string()) return std::nullopt;
  Spec meant = *plugin;
  std::vector<Diagnostic> told_later;
  expand_variables(meant, told_later);
  return "plugin " + meant.string();
}

/// Whether the file states this table, and not just something deeper in it. `in` counts as the table's own.
bool states(const Spec& table) {
  return table.table.empty() ||
         std::any_of(table.table.begin(), table.table.end(), [](const auto& entry) { return !entry.second.is_table() || entry.first == "in"; });
}

}  // namespace

void merge(Spec& base, Spec over) {
  if (!base.is_table() || !over.is_table()) {
    base = std::move(over);
    return;
  }
  const std::optional<std::string> former = owner_of(base), owner = owner_of(over);
  if (former && owner && *former != *owner) {
    // Parameters belong to a plugin; inputs and the graph are the pipeline's wiring.
    const auto parameter = [](const auto& entry) { return entry.first != "in" && entry.first != "graph"; };
    base.table.erase(std::remove_if(base.table.begin(), base.table.end(), parameter), base.table.end());
  }
  if (states(over)) {
    base.where = over.where;
    base.key_where = over.key_where;
  }
  for (auto& [key, entry] : over.table) {
    if (Spec* there = base.find(key); there != nullptr)
      merge(*there, std::move(entry));
    else
      base.table.emplace_back(key, std::move(entry));
  }
}

void take_away(Spec& base, const Spec& path, std::vector<Diagnostic>& problems) {
  const std::string& text = path.string();
  std::vector<Spec*> tables{&base};
  for (std::size_t at = 0;;) {
    const std::size_t dot = text.find('.', at);
    const std::string word = text.substr(at, dot == std::string::npos ? std::string::npos : dot - at);
    Spec* entry = tables.back()->find(word);
    if (entry == nullptr) {
      std::vector<std::string> there;
      for (const auto& [name, spec] : tables.back()->table) there.push_back(name);
      std::string hint = did_you_mean(word, there);
      if (hint.empty() && !there.empty())
        hint = fmt::format("; {} {}", at == 0 ? "it has" : fmt::format("'{}' has", text.substr(0, at - 1)), quoted_list(there));
      problems.push_back({path.where, fmt::format("there is no '{}' to remove in what this file extends{}", text, hint)});
      return;
    }
    if (dot == std::string::npos) {
      taken(*tables.back(), word);
      break;
    }
    tables.push_back(entry);
    at = dot + 1;
  }
  // What is missed from now on is missing because of this line.
  const bool input = tables.size() > 1 && tables[tables.size() - 2]->find("in") == tables.back();
  tables.back()->where = path.where;
  if (input) tables[tables.size() - 2]->where = path.where;
}

std::optional<Spec> read_chain(const fs::path& file, std::vector<Diagnostic>& problems) {
  std::optional<std::string> text = text_of(file);
  if (!text) {
    problems.push_back({{file.string(), 1, 1}, "the pipeline file cannot be opened: check its name and that it may be read"});
    return std::nullopt;
  }
  std::vector<Layer> layers;
  for (std::string name = file.string();;) {
    std::optional<Spec> spec = parse_toml(*text, name, problems, static_cast<int>(layers.size()));
    if (!spec) return std::nullopt;
    Layer& layer = layers.emplace_back(Layer{name, canonical(name), std::move(*spec), {}});
    std::optional<Spec> extends;
    if (!read_keys(layer, extends, problems)) return std::nullopt;
    if (!extends) break;
    const std::string base = (fs::path(name).parent_path() / extends->string()).string();
    text = base_text(base);
    if (!text) {
      problems.push_back(
          {extends->where, fmt::format("the file '{}' that this one extends cannot be opened: check its name, which is relative to the "
                                       "folder of the file that says it, and that it may be read ({})",
                                       extends->string(), chain_text(layers, base))});
      return std::nullopt;
    }
    const fs::path found = canonical(base);
    if (std::any_of(layers.begin(), layers.end(), [&](const Layer& one) { return one.canonical == found; })) {
      problems.push_back(
          {extends->where, fmt::format("these files extend each other in a circle: {}. Take one 'extends' away", chain_text(layers, base))});
      return std::nullopt;
    }
    name = base;
  }
  const Location where = layers.front().spec.where;
  Spec whole = std::move(layers.back().spec);
  for (auto layer = layers.rbegin() + 1; layer != layers.rend(); ++layer) {
    for (const Spec& path : layer->removed) take_away(whole, path, problems);
    merge(whole, std::move(layer->spec));
  }
  whole.where = where;
  return whole;
}

}  // namespace cdc::detail
