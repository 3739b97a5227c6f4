#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/files.hpp"

namespace cdc::test {

/// A program's end: its exit code (128 + signal when a signal ended it), and what it printed.
struct ProcessResult {
  int code = -1;
  std::string out, err;
};

/// A running program, for tests that stop or kill it. Output goes to files in a folder of its own.
class Process {
 public:
  Process(std::vector<std::string> arguments, const std::filesystem::path& folder, std::vector<std::pair<std::string, std::string>> environment = {},
          const std::filesystem::path& working_folder = {}) {
    static int count = 0;
    out_ = folder / ("out" + std::to_string(count) + ".txt");
    err_ = folder / ("err" + std::to_string(count++) + ".txt");
    for (const auto& file : {out_, err_}) write_file(file, "");  // there even if it is killed at once
    std::vector<char*> argv;
    for (std::string& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ == 0) {
      ::dup2(::open(out_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644), 1);
      ::dup2(::open(err_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644), 2);
      ::dup2(::open("/dev/null", O_RDONLY), 0);
      for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
      if (!working_folder.empty() && ::chdir(working_folder.c_str()) != 0) ::_exit(126);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) { ::kill(pid_, number); }
  /// True when it ended within the time.
  bool ended_within(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    for (;;) {
      int status = 0;
      if (pid_ <= 0) return true;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        take(status);
        return true;
      }
      if (std::chrono::steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  /// Waits until the condition holds, however slow the machine is; false where the process ended before.
  template <class Condition>
  bool reaches(Condition condition) {
    while (!condition())
      if (ended_within(std::chrono::milliseconds(5))) return condition();
    return true;
  }
  ProcessResult wait() {
    if (pid_ > 0) {
      int status = 0;
      ::waitpid(pid_, &status, 0);
      take(status);
    }
    return {code_, read_file(out_), read_file(err_)};
  }

 private:
  void take(int status) {
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    pid_ = -1;
  }
  pid_t pid_ = -1;
  int code_ = -1;
  std::filesystem::path out_, err_;
};

/// Runs a program to its end.
inline ProcessResult run_process(std::vector<std::string> arguments, const std::filesystem::path& folder,
                                 std::vector<std::pair<std::string, std::string>> environment = {},
                                 const std::filesystem::path& working_folder = {}) {
  return Process(std::move(arguments), folder, std::move(environment), working_folder).wait();
}

}  // namespace cdc::test
