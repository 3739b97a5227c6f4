#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cdc/component.hpp"
#include "cdc/image.hpp"
#include "cdc/plugin.hpp"

namespace cdc {

/// The identity of one rendering: the same identity gives the same pixels, whoever renders it.
struct ViewKey {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  std::int64_t sample = 0;
  int view = 0;
};

/// A node that makes views of samples; the batch pipeline calls it from its loader threads. It has no forward() of tensors.
class CDC_API Augment : public Component {
 public:
  static constexpr Kind kKind = Kind::node;
  static constexpr In<Samples> kSamples{"samples", "Which samples to render in the places of the batch's; without it, those themselves"};
  static constexpr Out<Images> kViews{"views", "Rendered views"};
  ~Augment() override;
  template <class S>
  static void describe_base(S& s) {
    s.input(kSamples.as_optional()).output(kViews);
  }
  /// V while training. Evaluation sees one plain view.
  virtual int views() const = 0;
  /// Height and width of what is rendered of images of that size (0, 0: sizes differ); {0, 0} where it depends on the image.
  virtual std::array<int, 2> output_size(int height, int width) const = 0;
  /// One view into out[channels * height * width], planar float32, normalised. Thread-safe, without hidden state.
  virtual void render(const Image& image, const ViewKey& key, int height, int width, float* out) const = 0;
  /// The plain view: resize and normalise alone, as evaluation wants it.
  virtual void render_plain(const Image& image, int height, int width, float* out) const = 0;
};

}  // namespace cdc
