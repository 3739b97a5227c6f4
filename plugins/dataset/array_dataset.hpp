#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cdc/dataset.hpp"

namespace cdc::dataset {

/// One file's share of an ArrayDataset: its samples are the next `count`.
struct ArraySource {
  std::string file;
  std::int64_t count = 0;
  std::string part;  ///< the split that it belongs to
};

/// A data set whose images all have one size and lie decoded in memory, one after the other.
struct ArrayContents {
  int height = 0, width = 0, channels = 0;
  std::shared_ptr<std::uint8_t> pixels;  ///< [N, H, W, C]
  std::vector<std::int32_t> labels;      ///< [N], or empty
  std::vector<std::string> class_names;
  std::vector<ArraySource> sources;  ///< in order of the samples
  std::string split;
};

class ArrayDataset final : public Dataset {
 public:
  explicit ArrayDataset(ArrayContents contents) : c_(std::move(contents)) {}

  std::int64_t size() const override {
    return std::accumulate(c_.sources.begin(), c_.sources.end(), std::int64_t{0}, [](std::int64_t n, const ArraySource& s) { return n + s.count; });
  }
  int channels() const override { return c_.channels; }
  std::array<int, 2> image_size() const override { return {c_.height, c_.width}; }
  Image image(std::int64_t i) const override {
    const std::size_t bytes = static_cast<std::size_t>(c_.height) * static_cast<std::size_t>(c_.width) * static_cast<std::size_t>(c_.channels);
    return {c_.height, c_.width, c_.channels, std::shared_ptr<const std::uint8_t>(c_.pixels, c_.pixels.get() + static_cast<std::size_t>(i) * bytes)};
  }
  const std::vector<std::int32_t>& labels() const override { return c_.labels; }
  const std::vector<std::string>& class_names() const override { return c_.class_names; }
  std::string split() const override { return c_.split; }
  std::vector<SplitPart> parts() const override {
    std::vector<SplitPart> out;
    for (const ArraySource& source : c_.sources) {
      if (out.empty() || out.back().name != source.part) out.push_back({source.part, 0});
      out.back().samples += source.count;
    }
    return out;
  }
  std::string sample_name(std::int64_t i) const override {
    for (const ArraySource& source : c_.sources) {
      if (i < source.count) return source.file + "#" + std::to_string(i);
      i -= source.count;
    }
    return "#" + std::to_string(i);
  }
  /// By the files' names (MNIST and Fashion-MNIST have the same), the range of each, and the pixels of some images.
  std::string fingerprint() const override {
    std::string contents = fmt::format("{} {} {}", c_.height, c_.width, c_.channels);
    for (const ArraySource& source : c_.sources) contents += fmt::format("{}{} {}", '\0', base_name(source.file), source.count);
    const std::int64_t all = size(), count = std::min<std::int64_t>(all, 256);
    const std::int64_t bytes = std::int64_t{c_.height} * c_.width * c_.channels;
    for (std::int64_t i = 0; i < count; ++i)
      contents.append(reinterpret_cast<const char*>(c_.pixels.get()) + i * all / count * bytes, static_cast<std::size_t>(bytes));
    return make_fingerprint(all, base_name(sample_name(0)), base_name(sample_name(all - 1)), contents);
  }

 private:
  /// Without the folder, and the same whether the file is packed.
  static std::string base_name(std::string name) {
    name.erase(0, name.rfind('/') + 1);
    if (const std::size_t packed = name.find(".gz"); packed != std::string::npos) name.erase(packed, 3);
    return name;
  }

  ArrayContents c_;
};

/// Memory for `bytes` pixels, uninitialised: it is about to be read into.
inline std::shared_ptr<std::uint8_t> allocate_pixels(std::size_t bytes) {
  return std::shared_ptr<std::uint8_t>(new std::uint8_t[bytes], std::default_delete<std::uint8_t[]>());
}

/// "train+test" -> {"train", "test"}.
inline std::vector<std::string> split_parts(const std::string& split) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t plus = split.find('+', begin);
    parts.push_back(split.substr(begin, plus == std::string::npos ? plus : plus - begin));
    if (plus == std::string::npos) return parts;
    begin = plus + 1;
  }
}

}  // namespace cdc::dataset
