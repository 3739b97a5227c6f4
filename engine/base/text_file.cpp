#include "base/text_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace cdc {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::string reason(int number) {
  return fmt::format("cannot be opened ({}): check its name and that it may be read", std::strerror(number));  // NOLINT(concurrency-mt-unsafe)
}

/// As Windows saves a "Unicode" text: with its mark, or with a zero byte in each letter.
bool is_utf16(const std::string& text) {
  if (text.size() < 2) return false;
  const auto first = static_cast<unsigned char>(text[0]), second = static_cast<unsigned char>(text[1]);
  return (first == 0xff && second == 0xfe) || (first == 0xfe && second == 0xff) || ((first == 0) != (second == 0));
}

}  // namespace

TextFile read_text(const std::filesystem::path& path, bool pipes) {
  if (path.native().find('\0') != std::string::npos) return {{}, "cannot be opened: its name holds the letter NUL"};
  // Without waiting: a pipe into which nobody writes would never open.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) return {{}, reason(errno)};
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return {{}, reason(errno)};
  const bool pipe = S_ISFIFO(status.st_mode);
  if (S_ISDIR(status.st_mode)) return {{}, "is a folder: name a file in it"};
  if (!S_ISREG(status.st_mode) && !(pipe && pipes))
    return {{}, fmt::format("is {}: name a regular file", pipe ? "a pipe" : "a device or socket, which may never end")};
  TextFile out;
  std::array<char, 1 << 16> buffer{};
  for (;;) {
    const ssize_t got = ::read(file.number(), buffer.data(), buffer.size());
    if (got > 0) {
      out.text.append(buffer.data(), static_cast<std::size_t>(got));
      if (out.text.size() > kLongestText)
        return {{}, fmt::format("is longer than {} MiB, which nobody writes: check that it is the file that is meant", kLongestText >> 20)};
    } else if (got == 0) {
      break;
    } else if (errno == EAGAIN) {
      struct pollfd waits {
        file.number(), POLLIN, 0
      };
      ::poll(&waits, 1, -1);  // who writes has not got so far
    } else if (errno != EINTR) {
      return {{}, reason(errno)};
    }
  }
  if (pipe && out.text.empty()) return {{}, "is a pipe into which nobody wrote: begin what writes it first, or name a regular file"};
  if (is_utf16(out.text)) return {{}, "is text in UTF-16: save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"};
  return out;
}

}  // namespace cdc
