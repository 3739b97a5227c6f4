#include "cifar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"

namespace cdc::dataset {

namespace fs = std::filesystem;

namespace {
constexpr std::size_t kPlane = 32 * 32;
constexpr std::size_t kImage = 3 * kPlane;

void interleave(const std::uint8_t* planes, std::uint8_t* out) {
  for (std::size_t i = 0; i < kPlane; ++i) {
    out[3 * i] = planes[i];
    out[3 * i + 1] = planes[kPlane + i];
    out[3 * i + 2] = planes[2 * kPlane + i];
  }
}
}  // namespace

ArrayContents read_cifar(const std::vector<fs::path>& files, const CifarFormat& format, std::vector<std::string> class_names) {
  const std::size_t record = static_cast<std::size_t>(format.label_bytes) + kImage;
  std::vector<std::size_t> first(files.size() + 1, 0);
  ArrayContents c;
  c.height = c.width = 32;
  c.channels = 3;
  for (std::size_t f = 0; f < files.size(); ++f) {
    std::error_code code;
    const std::uintmax_t bytes = fs::file_size(files[f], code);
    if (code) throw Error(fmt::format("{}: cannot be read: {}", files[f].string(), code.message()));
    if (bytes == 0 || bytes % record != 0) {
      throw Error(
          fmt::format("{}: {} bytes is no whole number of records of {} bytes; it is cut short or not a file of this data set; fetch it again",
                      files[f].string(), bytes, record));
    }
    first[f + 1] = first[f] + bytes / record;
    c.sources.push_back({files[f].string(), static_cast<std::int64_t>(bytes / record), ""});
  }
  c.pixels = allocate_pixels(first.back() * kImage);
  c.labels.resize(first.back());
  parallel_chunks(static_cast<std::int64_t>(files.size()), 1, [&](std::int64_t begin, std::int64_t) {
    const auto f = static_cast<std::size_t>(begin);
    const std::size_t n = first[f + 1] - first[f];
    std::vector<char> bytes(n * record);
    std::ifstream in(files[f], std::ios::binary);
    if (!in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) throw Error(fmt::format("{}: cannot be read", files[f].string()));
    for (std::size_t i = 0; i < n; ++i) {
      const auto* r = reinterpret_cast<const std::uint8_t*>(bytes.data()) + i * record;
      const std::uint8_t label = r[format.label_at];
      if (label >= class_names.size()) {
        throw Error(fmt::format("{}: label {} of record {} is out of range: there are {} classes; the file is damaged or not of this data set",
                                files[f].string(), label, i, class_names.size()));
      }
      c.labels[first[f] + i] = label;
      interleave(r + format.label_bytes, c.pixels.get() + (first[f] + i) * kImage);
    }
  });
  c.class_names = std::move(class_names);
  return c;
}

std::vector<std::string> read_class_names(const fs::path& file, std::size_t classes) {
  std::ifstream in(file);
  if (!in) throw Error(fmt::format("{}: cannot be opened", file.string()));
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.size() != classes) throw Error(fmt::format("{}: {} class names; {} are expected", file.string(), names.size(), classes));
  return names;
}

}  // namespace cdc::dataset
