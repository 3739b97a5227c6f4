#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "cdc/augment.hpp"
#include "cdc/error.hpp"
#include "cdc/pixels.hpp"
#include "normalisation.hpp"

namespace {

namespace px = cdc::pixels;

/// No random change: the same pixels every time, training or not.
class Plain final : public cdc::Augment {
 public:
  std::int64_t view_count = 1;
  std::int64_t size = 0;
  std::int64_t resize = 0;
  std::string fit = "crop";
  std::vector<double> mean, deviation;

  static void describe(cdc::Schema<Plain>& s) {
    s.summary("The image itself, resized and normalised: for features, and as the view that is not augmented.");
    s.param(&Plain::view_count, "views", "Views of each sample, all alike").range(1, 64);
    s.param(&Plain::size, "size", "Height and width of the view; 0: those of the image").range(0, 4096);
    s.param(&Plain::resize, "resize",
            "With fit = \"crop\": the shorter side is resized to this before the centre is cut out (ImageNet: 256 for size 224); 0: size")
        .range(0, 4096);
    s.param(&Plain::fit, "fit", "crop: keep the aspect ratio, cut the centre out; stretch: resize to the square").choices({"crop", "stretch"});
    cdc::augment::describe_normalisation(s, &Plain::mean, &Plain::deviation);
    s.size("V", &Plain::view_count);
    s.size("H", &Plain::size);
    s.size("W", &Plain::size);
  }

  void check() const override {
    if (resize > 0 && resize < size) throw cdc::Error(fmt::format("resize = {} is below size = {}: there would be nothing to cut out", resize, size));
    if (resize > 0 && size == 0) throw cdc::Error("resize is given without size: give the size to cut out as well");
    if (resize > 0 && fit == "stretch") throw cdc::Error("resize has no meaning with fit = \"stretch\"");
    cdc::augment::check_normalisation(mean, deviation);
  }

  int views() const override { return static_cast<int>(view_count); }

  std::array<int, 2> output_size(int height, int width) const override {
    if (size > 0) return {static_cast<int>(size), static_cast<int>(size)};
    return {height, width};
  }

  void render(const cdc::Image& image, const cdc::ViewKey&, int height, int width, float* out) const override {
    render_plain(image, height, width, out);
  }

  void render_plain(const cdc::Image& image, int height, int width, float* out) const override {
    const px::Box whole{0, 0, image.height, image.width};
    if (fit == "stretch" || (image.height == height && image.width == width && resize == 0)) {
      px::resize(image, whole, height, width, {0, 0, height, width}, false, out);
    } else {
      // torchvision's Resize(shorter side) and CenterCrop; only what the crop needs is resized.
      int full_height = height, full_width = width;
      const std::int64_t shorter = resize > 0 ? resize : std::max(height, width);
      if (image.height <= image.width) {
        full_height = static_cast<int>(shorter);
        full_width = static_cast<int>(shorter * image.width / image.height);
      } else {
        full_width = static_cast<int>(shorter);
        full_height = static_cast<int>(shorter * image.height / image.width);
      }
      const auto margin = [](int full, int part) { return static_cast<int>(std::nearbyint((full - part) / 2.0)); };
      px::resize(image, whole, full_height, full_width, {margin(full_height, height), margin(full_width, width), height, width}, false, out);
    }
    cdc::augment::normalise(out, image.channels, static_cast<std::size_t>(height) * static_cast<std::size_t>(width), mean, deviation);
  }
};

}  // namespace

CDC_PLUGIN(Plain, "augment.plain")
