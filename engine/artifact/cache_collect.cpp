// What is in a cache, who uses it, and what may go.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <set>
#include <sstream>

#include "artifact/array_file.hpp"
#include "artifact/cache.hpp"
#include "artifact/files.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// Held shared while a run says what it uses, alone while a collection looks and removes: no run can begin to use a result in between.
class CollectLock {
 public:
  CollectLock(const fs::path& cache, int how) {
    const fs::path file = cache / "locks" / "collect.lock";
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) fail_writing(file, errno);
    while (::flock(fd_, how) != 0)
      if (errno != EINTR) break;  // without locks in the file system there is nobody to ask
  }
  ~CollectLock() { ::close(fd_); }
  CollectLock(const CollectLock&) = delete;
  CollectLock& operator=(const CollectLock&) = delete;

 private:
  int fd_;
};

/// The keys that runs at work use. With `tidy`, under the lock alone: what killed runs left is removed.
std::set<std::string> keys_in_use(const fs::path& uses, bool tidy) {
  std::set<std::string> out;
  std::error_code ignored;
  for (fs::directory_iterator it(uses, ignored), end; !ignored && it != end; it.increment(ignored)) {
    const int fd = ::open(it->path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    const bool left = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (left && tidy) ::unlink(it->path().c_str());
    if (!left) {
      try {
        std::istringstream in(read_file(it->path()));
        for (std::string key; std::getline(in, key);) out.insert(key);
      } catch (const Error&) {  // its run ended just now
      }
    }
    ::close(fd);
  }
  return out;
}

/// Keys of the results that are among the last `most` of a stage, those in use counted; of a plugin, where no stage is known. `all`: the last used
/// first.
std::set<std::string> last_of_each(const std::vector<CachedResult>& all, std::size_t most) {
  std::map<std::pair<bool, std::string>, std::vector<std::pair<std::int64_t, std::string>>> of;  // (whether a stage, its or the plugin's name)
  for (const CachedResult& one : all) {
    for (const auto& [stage, used] : one.stages) of[{true, stage}].emplace_back(used, one.key);
    if (one.stages.empty()) of[{false, one.plugin}].emplace_back(one.used, one.key);
  }
  std::set<std::string> out;
  for (auto& [what, results] : of) {
    std::stable_sort(results.begin(), results.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (std::size_t i = 0; i < std::min(most, results.size()); ++i) out.insert(results[i].second);
  }
  return out;
}

}  // namespace

std::unique_ptr<Cache::Use> Cache::use(const std::vector<std::string>& keys) {
  static std::atomic<unsigned> counter{0};
  const CollectLock lock(folder_, LOCK_SH);
  const fs::path file = folder_ / "uses" / fmt::format("{}-{}", ::getpid(), counter++);
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) fail_writing(file, errno);
  std::unique_ptr<Use> out(new Use(fd, file));
  while (::flock(fd, LOCK_EX) != 0)  // who lists the cache has it for a moment, to see whether its run is at work
    if (errno != EINTR) break;
  std::string text;
  for (const std::string& key : keys) text += key + "\n";
  const ssize_t wrote = ::write(fd, text.data(), text.size());
  if (wrote != static_cast<ssize_t>(text.size())) fail_writing(file, wrote < 0 ? errno : ENOSPC);
  for (const std::string& key : keys) ::utimensat(AT_FDCWD, (entry_folder(key) / "entry.json").c_str(), nullptr, 0);
  return out;
}

Cache::Use::~Use() {
  ::unlink(file_.c_str());
  ::close(fd_);
}

std::vector<CachedResult> Cache::list() const {
  const std::set<std::string> used = keys_in_use(folder_ / "uses", false);
  std::vector<CachedResult> out;
  std::error_code ignored;
  for (fs::directory_iterator top(folder_, ignored), end; !ignored && top != end; top.increment(ignored)) {
    if (top->path().filename().string().size() != 2) continue;
    std::error_code gone;
    for (fs::directory_iterator it(top->path(), gone); !gone && it != end; it.increment(gone)) {
      CachedResult one;
      one.key = it->path().filename().string();
      one.in_use = used.count(one.key) > 0;
      struct stat status {};
      if (::stat((it->path() / "entry.json").c_str(), &status) == 0) one.used = status.st_mtim.tv_sec;
      std::error_code failure;
      for (fs::directory_iterator file(it->path(), failure); !failure && file != end; file.increment(failure)) {
        std::error_code missing;
        const std::uintmax_t size = file->file_size(missing);
        if (!missing) one.bytes += size;
      }
      for (fs::directory_iterator stage(it->path() / "stages", failure); !failure && stage != end; stage.increment(failure))
        if (::stat(stage->path().c_str(), &status) == 0)
          one.stages.emplace_back(stage->path().filename().string(), status.st_mtim.tv_sec * std::int64_t{1000000000} + status.st_mtim.tv_nsec);
      std::sort(one.stages.begin(), one.stages.end());
      try {
        const Value known = entry(one.key);
        one.plugin = known.at("plugin").as_string();
        one.seconds = known.at("seconds").as_real();
      } catch (const Error&) {  // damaged: listed without a plugin
      }
      out.push_back(std::move(one));
    }
  }
  std::sort(out.begin(), out.end(), [](const CachedResult& a, const CachedResult& b) { return a.used != b.used ? a.used > b.used : a.key < b.key; });
  return out;
}

Cache::Collection Cache::collect(std::optional<std::size_t> keep_last, std::optional<std::uint64_t> max_bytes, bool dry) {
  const CollectLock lock(folder_, LOCK_EX);
  keys_in_use(folder_ / "uses", true);
  Collection out;
  std::vector<CachedResult> all = list();
  const std::set<std::string> last = keep_last ? last_of_each(all, *keep_last) : std::set<std::string>{};
  std::uint64_t bytes = 0;
  for (CachedResult& one : all) {
    if (keep_last && last.count(one.key) == 0 && !one.in_use) {
      out.removed.push_back(std::move(one));
      continue;
    }
    bytes += one.bytes;
    out.kept.push_back(std::move(one));
  }
  for (std::size_t i = out.kept.size(); max_bytes && i-- > 0 && bytes > *max_bytes;) {
    if (out.kept[i].in_use) continue;
    bytes -= out.kept[i].bytes;
    out.removed.push_back(std::move(out.kept[i]));
    out.kept.erase(out.kept.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (!dry)
    for (const CachedResult& one : out.removed) remove(one.key);
  return out;
}

}  // namespace cdc
