// Files that extend files become one spec.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text_file.hpp"
#include "config/spec.hpp"
#include "config/suggest.hpp"

namespace cdc::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaximumFilesDeep = 100;

struct File {
  std::string name;
  fs::path canonical;  ///< by which a file is known again
  std::string text;
};

std::optional<Spec> taken(Spec& table, std::string_view key) {
  const auto at = std::find_if(table.table.begin(), table.table.end(), [&](const auto& entry) { return entry.first == key; });
  if (at == table.table.end()) return std::nullopt;
  Spec out = std::move(at->second);
  table.table.erase(at);
  return out;
}

fs::path canonical_path(const fs::path& file) {
  std::error_code error;
  fs::path out = fs::canonical(file, error);
  return error ? file : out;
}

/// What `extends` names, variables expanded. Nothing where that cannot be gone on from.
std::optional<std::vector<Spec>> names_in(Spec extends, std::vector<Diagnostic>& problems) {
  const auto add_problem = [&](const Spec& found) {
    problems.push_back({found.where, fmt::format("'extends' must name a file or a list of files, extends = \"FILE.toml\" or [\"ONE.toml\", "
                                                 "\"OTHER.toml\"], found {}",
                                                 found.value().to_json())});
  };
  std::vector<Spec> names;
  if (!extends.is_array()) {
    names.push_back(std::move(extends));
  } else if (extends.array.empty()) {
    add_problem(extends);
    return std::nullopt;
  } else {
    names = std::move(extends.array);
  }
  bool good = true;
  for (Spec& name : names) {
    if (name.is_string())
      expand_variables(name, problems);
    else if (!name.is_told())
      add_problem(name);
    good = good && name.is_string() && !name.told;
  }
  if (!good) return std::nullopt;
  return names;
}

