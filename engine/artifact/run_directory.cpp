#include "artifact/run_directory.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <regex>
#include <utility>

#include "artifact/array_file.hpp"
#include "artifact/files.hpp"
#include "artifact/hash.hpp"
#include "artifact/run_files.hpp"
#include "artifact/safetensors.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

constexpr const char* kRun = "run.json";
constexpr const char* kSummary = "summary.json";
constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kLog = "log.txt";
constexpr const char* kLatest = "latest";
constexpr const char* kPipeline = "pipeline.toml";

std::string metrics_line(const std::string& stage, const Value& line) {
  Value whole = Value::table();
  whole["stage"] = stage;
  for (const auto& [name, value] : line.as_table()) whole[name] = value;
  return whole.to_json() + "\n";
}

/// Whether run.json there is a run's; a damaged one is where the log beside it is.
bool holds_run(const std::filesystem::path& folder) {
  try {
    const Value run = Value::from_json(read_file(folder / kRun));
    const Value *key = run.find("key"), *command = run.find("command_line");
    return key != nullptr && key->is_string() && command != nullptr && command->is_string();
  } catch (const Error&) {
    std::error_code ignored;
    if (!std::filesystem::exists(folder / kRun, ignored)) return false;
  }
  try {
    static const std::regex line(R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (info|warning|error) )");
    return std::regex_search(read_file(folder / kLog).substr(0, 40), line, std::regex_constants::match_continuous);
  } catch (const Error&) {
    return false;
  }
}

/// What this process prints goes there, as in `cdc-run FILE --run-dir DIR > DIR/out.txt`.
bool is_own_output(const std::filesystem::path& path) {
  struct stat file {
  }, output{};
  for (const int fd : {1, 2})
    if (::stat(path.c_str(), &file) == 0 && ::fstat(fd, &output) == 0 && file.st_ino == output.st_ino && file.st_dev == output.st_dev) return true;
  return false;
}

bool is_written_by_runs(const std::string& name) {
  return name == kPipeline || name == kRun || name == kMetrics || name == kSummary || name == kLog || name == "tensorboard" ||
         name == "assignments" || std::filesystem::path(name).extension() == ".safetensors";
}

/// Weights of a run that is replaced: they are not of the next one.
void remove_weights(const std::filesystem::path& folder) {
  std::vector<std::string> stages;
  try {
    const Value run = Value::from_json(read_file(folder / kRun));
    if (const Value* all = run.find("stages"); all != nullptr && all->is_table())
      for (const auto& [name, stage] : all->as_table()) stages.push_back(name);
  } catch (const Error&) {  // damaged: what it left is not known
  }
  std::error_code ignored, gone;
  for (std::filesystem::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    if (it->path().extension() == ".safetensors" && std::find(stages.begin(), stages.end(), name.substr(0, name.find('.'))) != stages.end())
      std::filesystem::remove(it->path(), gone);
  }
}

/// By remove_temporaries(): left by a run that was killed before it had a record.
bool is_half_written(const std::string& name) { return name.rfind(std::string(".") + kRun + ".tmp-", 0) == 0; }

}  // namespace

MetricListener::~MetricListener() = default;

struct RunDirectory::Log {
  explicit Log(const std::filesystem::path& file, bool truncate)
      : logger("run", std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string(), truncate)) {
    logger.set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    logger.flush_on(spdlog::level::info);
    logger.set_error_handler([](const std::string&) {});  // a full disk is told by what must be written
  }
  spdlog::logger logger;
};

