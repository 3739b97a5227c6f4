// What is mapped once every plugin is loaded: `ldd` in one_libtorch.sh sees what libraries name, this what the process has.
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "plugin/registry.hpp"
#include "support/files.hpp"

namespace {

/// Name of the library, up to ".so" -> paths under which it is mapped.
std::map<std::string, std::set<std::filesystem::path>> mapped_libraries() {
  std::map<std::string, std::set<std::filesystem::path>> all;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t slash = line.find('/'), so = line.rfind(".so");
    if (slash == std::string::npos || so == std::string::npos) continue;
    const std::filesystem::path path = line.substr(slash);
    const std::string file = path.filename().string();
    all[file.substr(0, file.find(".so"))].insert(std::filesystem::canonical(path));
  }
  return all;
}

TEST(OneLibTorch, WithAllPluginsLoadedEveryLibraryOfItComesFromOneFolder) {
  cdc::Registry registry;
  registry.load_folder(cdc::test::binary_folder() / "lib/cdc/plugins");
  EXPECT_FALSE(registry.all().empty());
  ASSERT_EQ(at::ones({3}).sum().item<float>(), 3.0F);

  std::set<std::filesystem::path> folders;
  int libraries = 0;
  for (const auto& [name, paths] : mapped_libraries()) {
    const bool of_torch = name == "libtorch" || name.rfind("libtorch_", 0) == 0 || name.rfind("libc10", 0) == 0;
    if (of_torch || name.rfind("libgomp", 0) == 0) {
      EXPECT_EQ(paths.size(), 1U) << name << " is loaded from " << *paths.begin() << " and " << *paths.rbegin();
    }
    if (!of_torch) continue;
    ++libraries;
    for (const std::filesystem::path& path : paths) folders.insert(path.parent_path());
  }
  EXPECT_GE(libraries, 2);
  EXPECT_EQ(folders.size(), 1U) << "LibTorch from " << *folders.begin() << " and " << *folders.rbegin();
}

}  // namespace
