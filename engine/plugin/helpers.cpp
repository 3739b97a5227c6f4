#include "plugin/helpers.hpp"

#include <dlfcn.h>
#include <link.h>

#include <mutex>

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// Plugin libraries and their helpers so far: one that two libraries need is loaded when the second comes, and counts for both.
std::set<std::string>& of_authors() {
  static auto* const all = new std::set<std::string>;
  return *all;
}
std::mutex& helpers_mutex() {
  static auto* const mutex = new std::mutex;
  return *mutex;
}

/// What the dynamic section of a loaded library says: the names of what it needs, and its own.
struct Dynamic {
  std::vector<std::string> needed;
  std::string name;
};

Dynamic dynamic_of(const link_map& library) {
  Dynamic out;
  const char* strings = nullptr;
  for (const ElfW(Dyn)* entry = library.l_ld; entry->d_tag != DT_NULL; ++entry)
    if (entry->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(entry->d_un.d_ptr);
  if (strings == nullptr) return out;
  for (const ElfW(Dyn)* entry = library.l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_NEEDED) out.needed.emplace_back(strings + entry->d_un.d_val);
    if (entry->d_tag == DT_SONAME) out.name = strings + entry->d_un.d_val;
  }
  return out;
}

const link_map* first_loaded(const link_map* any) {
  while (any != nullptr && any->l_prev != nullptr) any = any->l_prev;
  return any;
}

bool is_of_system(const fs::path& file) {
  for (const char* folder : {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/"})
    if (file.string().rfind(folder, 0) == 0) return true;
  return false;
}

/// Not the program, nor what the kernel puts there (whose dynamic section is not as that of others).
bool is_file(const link_map& one) { return one.l_name != nullptr && std::string(one.l_name).find('/') != std::string::npos; }

/// The loaded library that a name in a list of needed ones means; nullptr where none is called so.
const link_map* loaded_as(const link_map* first, const std::string& name) {
  for (const link_map* one = first; one != nullptr; one = one->l_next)
    if (is_file(*one) && (fs::path(one->l_name).filename() == name || dynamic_of(*one).name == name)) return one;
  return nullptr;
}

}  // namespace

std::set<std::string> loaded_files() {
  std::set<std::string> out;
  void* const program = ::dlopen(nullptr, RTLD_LAZY);
  link_map* map = nullptr;
  if (program != nullptr && ::dlinfo(program, RTLD_DI_LINKMAP, &map) == 0)
    for (const link_map* one = first_loaded(map); one != nullptr; one = one->l_next)
      if (is_file(*one)) out.insert(one->l_name);
  if (program != nullptr) ::dlclose(program);
  const std::lock_guard<std::mutex> guard(helpers_mutex());
  for (const std::string& helper : of_authors()) out.erase(helper);
  return out;
}

std::vector<fs::path> helpers_of(const boost::dll::shared_library& library, const std::set<std::string>& before) {
  link_map* map = nullptr;
  if (::dlinfo(library.native(), RTLD_DI_LINKMAP, &map) != 0) return {};
  const link_map* const first = first_loaded(map);
  std::set<std::string> helpers;
  std::vector<const link_map*> open{map};
  while (!open.empty()) {
    const Dynamic dynamic = dynamic_of(*open.back());
    open.pop_back();
    for (const std::string& name : dynamic.needed) {
      const link_map* const one = loaded_as(first, name);
      if (one == nullptr || before.count(one->l_name) != 0 || is_of_system(one->l_name)) continue;
      if (helpers.insert(one->l_name).second) open.push_back(one);
    }
  }
  const std::lock_guard<std::mutex> guard(helpers_mutex());
  of_authors().insert(map->l_name);
  of_authors().insert(helpers.begin(), helpers.end());
  return {helpers.begin(), helpers.end()};
}

}  // namespace cdc