RunDirectory::RunDirectory(const Request& request) {
  const std::filesystem::path wanted = !request.directory.empty() ? request.directory : request.runs / request.pipeline / kLatest;
  std::error_code ignored;
  if (!request.directory.empty()) make_folder(request.directory);
  if (std::filesystem::is_directory(wanted, ignored)) {
    path_ = wanted;
    if (request.directory.empty() && std::filesystem::is_symlink(wanted, ignored))
      path_ = wanted.parent_path() / std::filesystem::read_symlink(wanted);
    if (!request.directory.empty()) {
      if (!take(wanted)) throw Error(fmt::format("another run is at work in {}; wait for it, or give another --run-dir", wanted.string()));
    }
    const bool mine = fd_ >= 0 || (!request.fresh && take(path_));
    if (mine && !request.fresh && !std::filesystem::exists(path_ / kSummary, ignored) && std::filesystem::exists(path_ / kRun, ignored)) {
      try {
        Value run = read_run_record(path_);
        if (const Value* key = run.find("key"); key != nullptr && key->is_string() && key->as_string() == request.key) earlier_ = std::move(run);
      } catch (const Error&) {  // a run that left no record is not continued
      }
    }
  }
  try {
    if (!request.directory.empty()) require_own(request);
  } catch (...) {
    ::close(fd_);  // no destructor comes
    throw;
  }
  if (request.directory.empty() && earlier_.is_null()) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    make_new(request);
  }
  try {
    replaces_ = earlier_.is_null() && std::filesystem::exists(path_ / kRun, ignored);
    const bool empty = std::filesystem::is_empty(path_);
    if (replaces_) {
      remove_weights(path_);
      if (is_report_page(path_ / kReportPage)) std::filesystem::remove(path_ / kReportPage, ignored);
    }
    if (earlier_.is_null()) {  // before anything else is there: whenever this is killed, the folder is a run's
      Value run = Value::table();
      for (const char* name : {"pipeline", "key", "command_line"}) run[name] = "";
      run["pipeline"] = request.pipeline;
      write_file(path_ / kRun, run.to_json(2) + "\n", Durable::nothing);
    }
    if (!empty) {
      for (const char* name : {kPipeline, kRun, kMetrics, kSummary}) remove_temporaries(path_ / name);
      for (const char* name : {kPipeline, kMetrics, kSummary})
        if (earlier_.is_null()) std::filesystem::remove(path_ / name);
    }
    log_ = std::make_unique<Log>(path_ / kLog, earlier_.is_null());
  } catch (const std::exception& e) {
    throw Error(fmt::format("cannot write the run directory {}: {}; give another with --run-dir", path_.string(), e.what()));
  }
}

RunDirectory::~RunDirectory() {
  if (fd_ >= 0) ::close(fd_);
}

void RunDirectory::require_own(const Request& request) const {
  const auto refuse = [&](const std::string& what) {
    throw Error(fmt::format("{} {}; give --run-dir a folder of its own: a new or empty one, or that of an earlier run", path_.string(), what));
  };
  std::error_code ignored;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator it(path_, ignored), end; !ignored && it != end; it.increment(ignored))
    names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  const bool own = holds_run(path_);
  for (const std::string& name : names) {
    const bool plain = std::filesystem::is_regular_file(path_ / name, ignored) || name == "tensorboard" || name == "assignments";
    if (own ? !is_written_by_runs(name) || plain : is_half_written(name) || (is_own_output(path_ / name) && !is_written_by_runs(name))) continue;
    refuse(own ? fmt::format("holds '{}', which is no file: a run would write it", name)
               : fmt::format("holds '{}', which is not of a run: a run there could overwrite it", name));
  }
  if (!request.file.empty() && std::filesystem::equivalent(request.file, path_ / kPipeline, ignored) && read_file(request.file) != request.resolved)
    refuse("is where the pipeline itself is: the run would overwrite it as it resolves it, without comments and with the changes of this command");
}

bool RunDirectory::take(const std::filesystem::path& folder) {
  fd_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd_ < 0) throw Error(fmt::format("cannot read the folder {}: {}", folder.string(), errno_text(errno)));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return true;  // without locks in the file system there is nobody to ask
  ::close(fd_);
  fd_ = -1;
  return false;
}

