#include "cifar.hpp"

#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "files.hpp"

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
    const std::size_t n = count_records(files[f], record);
    first[f + 1] = first[f] + n;
    c.sources.push_back({files[f].string(), static_cast<std::int64_t>(n), ""});
  }
  c.pixels = allocate_pixels(first.back() * kImage);
  c.labels.resize(first.back());
  parallel_chunks(static_cast<std::int64_t>(files.size()), 1, [&](std::int64_t begin, std::int64_t) {
    const auto f = static_cast<std::size_t>(begin);
    const std::size_t n = first[f + 1] - first[f];
    const std::vector<std::uint8_t> bytes = read_bytes(files[f], 0, n * record);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint8_t* r = bytes.data() + i * record;
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

}  // namespace cdc::dataset
