#include "artifact/event_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <optional>
#include <protozero/pbf_writer.hpp>

#include "artifact/files.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

// Fields of the messages Event, SessionLog (event.proto), Summary, Summary.Value and Summary.Image (summary.proto).
constexpr protozero::pbf_tag_type kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr protozero::pbf_tag_type kStatus = 1;
constexpr std::int32_t kStart = 1;
constexpr protozero::pbf_tag_type kValue = 1, kTag = 1, kSimpleValue = 2, kImage = 4;
constexpr protozero::pbf_tag_type kHeight = 1, kWidth = 2, kColorspace = 3, kEncoded = 4;

constexpr std::string_view kPrefix = "events.out.tfevents.", kOurs = ".cdc.";

/// The seconds in the name of a file of this class; nothing for others.
std::optional<std::int64_t> seconds_of(const std::string& name) {
  if (name.rfind(kPrefix, 0) != 0) return std::nullopt;
  std::int64_t seconds = 0;
  const char *begin = name.data() + kPrefix.size(), *end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(begin, end, seconds);
  if (error != std::errc() || std::string_view(rest, static_cast<std::size_t>(end - rest)).rfind(kOurs, 0) != 0) return std::nullopt;
  return seconds;
}

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

void append_little_endian(std::uint64_t value, int bytes, std::string& out) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 255);
}

/// An Event's fields that all kinds have.
protozero::pbf_writer begin_event(std::string& bytes, std::int64_t step) {
  protozero::pbf_writer event(bytes);
  event.add_double(kWallTime, now());
  event.add_int64(kStep, step);
  return event;
}

}  // namespace

std::uint32_t masked_crc32c(std::string_view data) {
  boost::crc_optimal<32, 0x1edc6f41, 0xffffffff, 0xffffffff, true, true> crc;
  crc.process_bytes(data.data(), data.size());
  const std::uint32_t sum = crc.checksum();
  return (sum >> 15 | sum << 17) + 0xa282ead8;
}

std::string tfrecord(std::string_view data) {
  std::string out;
  out.reserve(data.size() + 16);
  append_little_endian(data.size(), 8, out);
  append_little_endian(masked_crc32c(out), 4, out);
  out += data;
  append_little_endian(masked_crc32c(data), 4, out);
  return out;
}

EventFile::EventFile(const fs::path& folder) {
  make_folder(folder);
  std::vector<fs::path> earlier;
  auto seconds = static_cast<std::int64_t>(now());
  std::error_code failure;
  for (fs::directory_iterator it(folder, failure), end; !failure && it != end; it.increment(failure))
    if (const auto of = seconds_of(it->path().filename().string())) {
      earlier.push_back(it->path());
      seconds = std::max(seconds, *of + 1);
    }
  path_ = folder / fmt::format("{}{:010}{}{}", kPrefix, seconds, kOurs, ::getpid());
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_writing(path_, errno);
  try {
    std::string version;
    protozero::pbf_writer event(version);
    event.add_double(kWallTime, now());
    event.add_string(kFileVersion, "brain.Event:2");
    write(version);
    restart();
  } catch (...) {
    ::close(fd_);
    throw;
  }
  for (const fs::path& path : earlier) fs::resize_file(path, 0, failure);
}

bool EventFile::is_one(const std::string& name) { return seconds_of(name).has_value(); }

EventFile::~EventFile() { ::close(fd_); }

void EventFile::restart() {
  std::string bytes;
  {
    protozero::pbf_writer event = begin_event(bytes, 0);
    protozero::pbf_writer session(event, kSessionLog);
    session.add_enum(kStatus, kStart);
  }
  write(bytes);
}

void EventFile::scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  std::string bytes;
  {
    protozero::pbf_writer event = begin_event(bytes, step);
    protozero::pbf_writer summary(event, kSummary);
    for (const auto& [tag, number] : values) {
      protozero::pbf_writer value(summary, kValue);
      value.add_string(kTag, tag);
      value.add_float(kSimpleValue, static_cast<float>(number));
    }
  }
  write(bytes);
}

void EventFile::image(std::int64_t step, const std::string& tag, int height, int width, int channels, std::string_view png) {
  std::string bytes;
  {
    protozero::pbf_writer event = begin_event(bytes, step);
    protozero::pbf_writer summary(event, kSummary);
    protozero::pbf_writer value(summary, kValue);
    value.add_string(kTag, tag);
    protozero::pbf_writer image(value, kImage);
    image.add_int32(kHeight, height);
    image.add_int32(kWidth, width);
    image.add_int32(kColorspace, channels);
    image.add_bytes(kEncoded, png.data(), png.size());
  }
  write(bytes);
}

void EventFile::write(const std::string& event) {
  const std::string record = tfrecord(event);
  for (std::size_t done = 0; done < record.size();) {
    const ssize_t wrote = ::write(fd_, record.data() + done, record.size() - done);
    if (wrote < 0 && errno != EINTR) fail_writing(path_, errno);
    if (wrote > 0) done += static_cast<std::size_t>(wrote);
  }
}

}  // namespace cdc
