#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cdc {

/// A program at work, in a process group of its own, so that signals of the terminal do not reach it by themselves; when this process dies it is
/// asked to stop (SIGTERM). What it prints goes into files.
class ChildProcess {
 public:
  /// `keep_fd`: a file descriptor that stays open in it. cdc::Error where it cannot be started.
  ChildProcess(const std::vector<std::string>& arguments, const std::filesystem::path& out, const std::filesystem::path& err, int keep_fd);
  ~ChildProcess();  ///< killed, where it is still at work
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void signal(int number) const;
  /// Its exit code once it has ended, 128 + N where signal N ended it. Does not wait.
  std::optional<int> ended();

 private:
  pid_t pid_ = -1;
  std::optional<int> code_;
};

/// Runs a program of PATH to its end; signals of the terminal do not reach it. Nothing comes back where there is none of this name.
struct ProgramResult {
  int code = -1;  ///< 128 + N where signal N ended it
  std::string out, err;
};
std::optional<ProgramResult> run_program(const std::vector<std::string>& arguments);

/// A lock on a file (flock), which the kernel frees when all processes that have it open are gone; -1 where another has it.
class FileLock {
 public:
  static std::optional<FileLock> take(const std::filesystem::path& file);
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();
  int fd() const { return fd_; }

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace cdc
