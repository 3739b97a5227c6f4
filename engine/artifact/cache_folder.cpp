// Which folders are caches, and what in one is cdc's.
#include "artifact/cache_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "artifact/array_file.hpp"
#include "artifact/cache.hpp"
#include "artifact/files.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = "cdc-cache.json";
constexpr std::int64_t kFormat = 1;  // of the layout; a program leaves caches of later ones alone
constexpr const char* kFormatKey = "cdc_cache";
constexpr const char* kTag = "CACHEDIR.TAG";
constexpr const char* kTagText =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of cdc, which makes anew what is missing from it: it needs no backup (https://bford.info/cachedir/).\n";
constexpr const char* kParts[] = {"tmp", "locks", "checkpoints", "last", "memo", "uses"};

bool all_of(const std::string& text, const char* letters) { return !text.empty() && text.find_first_not_of(letters) == std::string::npos; }

/// A name as in cache/uses: PROCESS-N.
bool is_number_pair(const std::string& name) {
  const std::size_t dash = name.find('-');
  return dash != std::string::npos && all_of(name.substr(0, dash), "0123456789") && all_of(name.substr(dash + 1), "0123456789");
}

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() > ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

/// Whether a name in one of the parts is one that cdc gives there.
bool is_known_in(const std::string& part, const std::string& name) {
  const std::string visible = cache_folder::is_temporary(name) ? name.substr(1) : name, start = visible.substr(0, 32);
  if (part == "tmp") return cache_folder::is_pending(name);
  if (part == "locks") return name == cache_folder::kCollectLock || (cache_folder::is_key(start) && ends_with(name, ".lock"));
  if (part == "uses") return is_number_pair(name);
  if (part == "last") return visible.find(".json") != std::string::npos;
  return cache_folder::is_key(start);  // checkpoints, memo
}

/// Whether it could be a cache's, by its name and, of a folder, by what is in it.
bool is_known(const fs::path& folder, const std::string& name) {
  if (cache_folder::is_mark(name) || name == "lost+found") return true;  // the last is any file system's
  const std::vector<std::string> inside = cache_folder::names_in(folder / name);
  std::error_code ignored;
  if (!fs::is_directory(folder / name, ignored)) return false;
  if (std::find(std::begin(kParts), std::end(kParts), name) != std::end(kParts))
    return std::all_of(inside.begin(), inside.end(), [&](const std::string& one) { return is_known_in(name, one); });
  return cache_folder::is_shelf(name) &&
         std::all_of(inside.begin(), inside.end(), [&](const std::string& one) { return cache_folder::is_key(one) && one.compare(0, 2, name) == 0; });
}

/// All six parts, and a result: what caches had before they were marked.
bool has_layout(const fs::path& folder, const std::vector<std::string>& names) {
  for (const char* part : kParts)
    if (!cache_folder::is_real_folder(folder / part)) return false;
  for (const std::string& shelf : names)
    if (cache_folder::is_shelf(shelf))
      for (const std::string& key : cache_folder::names_in(folder / shelf))
        if (cache_folder::is_key(key) && key.compare(0, 2, shelf) == 0 && fs::is_regular_file(folder / shelf / key / cache_folder::kEntry))
          return true;
  return false;
}

/// Whether the mark says so; cdc::Error where it is of a later form.
bool is_marked(const fs::path& folder) {
  std::int64_t format = 0;
  try {
    format = Value::from_json(read_file(folder / kMark)).at(kFormatKey).as_integer();
  } catch (const Error&) {  // not there, or damaged: the layout tells
    return false;
  }
  if (format > kFormat)
    throw Error(
        fmt::format("the cache {} was made by a later cdc (its format is {}, this program knows {}): use that one, or another cache with "
                    "--cache or CDC_CACHE",
                    folder.string(), format, kFormat));
  return true;
}

}  // namespace

