#include "sweep/processes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "artifact/files.hpp"
#include "cdc/error.hpp"

namespace cdc {

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, const std::filesystem::path& out, const std::filesystem::path& err,
                           int keep_fd) {
  const auto open_or_fail = [](const std::filesystem::path& file) {
    const int fd = ::open(file.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) fail_writing(file, errno);
    return fd;
  };
  std::vector<char*> argv;
  for (const std::string& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
  argv.push_back(nullptr);
  const int out_fd = open_or_fail(out), err_fd = open_or_fail(err), in_fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {  // nothing here but what may follow a fork of several threads
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(125);  // it died before prctl
    ::dup2(in_fd, 0);
    ::dup2(out_fd, 1);
    ::dup2(err_fd, 2);
    if (keep_fd >= 0) ::fcntl(keep_fd, F_SETFD, 0);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  const int failed = errno;
  for (const int fd : {in_fd, out_fd, err_fd}) ::close(fd);
  if (pid_ < 0) throw Error(fmt::format("no process could be started for {}: {}{}", arguments[0], errno_text(failed), remedy_for(failed)));
}

ChildProcess::~ChildProcess() {
  if (ended()) return;
  signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void ChildProcess::signal(int number) const {
  if (!code_) ::kill(pid_, number);
}

std::optional<int> ChildProcess::ended() {
  int status = 0;
  if (!code_ && ::waitpid(pid_, &status, WNOHANG) == pid_) code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return code_;
}

std::optional<ProgramResult> run_program(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
  argv.push_back(nullptr);
  const int out = ::memfd_create("out", MFD_CLOEXEC), err = ::memfd_create("err", MFD_CLOEXEC);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out, 1);
  ::posix_spawn_file_actions_adddup2(&actions, err, 2);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  ProgramResult result;
  if (failed == 0) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    for (const auto& [fd, to] : {std::make_pair(out, &result.out), std::make_pair(err, &result.err)}) {
      char part[4096];
      off_t at = 0;
      for (ssize_t n = 0; (n = ::pread(fd, part, sizeof part, at)) > 0; at += n) to->append(part, static_cast<std::size_t>(n));
    }
  }
  for (const int fd : {out, err}) ::close(fd);
  if (failed == ENOENT) return std::nullopt;
  if (failed != 0) throw Error(fmt::format("{} could not be started: {}{}", arguments[0], errno_text(failed), remedy_for(failed)));
  return result;
}

std::optional<FileLock> FileLock::take(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0) fail_writing(file, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return FileLock(fd);
  ::close(fd);
  return std::nullopt;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace cdc
