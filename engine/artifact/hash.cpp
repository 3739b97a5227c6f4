#include "artifact/hash.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "artifact/array_file.hpp"
#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/value.hpp"

namespace cdc {
namespace {

std::string text_of(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  std::string out;
  for (const unsigned char byte : canonical.digest) out += fmt::format("{:02x}", byte);
  return out;
}

std::string reason() { return std::error_code(errno, std::generic_category()).message(); }

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

struct StateDeleter {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

std::string hash_file(const std::filesystem::path& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) throw Error(fmt::format("cannot read {}: {}", path.string(), reason()));
  const std::unique_ptr<XXH3_state_t, StateDeleter> state(XXH3_createState());
  XXH3_128bits_reset(state.get());
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const ssize_t got = ::read(file.fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(fmt::format("cannot read {}: {}", path.string(), reason()));
    if (got == 0) break;
    XXH3_128bits_update(state.get(), buffer.data(), static_cast<std::size_t>(got));
  }
  return text_of(XXH3_128bits_digest(state.get()));
}

struct stat status_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw Error(fmt::format("cannot read {}: {}", path.string(), reason()));
  return status;
}

std::int64_t nanoseconds(const struct timespec& time) { return std::int64_t{time.tv_sec} * 1000000000 + time.tv_nsec; }

/// A file's identity without reading it.
Value identity(const struct stat& status) {
  Value out = Value::table();
  out["size"] = static_cast<std::int64_t>(status.st_size);
  out["time"] = nanoseconds(status.st_mtim);
  out["changed"] = nanoseconds(status.st_ctim);
  out["inode"] = static_cast<std::int64_t>(status.st_ino);
  return out;
}

std::string fingerprint_file(const std::filesystem::path& path, const struct stat& status, const std::filesystem::path& memo_folder) {
  if (memo_folder.empty()) return "file:" + hash_file(path);
  const std::filesystem::path memo = memo_folder / (hash_text(std::filesystem::absolute(path).string()) + ".json");
  const Value now = identity(status);
  std::error_code ignored;
  if (std::filesystem::exists(memo, ignored)) {
    try {  // a memo that cannot be read is no memo
      const Value known = Value::from_json(read_file(memo));
      if (known.at("identity") == now) return known.at("hash").as_string();
    } catch (const Error&) {
    }
  }
  const std::string hash = "file:" + hash_file(path);
  // A file written just now could change again within the clock's tick, with the same size and time.
  struct timespec clock {};
  ::clock_gettime(CLOCK_REALTIME, &clock);
  const bool settled = nanoseconds(clock) - nanoseconds(status.st_mtim) > 2000000000;
  if (settled && identity(status_of(path)) == now) {
    Value known = Value::table();
    known["path"] = std::filesystem::absolute(path).string();
    known["identity"] = now;
    known["hash"] = hash;
    try {
      std::filesystem::create_directories(memo_folder);
      write_file(memo, known.to_json(), Durable::nothing);
    } catch (const std::exception&) {  // the hash is right all the same; the file is read again next time
    }
  }
  return hash;
}

/// A file below a folder, and the memo of its bytes.
struct FoundFile {
  std::filesystem::path path;
  std::string name;   ///< below the folder
  std::string state;  ///< size, times and inode
  std::int64_t bytes = 0, time = 0;
  std::string hash;  ///< empty: not known yet
};

/// What systems leave in folders, and what is hidden, is no data.
bool is_data(const std::string& name) {
  return name.front() != '.' && name != "Thumbs.db" && name != "desktop.ini" && name != "@eaDir" && name != "__MACOSX";
}

struct FolderWalk {
  std::vector<FoundFile> files;
  std::vector<std::pair<dev_t, ino_t>> above;  ///< the folders that we are in: a link to one of them is not followed

