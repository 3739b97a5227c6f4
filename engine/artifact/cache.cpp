#include "artifact/cache.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "artifact/array_file.hpp"
#include "artifact/cache_folder.hpp"
#include "artifact/files.hpp"
#include "artifact/hash.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

using cache_folder::kEntry;
using cache_folder::kStages;
constexpr const char* kChecksum = "checksum";  // of entry.json's other entries
constexpr const char* kFiles = "files";        // port -> {"kind", "bytes", "contents"}

const ArtifactCodec& codec_of(PortType type) {
  const ArtifactCodec* codec = find_codec(type);
  if (codec == nullptr)
    throw Error(fmt::format("results of type {} cannot be kept in the cache: declare the stage that makes them uncached", port_type_name(type)));
  return *codec;
}

/// A port's name is an identifier; a checkpoint's or pipeline's name may be anything.
std::string plain_name(const std::string& name) {
  std::string out;
  for (const char c : name) out += c == '/' || c == '\0' ? '_' : c;
  return out;
}

std::string pending_name(const std::string& key) {
  static std::atomic<unsigned> counter{0};
  return fmt::format("{}.{}-{}", key, ::getpid(), counter++);
}

constexpr const char* kRemoveFolder = "; remove its folder, and the result is computed again";

/// Files of caches that this process read whole and found right. A sweep asks for the same ones with each of its cells.
class ReadFiles {
 public:
  /// Whether the file at `path` is one of them, unchanged since.
  bool knows(const std::filesystem::path& path) {
    const Identity now = identity_of(path);
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto known = known_.find(path);
    return known != known_.end() && known->second == now && now[0] != 0;
  }
  /// It was found right; `before`: its identity before it was read.
  using Identity = std::array<std::int64_t, 4>;  ///< inode, size, seconds and nanoseconds of its last change; inode 0: not there
  void add(const std::filesystem::path& path, const Identity& before) {
    // A file written just now could change again within the clock's tick.
    if (before[0] == 0 || identity_of(path) != before || std::time(nullptr) - before[2] <= 2) return;
    const std::lock_guard<std::mutex> guard(mutex_);
    known_[path] = before;
  }
  static Identity identity_of(const std::filesystem::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    return {static_cast<std::int64_t>(status.st_ino), status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  }

 private:
  std::mutex mutex_;
  std::map<std::filesystem::path, Identity> known_;
};

ReadFiles& read_files() {
  static ReadFiles all;
  return all;
}

}  // namespace

Cache::Cache(std::filesystem::path folder, Access access) : folder_(std::move(folder)) {
  static_cast<void>(is_cache(folder_));
  if (access == Access::read) {
    unwritable_ = fmt::format("the cache {} was opened for reading alone", folder_.string());
    return;
  }
  const auto refused = [&](const std::filesystem::path& path) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored) || ::access(path.c_str(), W_OK | X_OK) == 0) return false;
    unwritable_ = fmt::format("cannot write the cache {}: {}; choose another with --cache or CDC_CACHE", folder_.string(), errno_text(errno));
    return true;
  };
  if (refused(folder_)) return;
  try {
    cache_folder::make_cache(folder_);
  } catch (const Error& e) {
    unwritable_ = e.what();
    return;
  }
  for (const char* part : {"tmp", "locks", "uses"})
    if (refused(folder_ / part)) return;
}

void Cache::require_writable() const {
  if (!unwritable_.empty()) throw Error(unwritable_);
}

std::filesystem::path Cache::entry_folder(const std::string& key) const { return folder_ / key.substr(0, 2) / key; }
std::filesystem::path Cache::file(const std::string& key, const std::string& port) const { return entry_folder(key) / (port + ".h5"); }
std::filesystem::path Cache::checkpoint_path(const std::string& key) const { return folder_ / "checkpoints" / (key + ".h5"); }
std::filesystem::path Cache::memo_folder() const {
  std::error_code ignored;
  return std::filesystem::is_directory(folder_ / "memo", ignored) ? folder_ / "memo" : std::filesystem::path();
}
std::filesystem::path Cache::last_file(const std::string& pipeline, const std::string& stage) const {
  return folder_ / "last" / plain_name(pipeline + "." + stage + ".json");
}

