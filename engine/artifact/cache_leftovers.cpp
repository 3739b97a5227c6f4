// What killed runs left in a cache, and records of what is gone.
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <set>

#include "artifact/array_file.hpp"
#include "artifact/cache.hpp"
#include "artifact/cache_folder.hpp"
#include "artifact/hash.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kWriting = 3600;  // seconds: a small file that was begun before then is no longer being written

/// The pipeline of PIPELINE.STAGE; a stage's name has no dot.
std::string pipeline_of(const std::string& stage) { return stage.substr(0, stage.rfind('.')); }

/// Whether a memo still speaks of a file as it is. Those of early versions name it relative to a folder that is not known here.
bool is_memo_of_something(const fs::path& memo) {
  try {
    const std::string text = read_file(memo);
    std::error_code gone;
    if (memo.extension() == kFolderMemo) return fs::is_directory(text.substr(0, text.find('\0')), gone);
    const Value known = Value::from_json(text);
    const fs::path path = known.at("path").as_string();
    return path.is_absolute() && is_unchanged(path, known.at("identity"));
  } catch (const Error&) {  // it would not be believed either
    return false;
  }
}

/// Whether it is a record as runs leave them in last/.
bool is_record(const fs::path& file) {
  try {
    return Value::from_json(read_file(file)).at("plugin").is_string();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void Cache::remove_leftovers(const std::set<std::string>& at_work, bool dry, Collection& out) const {
  std::set<std::string> pipelines;
  for (const CachedResult& one : out.kept) {
    for (const auto& [stage, time] : one.stages) pipelines.insert(pipeline_of(stage));
    if (one.checkpoint || !one.stages.empty()) continue;
    try {
      pipelines.insert(entry(one.key).at("pipeline").as_string());
    } catch (const Error&) {  // damaged: nothing is known of it
    }
  }
  const auto told = [&](std::uint64_t bytes) {
    ++out.leftover_files;
    out.leftover_bytes += bytes;
  };
  const auto drop = [&](const fs::path& file) {
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    if (dry || ::unlink(file.c_str()) == 0) told(static_cast<std::uint64_t>(status.st_size));
  };
  const auto is_old = [](const fs::path& file) {
    struct stat status {};
    return ::lstat(file.c_str(), &status) == 0 && std::time(nullptr) - status.st_mtim.tv_sec > kWriting;
  };
  // A link in a part's place is somebody's own doing: nothing is removed beyond it.
  const auto names = [&](const char* part) {
    return cache_folder::is_real_folder(folder_ / part) ? cache_folder::names_in(folder_ / part) : std::vector<std::string>();
  };
  for (const std::string& name : names("tmp")) {
    if (!cache_folder::is_pending(name) || at_work.count(name.substr(0, 32)) > 0 || !cache_folder::is_real_folder(folder_ / "tmp" / name)) continue;
    const std::uint64_t bytes = cache_folder::bytes_of_entry(folder_ / "tmp" / name);
    if (dry || cache_folder::remove_entry(folder_ / "tmp", name)) told(bytes);
  }
  for (const std::string& name : names("locks")) {
    const std::string key = name.substr(0, 32);
    if (cache_folder::is_key(key) && name.substr(32) == ".lock" && at_work.count(key) == 0) drop(folder_ / "locks" / name);
  }
  for (const std::string& name : names("checkpoints")) {
    const std::string key = name.size() > 33 ? name.substr(1, 32) : std::string();
    if (cache_folder::is_temporary(name) && cache_folder::is_key(key) && at_work.count(key) == 0) drop(folder_ / "checkpoints" / name);
  }
  for (const std::string& name : names("memo")) {
    const fs::path file = folder_ / "memo" / name;
    if (cache_folder::is_temporary(name) ? is_old(file) : cache_folder::is_key(name.substr(0, 32)) && !is_memo_of_something(file)) drop(file);
  }
  for (const std::string& name : names("last")) {
    const fs::path file = folder_ / "last" / name;
    const bool record = name.size() > 5 && name.substr(name.size() - 5) == ".json" && !cache_folder::is_temporary(name);
    // Of a pipeline that has no result any more. A run that has none yet may have written one just now.
    if (cache_folder::is_temporary(name)
            ? is_old(file)
            : record && pipelines.count(pipeline_of(name.substr(0, name.size() - 5))) == 0 && is_old(file) && is_record(file))
      drop(file);
  }
  for (const std::string& name : cache_folder::names_in(folder_)) {
    if (cache_folder::is_temporary(name) && cache_folder::is_mark(name) && is_old(folder_ / name)) drop(folder_ / name);
    const auto next = at_work.lower_bound(name);  // of a run that may be about to put a result there
    if (!dry && cache_folder::is_shelf(name) && (next == at_work.end() || next->compare(0, 2, name) != 0)) ::rmdir((folder_ / name).c_str());
  }
}

}  // namespace cdc
