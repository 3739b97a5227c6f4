// What is in a cache, who uses it, and what may go.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include "artifact/array_file.hpp"
#include "artifact/cache.hpp"
#include "artifact/cache_folder.hpp"
#include "artifact/files.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// Held shared while a run says what it uses, alone while a collection looks and removes: no run can begin to use a result in between.
class CollectLock {
 public:
  CollectLock(const fs::path& cache, int how) {
    const fs::path file = cache / "locks" / cache_folder::kCollectLock;
    make_folder(file.parent_path());
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno == EACCES) fd_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);  // another user's: most file systems lock it so too
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
    const int fd = ::open(it->path().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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

/// Places in `all` of the results that are among the last `most` of a stage, those in use counted; of a plugin, where no stage is known. Checkpoints
/// likewise, apart from them. `all`: the last used first.
std::set<std::size_t> last_of_each(const std::vector<CachedResult>& all, std::size_t most) {
  using Group = std::tuple<bool, bool, std::string>;  // whether a checkpoint, whether of a stage, the stage's or the plugin's name
  std::map<Group, std::vector<std::pair<std::int64_t, std::size_t>>> of;
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const auto& [stage, used] : all[i].stages) of[{all[i].checkpoint, true, stage}].emplace_back(used, i);
    if (all[i].stages.empty()) of[{all[i].checkpoint, false, all[i].plugin}].emplace_back(all[i].used, i);
  }
  std::set<std::size_t> out;
  for (auto& [what, results] : of) {
    std::stable_sort(results.begin(), results.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (std::size_t i = 0; i < std::min(most, results.size()); ++i) out.insert(results[i].second);
  }
  return out;
}

std::int64_t nanoseconds(const struct stat& status) { return status.st_mtim.tv_sec * std::int64_t{1000000000} + status.st_mtim.tv_nsec; }

/// What a checkpoint says of itself: a training's does. The stage is its business otherwise, and nothing is known.
void describe_checkpoint(const fs::path& file, const struct stat& status, CachedResult& one) {
  try {
    const ArrayFileReader reader(file, "checkpoint");
    const Value& header = reader.header().at("header");
    if (const Value* pipeline = header.find("pipeline"), *stage = header.find("stage"); pipeline != nullptr && stage != nullptr)
      one.stages.emplace_back(pipeline->as_string() + "." + stage->as_string(), nanoseconds(status));
    if (const Value* epoch = header.find("epoch"); epoch != nullptr && epoch->is_integer()) one.epoch = epoch->as_integer();
    if (const Value* epochs = header.find("epochs"); epochs != nullptr && epochs->is_integer()) one.epochs = epochs->as_integer();
  } catch (const Error&) {  // of another stage's own form, or damaged
  }
}

/// KEY of KEY.h5, where that is what it is called.
std::string key_of_checkpoint(const std::string& name) {
  return name.size() == 35 && cache_folder::is_key(name.substr(0, 32)) && name.substr(32) == ".h5" ? name.substr(0, 32) : std::string();
}

}  // namespace

