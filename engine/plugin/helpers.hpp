#pragma once

#include <boost/dll/shared_library.hpp>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace cdc {

/// The files of all libraries that this process has loaded, but for those that helpers_of() gave.
std::set<std::string> loaded_files();

/// Libraries that a plugin library just loaded needs and that are of its author: see PluginLibrary::helpers. `before`: what was loaded before it.
std::vector<std::filesystem::path> helpers_of(const boost::dll::shared_library& library, const std::set<std::string>& before);

}  // namespace cdc
