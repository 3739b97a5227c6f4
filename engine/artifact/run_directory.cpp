#include "artifact/run_directory.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "artifact/array_file.hpp"
#include "artifact/files.hpp"
#include "artifact/safetensors.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

constexpr const char* kRun = "run.json";
constexpr const char* kSummary = "summary.json";
constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kLog = "log.txt";
constexpr const char* kLatest = "latest";

std::string metrics_line(const std::string& stage, const Value& line) {
  Value whole = Value::table();
  whole["stage"] = stage;
  for (const auto& [name, value] : line.as_table()) whole[name] = value;
  return whole.to_json() + "\n";
}

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
        Value run = Value::from_json(read_file(path_ / kRun));
        if (const Value* key = run.find("key"); key != nullptr && key->is_string() && key->as_string() == request.key) earlier_ = std::move(run);
      } catch (const Error&) {  // a run that left no record is not continued
      }
    }
  }
  if (request.directory.empty() && earlier_.is_null()) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    make_new(request);
  }
  try {
    replaces_ = earlier_.is_null() && std::filesystem::exists(path_ / kRun, ignored);
    if (!std::filesystem::is_empty(path_))
      for (const char* name : {"pipeline.toml", kRun, kMetrics, kSummary}) {
        remove_temporaries(path_ / name);
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
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
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

void RunDirectory::finish_metrics() {
  const std::lock_guard<std::mutex> guard(mutex_);
  const std::string text = metrics_text();
  write_file(path_ / kMetrics, text, text.empty() ? Durable::nothing : Durable::contents);
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
