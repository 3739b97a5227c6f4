#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cdc/component.hpp"

namespace cdc {

/// A library of plugins that is loaded.
struct PluginLibrary {
  std::filesystem::path path;
  std::string code;      ///< LibraryFile::code, when it was loaded
  bool bundled = false;  ///< of the engine's installation
  /// Libraries of its own that it needs, directly or through one of them: not the system's (below /lib and /usr/lib), and not what the engine uses.
  std::vector<std::filesystem::path> helpers;
};

/// All plugins that are known. Libraries stay loaded to the end of the process.
class CDC_API Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// Loads one library. PluginError, with what to rebuild or remove, where it is no plugin library, was built for another ABI, a describe() throws,
  /// or an id is already taken.
  void load_library(const std::filesystem::path& library);
  /// Every "*.so" of a folder, in order of name.
  void load_folder(const std::filesystem::path& folder);
  /// The folders of installed plugins (beside the running program: ../lib/cdc/plugins) and those of CDC_PLUGIN_PATH (separated by ':').
  void load_default_folders();

  /// Where plugins were looked for beside the engine's own, to follow "there is no plugin": "CDC_PLUGIN_PATH, which names folders ..., is not set".
  std::string where_searched() const;

  const ComponentInfo* find(std::string_view id) const;  ///< nullptr where there is none
  std::vector<const ComponentInfo*> all() const;         ///< in order of id
  const PluginLibrary& library(const ComponentInfo& info) const;  ///< that a plugin is of
  std::vector<const PluginLibrary*> libraries() const;            ///< in order of path

  /// Makes a component and sets its parameters: a table of checked values, defaults where one is missing; a component parameter is a table with
  /// "plugin". cdc::Error where a value does not fit (its caller has checked: see planner.hpp).
  std::shared_ptr<Component> create(const ComponentInfo& info, const Value& parameters) const;

 private:
  void load(const std::filesystem::path& library, bool bundled);
  void load_all(const std::filesystem::path& folder, bool bundled);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cdc