void RunDirectory::make_new(const Request& request) {
  const std::filesystem::path folder = request.runs / request.pipeline;
  make_folder(folder);
  const std::string time = fmt::format("{:%Y-%m-%d_%H-%M-%S}", fmt::localtime(std::time(nullptr)));
  for (int i = 1;; ++i) {
    path_ = folder / (i == 1 ? time : fmt::format("{}_{}", time, i));
    std::error_code failure;
    if (std::filesystem::create_directory(path_, failure)) break;
    if (failure) throw Error(fmt::format("cannot make the folder {}: {}{}", path_.string(), failure.message(), remedy_for(failure.value())));
  }
  take(path_);
  point_latest();
}

void RunDirectory::point_latest() const {
  const std::filesystem::path link = path_.parent_path() / kLatest, temporary = temporary_name(link);
  const std::filesystem::file_status there = std::filesystem::symlink_status(link);
  if (std::filesystem::exists(there) && !std::filesystem::is_symlink(there))
    throw Error(fmt::format("cannot make the link {}: something else is there; move it away, or give --run-dir", link.string()));
  if (::symlink(path_.filename().c_str(), temporary.c_str()) != 0) fail_writing(link, errno);
  show_file(temporary, link);
}

void RunDirectory::pipeline(const std::string& name, const std::string& text) { write_file(path_ / name, text, Durable::contents); }

void RunDirectory::record(const Value& run) {
  const std::lock_guard<std::mutex> guard(mutex_);
  write_file(path_ / kRun, run.to_json(2) + "\n", Durable::contents);
}

void RunDirectory::summary(const Value& summary) { write_file(path_ / kSummary, summary.to_json(2) + "\n"); }

void RunDirectory::stages(std::vector<std::string> names) {
  const std::lock_guard<std::mutex> guard(mutex_);
  order_ = std::move(names);
}

void RunDirectory::listen(MetricListener* listener) {
  const std::lock_guard<std::mutex> guard(mutex_);
  listener_ = listener;
}

void RunDirectory::metric(const std::string& stage, const Value& line) {
  const std::lock_guard<std::mutex> guard(mutex_);
  lines_[stage].push_back(line);
  const std::filesystem::path path = path_ / kMetrics;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd < 0) fail_writing(path, errno);
  const std::string text = metrics_line(stage, line);
  const ssize_t wrote = ::write(fd, text.data(), text.size());
  const int failure = wrote < 0 ? errno : static_cast<std::size_t>(wrote) < text.size() ? ENOSPC : 0;
  ::close(fd);
  if (failure != 0) fail_writing(path, failure);
  if (listener_ != nullptr) listener_->added(stage, line);
}

void RunDirectory::metrics(const std::string& stage, const std::vector<Value>& lines) {
  const std::lock_guard<std::mutex> guard(mutex_);
  lines_[stage] = lines;
  write_file(path_ / kMetrics, metrics_text(), Durable::contents);
  if (listener_ != nullptr) listener_->replaced(stage, lines);
}

std::vector<Value> RunDirectory::metrics_of(const std::string& stage) const {
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto found = lines_.find(stage);
  return found == lines_.end() ? std::vector<Value>() : found->second;
}

std::string RunDirectory::finish_metrics() {
  const std::lock_guard<std::mutex> guard(mutex_);
  const std::string text = metrics_text();
  write_file(path_ / kMetrics, text, text.empty() ? Durable::nothing : Durable::contents);
  return hash_text(text);
}

std::string RunDirectory::metrics_text() const {
  std::string text;
  for (const std::string& stage : order_) {
    const auto found = lines_.find(stage);
    if (found == lines_.end()) continue;
    for (const Value& line : found->second) text += metrics_line(stage, line);
  }
  return text;
}

void RunDirectory::log(Level level, const std::string& text) {
  const auto severity = level == Level::info ? spdlog::level::info : level == Level::warning ? spdlog::level::warn : spdlog::level::err;
  log_->logger.log(severity, "{}", text);
}

void RunDirectory::weights(const std::filesystem::path& file, const std::string& name) { export_model(file, path_ / (name + ".safetensors")); }

}  // namespace cdc