void Cache::mark(const std::string& key, const std::string& pipeline, const std::string& stage) {
  const std::filesystem::path folder = entry_folder(key) / kStages, file = folder / plain_name(pipeline + "." + stage);
  if (!unwritable_.empty() || !contains(key)) return;
  ::mkdir(folder.c_str(), 0777);  // not the entry's own folder: it may be removed just now
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd < 0) return;  // it counts by its earlier uses
  ::futimens(fd, nullptr);
  ::close(fd);
}

bool Cache::contains(const std::string& key) const {
  std::error_code ignored;
  return std::filesystem::exists(entry_folder(key) / kEntry, ignored);
}

Value Cache::entry(const std::string& key) const {
  const std::filesystem::path path = entry_folder(key) / kEntry;
  std::string text, what = "its checksum";
  try {
    text = read_file(path);
  } catch (const Error& e) {
    throw Error(e.what() + std::string(kRemoveFolder));
  }
  try {
    Value entry = Value::from_json(text);
    Value::Table& table = entry.as_table();
    if (!table.empty() && table.back().first == kChecksum && table.back().second.is_string()) {
      const std::string checksum = table.back().second.as_string();
      table.pop_back();
      if (hash_text(entry.to_json()) == checksum) return entry;
    }
  } catch (const Error& e) {
    what = e.what();
  }
  throw Error(fmt::format("{} is damaged or cut off ({}){}", path.string(), what, kRemoveFolder));
}

std::shared_ptr<const void> Cache::read(const std::string& key, const std::string& port, PortType type) const {
  return codec_of(type).read(file(key, port));
}

Value Cache::verify(const std::string& key, std::uint64_t largest) const {
  Value known = entry(key);
  std::uint64_t total = 0;
  const Value* files = known.find(kFiles);
  if (files == nullptr) throw Error(fmt::format("{} names no files{}", (entry_folder(key) / kEntry).string(), kRemoveFolder));
  for (const auto& [port, info] : files->as_table()) {
    const std::filesystem::path path = file(key, port);
    const auto bytes = static_cast<std::uint64_t>(info.at("bytes").as_integer());
    std::error_code failure, ignored;
    const std::uint64_t size = std::filesystem::file_size(path, failure);
    if (failure && !std::filesystem::is_regular_file(path, ignored) && std::filesystem::exists(path, ignored))
      throw Error(fmt::format("cannot read {}: it is not a file; remove it, and what it held is computed again", path.string()));
    if (failure) throw Error(fmt::format("cannot read {}: {}", path.string(), failure.message()));
    if (size != bytes)
      throw Error(fmt::format("{} is damaged or cut off ({} bytes instead of {}); remove it, and what it held is computed again", path.string(), size,
                              bytes));
    total += bytes;
  }
  if (total > largest) return known;
  for (const auto& [port, info] : files->as_table()) {  // every byte, those between HDF5's objects too
    const std::filesystem::path path = std::filesystem::absolute(file(key, port));
    if (read_files().knows(path)) continue;
    const ReadFiles::Identity before = ReadFiles::identity_of(path);
    const Value* contents = info.find("contents");
    if (contents == nullptr || *contents != Value(fingerprint(path, {})))
      throw Error(fmt::format("{} is damaged (its checksum); remove it, and what it held is computed again", file(key, port).string()));
    read_files().add(path, before);
  }
  return known;
}

bool Cache::is_whole(const std::string& key) const {
  try {
    verify(key, 0);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool Cache::remove(const std::string& key) {
  const std::filesystem::path shelf = entry_folder(key).parent_path();
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::symlink_status(entry_folder(key), ignored))) return true;
  return cache_folder::is_real_folder(shelf) && cache_folder::remove_entry(shelf, key);
}

struct Cache::Pending::Impl {
  const Cache* cache = nullptr;
  std::string key, name;  ///< name: in tmp/
  std::filesystem::path temporary, target;
  Value files = Value::table();

