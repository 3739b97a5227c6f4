#include "artifact/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "cdc/error.hpp"

namespace cdc {
namespace {

constexpr const char* kMark = ".tmp-";

}  // namespace

std::string errno_text(int number) { return std::error_code(number, std::generic_category()).message(); }

std::string remedy_for(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space there, or choose another place (--cache, --run-dir)";
    case EFBIG:
      return "; the limit on the size of files (ulimit -f) is too low";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; choose a place that you may write to (--cache, --run-dir)";
    default:
      return "";
  }
}

void fail_writing(const std::filesystem::path& path, int number) {
  throw Error(fmt::format("cannot write {}: {}{}", path.string(), errno_text(number), remedy_for(number)));
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  return path.parent_path() / fmt::format(".{}{}{}-{}", path.filename().string(), kMark, ::getpid(), counter++);
}

void remove_temporaries(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const std::string start = "." + path.filename().string() + kMark;
  std::error_code ignored;
  for (std::filesystem::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored)) {
    std::error_code gone;
    if (it->path().filename().string().rfind(start, 0) == 0) std::filesystem::remove(it->path(), gone);
  }
}

bool make_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  const bool made = std::filesystem::create_directories(folder, failure);
  if (failure) throw Error(fmt::format("cannot make the folder {}: {}{}", folder.string(), failure.message(), remedy_for(failure.value())));
  return made;
}

void sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);  // some file systems cannot: the rename is then as safe as they make it
  ::close(fd);
}

void show_file(const std::filesystem::path& temporary, const std::filesystem::path& path, bool sync) {
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int number = errno;
    ::unlink(temporary.c_str());
    fail_writing(path, number);
  }
  if (sync) sync_folder(path.parent_path());
}

int open_file(const std::filesystem::path& path, std::uint64_t& size) {
  // Without waiting: the reader of a named pipe would wait for its writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) throw Error(fmt::format("cannot read {}: {}", path.string(), errno_text(errno)));
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    throw Error(fmt::format("cannot read {}: it is not a file", path.string()));
  }
  size = static_cast<std::uint64_t>(status.st_size);
  return fd;
}

std::shared_ptr<const char> map_file(int fd, std::uint64_t size, const std::filesystem::path& path) {
  if (size == 0) return nullptr;
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw Error(fmt::format("cannot map {}: {}", path.string(), errno_text(errno)));
  return {static_cast<const char*>(memory), [size](const char* p) { ::munmap(const_cast<char*>(p), size); }};
}

void write_file(const std::filesystem::path& path, std::string_view contents, Durable durable) { write_parts(path, {contents}, durable); }

void write_parts(const std::filesystem::path& path, const std::vector<std::string_view>& parts, Durable durable) {
  const std::filesystem::path temporary = temporary_name(path);
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) fail_writing(path, errno);
  int failure = 0;
  for (const std::string_view part : parts)
    for (std::size_t done = 0; done < part.size() && failure == 0;) {
      const ssize_t wrote = ::write(fd, part.data() + done, part.size() - done);
      if (wrote < 0 && errno != EINTR) failure = errno;
      if (wrote > 0) done += static_cast<std::size_t>(wrote);
    }
  if (failure == 0 && durable != Durable::nothing && ::fsync(fd) != 0) failure = errno;
  if (::close(fd) != 0 && failure == 0) failure = errno;
  if (failure != 0) {
    ::unlink(temporary.c_str());
    fail_writing(path, failure);
  }
  show_file(temporary, path, durable == Durable::all);
}

std::string read_file(const std::filesystem::path& path) {
  std::uint64_t size = 0;
  const int fd = open_file(path, size);
  std::string out;
  out.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(size, 1U << 28U)));  // a sparse file says more than it holds
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int number = errno;
      ::close(fd);
      throw Error(fmt::format("cannot read {}: {}", path.string(), errno_text(number)));
    }
    if (got == 0) break;
    out.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fd);
  return out;
}

}  // namespace cdc
