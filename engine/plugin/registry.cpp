#include "plugin/registry.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>

#include "base/at_work.hpp"
#include "cdc/error.hpp"
#include "cdc/plugin.hpp"
#include "plugin/abi.hpp"
#include "plugin/helpers.hpp"
#include "plugin/parameter.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// Handles that nobody ever closes: autograd nodes, exceptions and objects of a library may outlive any registry.
void keep_loaded(boost::dll::shared_library library) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<boost::dll::shared_library>;  // reachable to the end, destroyed never
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(library));
}

/// Calls `body`; whatever comes out of the plugin's code becomes a text of the host's, empty where all went well.
template <class Body>
std::string problem_in(Body body) {
  try {
    body();
    return {};
  } catch (const std::exception& e) {
    return *e.what() == '\0' ? "an exception without a text" : e.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

std::string title(const ComponentInfo& info) { return fmt::format("plugin '{}' of {}", info.id, info.library); }

/// Makes a component of a plugin that may die in its constructor, and in its destructor.
std::shared_ptr<Component> create_at_work(const std::function<std::shared_ptr<Component>()>& create, const std::string& of) {
  const AtWork making(of.c_str(), "making it");
  std::shared_ptr<Component> made = create();
  Component* const component = made.get();
  return {component, [held = std::move(made), of](Component*) mutable {
            const AtWork destroying(of.c_str(), "destroying it");
            held.reset();
          }};
}

bool is_id(const std::string& id) {
  const std::size_t dot = id.find('.');
  const auto word = [](std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
  };
  return dot != std::string::npos && word(std::string_view(id).substr(0, dot)) && word(std::string_view(id).substr(dot + 1));
}

/// What an author got wrong in a statement that compiled; empty where it is sound.
std::string schema_problem(const ComponentInfo& info) {
  std::set<std::string> names;
  for (const ParameterInfo& p : info.parameters) {
    if (p.name == "plugin" || p.name == "in" || p.name == "graph" || p.name.empty() || p.name.find('.') != std::string::npos)
      return fmt::format("declares a parameter '{}', which a pipeline file cannot name: rename it", p.name);
    if (!names.insert(p.name).second) return fmt::format("declares the parameter '{}' twice: rename one", p.name);
    if (p.default_value.is_null() || p.type == ParameterType::port) continue;
    if (const std::string problem = parameter_problem(p, p.default_value); !problem.empty())
      return fmt::format("declares a default that the parameter '{}' itself refuses: it {}", p.name, problem);
  }
  for (const auto* ports : {&info.inputs, &info.outputs}) {
    names.clear();
    for (const PortInfo& p : *ports) {
      if (!names.insert(p.name).second) return fmt::format("declares the port '{}' twice: rename one", p.name);
      if (is_artifact(p.type) != (info.kind == Kind::stage))
        return fmt::format("is a {}, but declares the port '{}' of type {}", kind_name(info.kind), p.name, port_type_name(p.type));
    }
  }
  return {};
}

}  // namespace

struct Registry::Impl {
  std::map<std::string, std::unique_ptr<ComponentInfo>, std::less<>> by_id;
  std::map<fs::path, PluginLibrary> libraries;
  std::vector<fs::path> empty_folders;     ///< that were looked into, and hold no library
  std::optional<std::string> plugin_path;  ///< CDC_PLUGIN_PATH, where that was looked at
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

void Registry::load_library(const fs::path& path) { load(path, false); }

void Registry::load(const fs::path& path, bool bundled) {
  std::error_code error;
  fs::path library = fs::weakly_canonical(path, error);
  if (error) library = path;  // what is wrong with it is told where it is read
  if (impl_->libraries.count(library) != 0) return;
  const auto fail = [&](const std::string& what) { throw PluginError(fmt::format("plugin library {} {}", library.string(), what)); };

  const LibraryFile file = read_library(library);
  for (const AbiTag& tag : file.tags)
    if (const std::string mismatch = abi_mismatch(tag); !mismatch.empty())
      fail(fmt::format("does not fit this engine: {}. Rebuild it against this engine's installed SDK (find_package(cdc))", mismatch));

  const std::string who = fmt::format("plugin library {}", library.string());
  const AtWork work(who.c_str(), "loading it");
  const std::set<std::string> loaded_before = bundled ? std::set<std::string>() : loaded_files();
  boost::dll::shared_library handle;
  // At once, so that a symbol that is missing is told here and not in the middle of a run.
  const std::string load_problem =
      problem_in([&] { handle.load(library.string(), boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local); });
  if (!load_problem.empty())
    fail(fmt::format("cannot be loaded: {}. Install the library that is missing, or rebuild the plugin against this engine's SDK", load_problem));
  keep_loaded(handle);
  if (!handle.has("cdc_plugin_entries_begin") || !handle.has("cdc_plugin_entries_end"))
    fail("exports no plugin entries: rebuild it without a linker script or option that hides cdc_plugin_entries_begin and cdc_plugin_entries_end");

  using Entries = const PluginEntry* const*();
  const PluginEntry* const* begin = handle.get<Entries>("cdc_plugin_entries_begin")();
  const PluginEntry* const* end = handle.get<Entries>("cdc_plugin_entries_end")();
  std::map<std::string, std::unique_ptr<ComponentInfo>, std::less<>> found;
  for (const PluginEntry* const* entry = begin; entry != end; ++entry) {
    const std::string id = (*entry)->id;
    if (!is_id(id))
      fail(fmt::format("has a plugin with the id '{}': an id is \"family.name\" in small letters, digits and underscores; rename it", id));
    if (const auto other = impl_->by_id.find(id); other != impl_->by_id.end())
      fail(fmt::format("has a plugin with the id '{}', and so has {}: rename one of them, or remove one of the libraries", id,
                       other->second->library));
    if (found.count(id) != 0) fail(fmt::format("has two plugins with the id '{}': rename one of them", id));
    auto info = std::make_unique<ComponentInfo>();
    const std::string describing = fmt::format("describe() of plugin '{}'", id);
    const AtWork describe(describing.c_str());
    if (const std::string problem = problem_in([&] { (*entry)->describe(*info); }); !problem.empty())
      fail(fmt::format("has a plugin '{}' whose describe() threw: {}. Mend the plugin and rebuild it, or remove the library", id, problem));
    info->id = id;
    info->library = library.string();
    if (const std::string problem = schema_problem(*info); !problem.empty()) fail(fmt::format("has a plugin '{}' that {}", id, problem));
    info->create = [create = std::move(info->create), of = title(*info)] { return create_at_work(create, of); };
    found.emplace(id, std::move(info));
  }
  impl_->by_id.merge(found);
  impl_->libraries.emplace(library,
                           PluginLibrary{library, file.code, bundled, bundled ? std::vector<fs::path>() : helpers_of(handle, loaded_before)});
}

void Registry::load_folder(const fs::path& folder) { load_all(folder, false); }

void Registry::load_all(const fs::path& folder, bool bundled) {
  std::error_code error;
  std::vector<fs::path> libraries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".so") libraries.push_back(it->path());
  if (error) throw PluginError(fmt::format("the plugin folder {} cannot be read: {}. Check CDC_PLUGIN_PATH", folder.string(), error.message()));
  if (libraries.empty()) impl_->empty_folders.push_back(folder);
  std::sort(libraries.begin(), libraries.end());
  for (const fs::path& library : libraries) load(library, bundled);
}

void Registry::load_default_folders() {
  std::error_code error;
  std::vector<fs::path> candidates;
  if (const fs::path program = fs::read_symlink("/proc/self/exe", error); !error)
    candidates.push_back(program.parent_path().parent_path() / "lib" / "cdc" / "plugins");
  // A program of another package's (a test, an embedding) has no plugins beside it: the engine's library has.
  Dl_info where{};
  if (dladdr(reinterpret_cast<const void*>(&kind_name), &where) != 0 && where.dli_fname != nullptr)
    if (const fs::path self = fs::canonical(where.dli_fname, error); !error) candidates.push_back(self.parent_path() / "cdc" / "plugins");
  for (const fs::path& folder : candidates) {
    if (!fs::is_directory(folder, error)) continue;
    load_all(folder, true);
    break;
  }
  const char* more = std::getenv("CDC_PLUGIN_PATH");
  impl_->plugin_path = more == nullptr ? "" : more;
  for (std::string_view rest = more == nullptr ? "" : more; !rest.empty();) {
    const std::size_t colon = rest.find(':');
    if (const std::string_view folder = rest.substr(0, colon); !folder.empty()) load_folder(fs::path(folder));
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
}

std::string Registry::where_searched() const {
  std::string out = !impl_->plugin_path           ? "CDC_PLUGIN_PATH names folders of further plugins"
                    : impl_->plugin_path->empty() ? "CDC_PLUGIN_PATH, which names folders of further plugins, is not set"
                                                  : fmt::format("those of CDC_PLUGIN_PATH, {}, are among them", *impl_->plugin_path);
  for (const fs::path& folder : impl_->empty_folders) out += fmt::format("; in {} there is no library (*.so)", folder.string());
  return out;
}

const ComponentInfo* Registry::find(std::string_view id) const {
  const auto it = impl_->by_id.find(id);
  return it == impl_->by_id.end() ? nullptr : it->second.get();
}

std::vector<const ComponentInfo*> Registry::all() const {
  std::vector<const ComponentInfo*> out;
  for (const auto& [id, info] : impl_->by_id) out.push_back(info.get());
  return out;
}

const PluginLibrary& Registry::library(const ComponentInfo& info) const { return impl_->libraries.at(info.library); }

std::vector<const PluginLibrary*> Registry::libraries() const {
  std::vector<const PluginLibrary*> out;
  for (const auto& [path, library] : impl_->libraries) out.push_back(&library);
  return out;
}

std::shared_ptr<Component> Registry::create(const ComponentInfo& info, const Value& parameters) const {
  const auto fail = [&](const std::string& what) { throw Error(fmt::format("plugin '{}': {}", info.id, what)); };
  if (!parameters.is_null())
    for (const auto& [name, value] : parameters.as_table())
      if (name != "plugin" && info.parameter(name) == nullptr) fail(fmt::format("there is no parameter '{}'", name));
  const std::string who = title(info);
  const AtWork work(who.c_str(), "setting its parameters");
  std::shared_ptr<Component> made;
  if (const std::string problem = problem_in([&] { made = info.create(); }); !problem.empty()) fail(problem);
  for (const ParameterInfo& p : info.parameters) {
    const Value* given = parameters.find(p.name);
    if (given == nullptr || given->is_null()) {
      if (p.required) fail(fmt::format("the parameter '{}' is required", p.name));
      continue;  // the member's own initial value is the default
    }
    if (const std::string problem = parameter_problem(p, *given); !problem.empty()) fail(fmt::format("'{}' {}", p.name, problem));
    if (p.type != ParameterType::component) {
      if (const std::string problem = problem_in([&] { p.set(*made, *given); }); !problem.empty()) fail(fmt::format("'{}': {}", p.name, problem));
      continue;
    }
    const std::string& id = given->at("plugin").as_string();
    const ComponentInfo* part = find(id);
    if (part == nullptr) fail(fmt::format("'{}': there is no plugin '{}'", p.name, id));
    if (part->kind != p.component_kind)
      fail(fmt::format("'{}' must be {} {} plugin, but '{}' is a {}", p.name, p.component_kind == Kind::optimizer ? "an" : "a",
                       kind_name(p.component_kind), id, kind_name(part->kind)));
    p.set_component(*made, create(*part, *given));
  }
  if (const std::string problem = problem_in([&] { made->check(); }); !problem.empty()) fail(problem);
  return made;
}

}  // namespace cdc
