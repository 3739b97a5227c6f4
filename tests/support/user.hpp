#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace cdc::test {

/// A command as a user whom permissions bind: root is not bound, and becomes nobody. Empty where that cannot be: skip the test then, saying kNoUser.
inline std::vector<std::string> as_plain_user(std::vector<std::string> command) {
  if (::geteuid() != 0) return command;
  const char* const program = "/usr/bin/setpriv";
  if (::access(program, X_OK) != 0) return {};
  command.insert(command.begin(), {program, "--reuid=65534", "--regid=65534", "--clear-groups"});
  return command;
}
inline constexpr const char* kNoUser =
    "this is root, whom permissions do not bind, and there is no setpriv (package util-linux) to become somebody else";

/// Takes or gives the permission to write to a folder and all that is in it.
inline void set_writable(const std::filesystem::path& folder, bool writable) {
  namespace fs = std::filesystem;
  const auto set = [&](const fs::path& path) {
    fs::permissions(path, fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write,
                    writable ? fs::perm_options::add : fs::perm_options::remove);
    fs::permissions(path, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read, fs::perm_options::add);
    if (fs::is_directory(path)) fs::permissions(path, fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
  };
  set(folder);
  for (const auto& one : fs::recursive_directory_iterator(folder))
    if (!one.is_symlink()) set(one.path());
}

}  // namespace cdc::test