/// The paths in `remove`, of a file that extends others or not.
std::vector<Spec> paths_in(Spec remove, bool extends, std::vector<Diagnostic>& problems) {
  if (!extends) {
    problems.push_back({remove.key_where,
                        "'remove' takes something out of the file that this one extends, but it extends none: write extends = "
                        "\"FILE.toml\" before it, or leave it out"});
    return {};
  }
  if (remove.is_told()) return {};
  if (remove.is_array() && std::all_of(remove.array.begin(), remove.array.end(), [](const Spec& s) { return s.is_string(); }))
    return std::move(remove.array);
  problems.push_back({remove.where, fmt::format("'remove' must be a list of keys, remove = [\"stage.NAME\", \"stage.NAME.KEY\"], found {}",
                                                remove.value().to_json())});
  return {};
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

/// Reads files with all that they extend. Each is read once, by however many ways it is reached.
class Reader {
 public:
  explicit Reader(std::vector<Diagnostic>& problems) : problems_(problems) {}

  /// Nothing where one of the files cannot be read.
  std::optional<Spec> read(const File& file) {
    std::optional<Spec> own = parse_toml(file.text, file.name, problems_, files_read_++);
    if (!own) return std::nullopt;
    std::optional<Spec> extends = taken(*own, "extends");
    std::optional<Spec> remove = taken(*own, "remove");
    std::vector<Spec> removed;
    if (remove) removed = paths_in(std::move(*remove), extends.has_value(), problems_);
    if (!extends) return own;
    open_.push_back(&file);
    std::optional<Spec> whole = read_extended(std::move(*extends));
    open_.pop_back();
    if (!whole) return std::nullopt;
    for (const Spec& path : removed) take_away(*whole, path, problems_);
    const Location where = own->where;
    merge(*whole, std::move(*own), file.name);
    whole->where = where;
    return whole;
  }

 private:
  /// What the innermost open file extends, each further file laid onto those before it.
  std::optional<Spec> read_extended(Spec extends) {
    const std::optional<std::vector<File>> files = find_extended(std::move(extends));
    if (!files) return std::nullopt;
    // Read from the last, which wins, so that Location::depth counts in this order.
    std::vector<Spec> wholes;
    for (auto one = files->rbegin(); one != files->rend(); ++one) {
      // By its folder too: two links to one file mean other files by the same relative names.
      const fs::path name = one->name, key = canonical_path(name.parent_path() / ".") / name.filename();
      auto known = known_.find(key);
      if (known == known_.end()) {
        std::optional<Spec> whole = read(*one);
        if (!whole) return std::nullopt;
        known = known_.emplace(key, std::move(*whole)).first;
      }
      wholes.push_back(known->second);
    }
    Spec out = std::move(wholes.back());
    for (wholes.pop_back(); !wholes.empty(); wholes.pop_back()) merge(out, std::move(wholes.back()), open_.back()->name);
    return out;
  }

  std::optional<std::vector<File>> find_extended(Spec extends) {
    const std::optional<std::vector<Spec>> names = names_in(std::move(extends), problems_);
    if (!names) return std::nullopt;
    std::vector<File> out;
    for (const Spec& name : *names) {
      std::optional<File> found = find(name);
      if (!found) continue;
      const auto same = [&](const File& one) { return one.canonical == found->canonical; };
      if (const auto before = std::find_if(out.begin(), out.end(), same); before != out.end())
        problems_.push_back(
            {name.where, fmt::format("the file '{}' is in this list already, as '{}': take one of the two out", found->name, before->name)});
      else
        out.push_back(std::move(*found));
    }
    if (out.size() != names->size()) return std::nullopt;
    return out;
  }

  std::optional<File> find(const Spec& name) {
    const std::string file = (fs::path(open_.back()->name).parent_path() / name.string()).string();
    TextFile read = read_text(file, /*pipes=*/false);
    if (!read.problem.empty()) {
      problems_.push_back({name.where, fmt::format("the file '{}' that this one extends {}; its name is relative to the folder of the file that says "
                                                   "it ({})",
                                                   name.string(), read.problem, chain_text(file))});
      return std::nullopt;
    }
    File found{file, canonical_path(file), std::move(read.text)};
    if (std::any_of(open_.begin(), open_.end(), [&](const File* one) { return one->canonical == found.canonical; })) {
      problems_.push_back({name.where, fmt::format("these files extend each other in a circle: {}. Take one 'extends' away", chain_text(file))});
      return std::nullopt;
    }
    if (open_.size() == kMaximumFilesDeep) {
      problems_.push_back({name.where, fmt::format("more than {} files extend one another, from '{}' to '{}': join some of them into one",
                                                   kMaximumFilesDeep, open_.front()->name, file)});
      return std::nullopt;
    }
    return found;
  }

  /// "a.toml -> b.toml -> c.toml": the open files and one more.
  std::string chain_text(const std::string& last) const {
    std::string out;
    for (const File* file : open_) out += file->name + " -> ";
    return out + last;
  }

  std::vector<Diagnostic>& problems_;
  std::vector<const File*> open_;   ///< each extends the next
  std::map<fs::path, Spec> known_;  ///< with all that they extend
  int files_read_ = 0;
};

}  // namespace

void merge(Spec& base, Spec over, const std::string& file) {
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
  if (owner) base.remover = file;
  if (states(over)) {
    base.where = over.where;
    base.key_where = over.key_where;
  }
  for (auto& [key, entry] : over.table) {
    if (Spec* there = base.find(key); there != nullptr)
      merge(*there, std::move(entry), file);
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

std::optional<Spec> read_whole(const fs::path& file, std::vector<Diagnostic>& problems) {
  TextFile read = read_text(file, /*pipes=*/true);
  if (!read.problem.empty()) {
    problems.push_back({{file.string(), 1, 1}, "the pipeline file " + read.problem});
    return std::nullopt;
  }
  return Reader(problems).read({file.string(), canonical_path(file), std::move(read.text)});
}

}  // namespace cdc::detail
