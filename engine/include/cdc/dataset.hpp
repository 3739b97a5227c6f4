#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/image.hpp"

namespace cdc {

/// A split, and how many samples of it there are.
struct SplitPart {
  std::string name;  ///< "train", "test", ...
  std::int64_t samples = 0;
};

/// An image data set, opened. Images are decoded when asked for.
class CDC_API Dataset {
 public:
  virtual ~Dataset();
  virtual std::int64_t size() const = 0;  ///< N
  virtual int channels() const = 0;       ///< C of every image: 1 or 3
  /// Height and width, {0, 0} where images differ.
  virtual std::array<int, 2> image_size() const = 0;
  /// Sample `i`, 0 <= i < size(). Thread-safe. cdc::Error naming the file where it cannot be decoded.
  virtual Image image(std::int64_t i) const = 0;
  /// [N] class of each sample, 0 .. classes - 1; empty where there are none. For scores only: no engine part trains on them.
  virtual const std::vector<std::int32_t>& labels() const = 0;
  /// Names of the classes; empty where there are no labels.
  virtual const std::vector<std::string>& class_names() const = 0;
  virtual std::string split() const = 0;  ///< "train", "test", "train+test", ...: goes into every number's protocol
  /// The splits that the samples come from: of "train+test" first all of "train", then all of "test". One part where nothing else is known.
  virtual std::vector<SplitPart> parts() const { return {{split(), size()}}; }
  /// Where sample i comes from, for messages and galleries: a path, or "FILE#INDEX".
  virtual std::string sample_name(std::int64_t i) const = 0;
  /// Which samples these are and in what order, wherever they lie and whatever their labels: what was made of one collection is not matched with
  /// another. To be read, and the same for the same collection. Here: the samples' names, less the folders that all have in common; a data set that
  /// knows more of their contents adds it.
  virtual std::string fingerprint() const;

 protected:
  /// Puts a fingerprint together: "60000 images, FIRST to LAST (HASH)", HASH of `contents`, which tells the collection from every other.
  static std::string make_fingerprint(std::int64_t samples, const std::string& first, const std::string& last, std::string_view contents);
};

}  // namespace cdc