  /// Into the folder that is there: of an entry that was damaged, or that holds something that is not cdc's. entry.json comes last, and with it the
  /// entry.
  void fill() {
    if (!cache_folder::is_real_folder(target))
      throw Error(fmt::format("cannot write {}: what stands there is no folder of the cache; move it away, or choose another cache with --cache",
                              target.string()));
    cache_folder::remove_entry(target.parent_path(), key);
    make_folder(target);
    for (const auto& [port, info] : files.as_table()) show_file(temporary / (port + ".h5"), target / (port + ".h5"), false);
    sync_folder(target);
    show_file(temporary / kEntry, target / kEntry);
  }
};

Cache::Pending::Pending(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Cache::Pending::~Pending() { cache_folder::remove_entry(impl_->temporary.parent_path(), impl_->name); }

std::unique_ptr<Cache::Pending> Cache::begin(const std::string& key) {
  require_writable();
  auto impl = std::make_unique<Pending::Impl>();
  impl->cache = this;
  impl->key = key;
  impl->name = pending_name(key);
  impl->temporary = folder_ / "tmp" / impl->name;
  impl->target = entry_folder(key);
  make_folder(impl->temporary);
  return std::unique_ptr<Pending>(new Pending(std::move(impl)));
}

void Cache::Pending::put(const std::string& port, PortType type, const std::shared_ptr<const void>& artifact) {
  const ArtifactCodec& codec = codec_of(type);
  const std::filesystem::path path = impl_->temporary / (port + ".h5");
  ArrayFileWriter file(path, codec.kind);
  codec.write(artifact, file);
  file.commit();
  Value info = Value::table();
  info["kind"] = codec.kind;
  info["bytes"] = static_cast<std::int64_t>(std::filesystem::file_size(path));
  info["contents"] = fingerprint(path, {});
  impl_->files[port] = std::move(info);
}

void Cache::Pending::commit(const Value& entry) {
  Value whole = entry;
  whole[kFiles] = impl_->files;
  whole[kChecksum] = hash_text(whole.to_json());
  write_file(impl_->temporary / kEntry, whole.to_json(1));
  const std::filesystem::path shelf = impl_->target.parent_path();
  if (make_folder(shelf)) sync_folder(shelf.parent_path());
  if (::rename(impl_->temporary.c_str(), impl_->target.c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) fail_writing(impl_->target, errno);
    if (impl_->cache->is_whole(impl_->key)) return;  // another process was faster; the same key holds the same result
    impl_->fill();
  }
  sync_folder(shelf);
}

std::unique_ptr<Cache::Lock> Cache::lock(const std::string& key, const std::function<void()>& waiting, const std::function<bool()>& stopping) {
  require_writable();
  for (const char* part : {"locks", "checkpoints"}) make_folder(folder_ / part);  // for the stage, too
  const std::filesystem::path path = folder_ / "locks" / (key + ".lock");
  bool told = false;
  for (;;) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) fail_writing(path, errno);
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) {
        const int number = errno;
        ::close(fd);
        throw Error(fmt::format("cannot lock {}: {}; put the cache on a file system with locks (--cache)", path.string(), errno_text(number)));
      }
      if (!told && waiting) waiting();
      told = true;
      if (stopping && stopping()) {
        ::close(fd);
        return nullptr;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
    // The one before may have removed the file while we waited: a lock on a file without a name excludes nobody.
    struct stat mine {
    }, named{};
    if (::fstat(fd, &mine) == 0 && ::stat(path.c_str(), &named) == 0 && mine.st_ino == named.st_ino && mine.st_dev == named.st_dev) {
      std::unique_ptr<Lock> lock(new Lock(fd, path));
      remove_temporaries(checkpoint_path(key));
      for (const std::string& name : cache_folder::names_in(folder_ / "tmp"))
        if (cache_folder::is_pending(name) && name.compare(0, key.size(), key) == 0) cache_folder::remove_entry(folder_ / "tmp", name);
      return lock;
    }
    ::close(fd);
  }
}

Cache::Lock::~Lock() {
  ::unlink(file_.c_str());
  ::close(fd_);
}

}  // namespace cdc