  void folder(const std::filesystem::path& path, const std::string& relative, const struct stat& status) {
    const std::pair<dev_t, ino_t> self{status.st_dev, status.st_ino};
    if (std::find(above.begin(), above.end(), self) != above.end()) return;
    above.push_back(self);
    std::error_code failure;
    for (std::filesystem::directory_iterator it(path, failure), end; !failure && it != end; it.increment(failure)) {
      const std::string own = it->path().filename().string(), name = relative.empty() ? own : relative + "/" + own;
      if (!is_data(own)) continue;
      struct stat entry {};
      if (::stat(it->path().c_str(), &entry) != 0) {  // a link that leads nowhere: who reads it says so
        files.push_back({it->path(), name, "", 0, 0, "nothing"});
      } else if (S_ISDIR(entry.st_mode)) {
        folder(it->path(), name, entry);
      } else if (S_ISREG(entry.st_mode)) {
        const std::string state = fmt::format("{} {} {} {}", static_cast<std::int64_t>(entry.st_size), nanoseconds(entry.st_mtim),
                                              nanoseconds(entry.st_ctim), entry.st_ino);
        files.push_back({it->path(), name, state, static_cast<std::int64_t>(entry.st_size), nanoseconds(entry.st_mtim), ""});
      }
    }
    if (failure) throw Error(fmt::format("cannot read the folder {}: {}", path.string(), failure.message()));
    above.pop_back();
  }
};

/// What a folder's memo (kFolderMemo) says of its files; nothing where it cannot be read.
std::map<std::string, std::pair<std::string, std::string>> read_memo(const std::filesystem::path& memo) {
  std::map<std::string, std::pair<std::string, std::string>> known;
  std::error_code ignored;
  if (memo.empty() || !std::filesystem::exists(memo, ignored)) return known;
  try {
    const std::string text = read_file(memo);
    std::vector<std::string> three;
    for (std::size_t at = text.find('\0') + 1, end = 0; (end = text.find('\0', at)) != std::string::npos; at = end + 1) {
      three.push_back(text.substr(at, end - at));
      if (three.size() < 3) continue;
      known[three[0]] = {three[1], three[2]};
      three.clear();
    }
  } catch (const Error&) {
  }
  return known;
}

void write_memo(const std::filesystem::path& memo, const std::filesystem::path& folder, const std::vector<FoundFile>& files) {
  struct timespec clock {};
  ::clock_gettime(CLOCK_REALTIME, &clock);
  std::string text = folder.string() + '\0';
  for (const FoundFile& file : files)  // a file written just now could change again within the clock's tick, with the same size and time
    if (!file.state.empty() && nanoseconds(clock) - file.time > 2000000000) text += file.name + '\0' + file.state + '\0' + file.hash + '\0';
  try {
    std::filesystem::create_directories(memo.parent_path());
    write_file(memo, text, Durable::nothing);
  } catch (const std::exception&) {  // the hashes are right all the same; the files are read again next time
  }
}

std::string fingerprint_folder(const std::filesystem::path& path, const struct stat& status, const std::filesystem::path& memo_folder,
                               const ReadProgress& progress) {
  FolderWalk walk;
  walk.folder(path, "", status);
  std::vector<FoundFile>& files = walk.files;
  std::sort(files.begin(), files.end(), [](const FoundFile& a, const FoundFile& b) { return a.name < b.name; });
  const std::filesystem::path self = std::filesystem::canonical(path);
  std::filesystem::path memo;
  if (!memo_folder.empty()) memo = memo_folder / (hash_text(self.string()) + kFolderMemo);
  const auto known = read_memo(memo);
  std::vector<std::size_t> unknown;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto found = known.find(files[i].name);
    if (files[i].hash.empty() && found != known.end() && found->second.first == files[i].state) files[i].hash = found->second.second;
    if (!files[i].hash.empty()) continue;
    unknown.push_back(i);
    total += files[i].bytes;
  }
  std::mutex told;  // one thread at a time
  std::int64_t done = 0;
  parallel_chunks(static_cast<std::int64_t>(unknown.size()), 16, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t bytes = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      FoundFile& file = files[unknown[static_cast<std::size_t>(i)]];
      file.hash = ::access(file.path.c_str(), R_OK) == 0 ? hash_file(file.path) : "unreadable";
      bytes += file.bytes;
    }
    const std::lock_guard<std::mutex> guard(told);
    done += bytes;
    if (progress) progress(done, total);
  });
  if (!memo.empty() && !unknown.empty()) write_memo(memo, self, files);
  std::string all;
  for (const FoundFile& file : files) all += file.name + '\0' + file.hash + '\n';
  return "folder:" + hash_text(all);
}

}  // namespace

std::string hash_bytes(const void* data, std::size_t size) { return text_of(XXH3_128bits(data, size)); }

std::string hash_text(std::string_view text) { return hash_bytes(text.data(), text.size()); }

bool is_unchanged(const std::filesystem::path& path, const Value& known) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && identity(status) == known;
}

std::string fingerprint(const std::filesystem::path& path, const std::filesystem::path& memo_folder, const ReadProgress& progress) {
  const struct stat status = status_of(path);
  if (S_ISREG(status.st_mode)) return fingerprint_file(path, status, memo_folder);
  if (!S_ISDIR(status.st_mode)) throw Error(fmt::format("{} is neither a file nor a folder", path.string()));
  return fingerprint_folder(path, status, memo_folder, progress);
}

}  // namespace cdc