std::unique_ptr<Cache::Use> Cache::use(const std::vector<std::string>& keys) {
  if (!unwritable_.empty()) return nullptr;
  static std::atomic<unsigned> counter{0};
  const CollectLock lock(folder_, LOCK_SH);
  make_folder(folder_ / "uses");
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
  struct stat status {};
  for (const std::string& shelf : cache_folder::names_in(folder_)) {
    if (!cache_folder::is_shelf(shelf) || !cache_folder::is_real_folder(folder_ / shelf)) continue;
    for (const std::string& key : cache_folder::names_in(folder_ / shelf)) {
      const fs::path folder = folder_ / shelf / key;
      if (!cache_folder::is_key(key) || key.compare(0, 2, shelf) != 0 || !cache_folder::is_real_folder(folder)) continue;
      CachedResult one;
      one.key = key;
      one.in_use = used.count(key) > 0;
      one.bytes = cache_folder::bytes_of_entry(folder);
      if (::lstat((folder / cache_folder::kEntry).c_str(), &status) == 0) one.used = status.st_mtim.tv_sec;
      if (cache_folder::is_real_folder(folder / cache_folder::kStages))
        for (const std::string& stage : cache_folder::names_in(folder / cache_folder::kStages))
          if (::lstat((folder / cache_folder::kStages / stage).c_str(), &status) == 0) one.stages.emplace_back(stage, nanoseconds(status));
      try {
        const Value known = entry(key);
        one.plugin = known.at("plugin").as_string();
        one.seconds = known.at("seconds").as_real();
      } catch (const Error&) {  // damaged: listed without a plugin
      }
      out.push_back(std::move(one));
    }
  }
  for (const std::string& name : cache_folder::names_in(folder_ / "checkpoints")) {
    CachedResult one;
    one.checkpoint = true;
    one.key = key_of_checkpoint(name);
    const fs::path file = folder_ / "checkpoints" / name;
    if (one.key.empty() || ::lstat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    one.in_use = used.count(one.key) > 0;
    one.bytes = static_cast<std::uint64_t>(status.st_size);
    one.used = status.st_mtim.tv_sec;
    describe_checkpoint(file, status, one);
    out.push_back(std::move(one));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const CachedResult& a, const CachedResult& b) { return a.used != b.used ? a.used > b.used : a.key < b.key; });
  return out;
}

bool Cache::remove_unused(const std::string& key) {
  const CollectLock lock(folder_, LOCK_EX);
  return keys_in_use(folder_ / "uses", true).count(key) == 0 && remove(key);
}

Cache::Collection Cache::remove_some(const std::function<bool(const CachedResult&)>& which, bool dry) {
  std::optional<CollectLock> lock;
  if (!dry) {
    require_writable();
    lock.emplace(folder_, LOCK_EX);
  }
  const std::vector<CachedResult> all = list();
  std::vector<char> goes;
  for (const CachedResult& one : all) goes.push_back(!one.in_use && which(one));
  return remove_those(all, goes, dry);
}

Cache::Collection Cache::remove_those(const std::vector<CachedResult>& all, const std::vector<char>& goes, bool dry) {
  Collection out;
  for (std::size_t i = all.size(); i-- > 0;) {  // the longest unused first
    std::error_code ignored;
    bool gone = goes[i] != 0;
    if (gone && !dry) gone = all[i].checkpoint ? fs::remove(checkpoint_path(all[i].key), ignored) : remove(all[i].key);
    if (goes[i] && !gone) out.stuck.push_back(all[i].checkpoint ? checkpoint_path(all[i].key) : entry_folder(all[i].key));
    (gone ? out.removed : out.kept).push_back(all[i]);
  }
  std::reverse(out.removed.begin(), out.removed.end());
  std::reverse(out.kept.begin(), out.kept.end());
  return out;
}

Cache::Collection Cache::collect(const Limits& limits, bool dry) {
  std::optional<CollectLock> lock;
  if (!dry) {
    require_writable();
    lock.emplace(folder_, LOCK_EX);
  }
  const std::vector<CachedResult> all = list();
  std::vector<char> goes(all.size());
  const std::set<std::size_t> last = limits.keep_last ? last_of_each(all, *limits.keep_last) : std::set<std::size_t>{};
  const std::int64_t now = std::time(nullptr);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    goes[i] = !all[i].in_use && ((limits.keep_last && last.count(i) == 0) || (limits.max_age && now - all[i].used > *limits.max_age) ||
                                 (all[i].checkpoint && is_whole(all[i].key)));  // a kill between the entry and the checkpoint's end left both
    if (!goes[i]) bytes += all[i].bytes;
  }
  for (std::size_t i = all.size(); limits.max_bytes && i-- > 0 && bytes > *limits.max_bytes;) {
    if (goes[i] || all[i].in_use) continue;
    goes[i] = 1;
    bytes -= all[i].bytes;
  }
  Collection out = remove_those(all, goes, dry);
  remove_leftovers(keys_in_use(folder_ / "uses", !dry), dry, out);
  return out;
}

}  // namespace cdc