namespace cache_folder {

bool is_key(const std::string& name) { return name.size() == 32 && all_of(name, "0123456789abcdef"); }

bool is_shelf(const std::string& name) { return name.size() == 2 && all_of(name, "0123456789abcdef"); }

bool is_temporary(const std::string& name) {
  const std::size_t at = name.find(".tmp-");
  return name[0] == '.' && at != std::string::npos && at > 1 && is_number_pair(name.substr(at + 5));
}

bool is_mark(const std::string& name) {
  const std::string visible = is_temporary(name) ? name.substr(1, name.find(".tmp-") - 1) : name;
  return visible == kMark || visible == kTag;
}

bool is_pending(const std::string& name) {
  return is_key(name.substr(0, 32)) && name.size() > 33 && name[32] == '.' && is_number_pair(name.substr(33));
}

bool is_real_folder(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code failure;
  for (fs::directory_iterator it(folder, failure), end; !failure && it != end; it.increment(failure)) out.push_back(it->path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

namespace {

struct Folder {
  int fd;
  Folder(int at, const char* name, int flags) : fd(::openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags)) {}
  ~Folder() {
    if (fd >= 0) ::close(fd);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    const int again = ::dup(fd);
    DIR* all = again < 0 ? nullptr : ::fdopendir(again);
    if (all == nullptr) {
      if (again >= 0) ::close(again);
      return out;
    }
    ::rewinddir(all);
    while (const dirent* one = ::readdir(all)) out.emplace_back(one->d_name);
    ::closedir(all);
    return out;
  }
};

}  // namespace

bool remove_entry(const fs::path& folder, const std::string& name) {
  const Folder above(AT_FDCWD, folder.c_str(), 0);
  if (above.fd < 0) return errno == ENOENT;
  {
    const Folder entry(above.fd, name.c_str(), O_NOFOLLOW);
    if (entry.fd < 0) return errno == ENOENT;
    ::unlinkat(entry.fd, kEntry, 0);
    for (const std::string& file : entry.names())
      if (is_temporary(file) || (file[0] != '.' && ends_with(file, ".h5"))) ::unlinkat(entry.fd, file.c_str(), 0);
    const Folder stages(entry.fd, kStages, O_NOFOLLOW);
    if (stages.fd >= 0)
      for (const std::string& stage : stages.names()) {
        struct stat status {};
        if (::fstatat(stages.fd, stage.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) && status.st_size == 0)
          ::unlinkat(stages.fd, stage.c_str(), 0);
      }
    ::unlinkat(entry.fd, kStages, AT_REMOVEDIR);
  }
  return ::unlinkat(above.fd, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT;
}

std::uint64_t bytes_of_entry(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const std::string& name : names_in(folder)) {
    struct stat status {};
    if (::lstat((folder / name).c_str(), &status) == 0 && S_ISREG(status.st_mode)) bytes += static_cast<std::uint64_t>(status.st_size);
  }
  return bytes;
}

void make_cache(const fs::path& folder) {
  make_folder(folder);
  std::error_code ignored;
  // The mark first: who sees the folder before all is made sees what it is.
  if (!is_marked(folder)) {
    Value mark = Value::table();
    mark[kFormatKey] = kFormat;
    write_file(folder / kMark, mark.to_json() + "\n", Durable::nothing);
  }
  if (!fs::exists(folder / kTag, ignored)) write_file(folder / kTag, kTagText, Durable::nothing);
  for (const char* part : kParts) make_folder(folder / part);
}

}  // namespace cache_folder

bool Cache::is_cache(const fs::path& folder) {
  const auto problem = [&](const std::string& what) {
    return Error(fmt::format("{} is no cache of cdc: {}; name another folder with --cache or CDC_CACHE, a new or empty one, or a cache",
                             folder.string(), what));
  };
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) {
    if (errno == ENOENT) return false;
    throw problem(errno_text(errno));
  }
  if (!S_ISDIR(status.st_mode)) throw problem("it is not a folder");
  if (is_marked(folder)) return true;
  std::error_code failure;
  const fs::directory_iterator readable(folder, failure);
  if (failure) throw Error(fmt::format("cannot read the cache {}: {}", folder.string(), failure.message()));
  const std::vector<std::string> names = cache_folder::names_in(folder);
  const auto foreign = std::find_if(names.begin(), names.end(), [&](const std::string& name) { return !is_known(folder, name); });
  if (foreign != names.end() && !has_layout(folder, names)) throw problem(fmt::format("it holds '{}'", *foreign));
  return std::any_of(names.begin(), names.end(), [](const std::string& name) { return name != "lost+found"; });
}

}  // namespace cdc
