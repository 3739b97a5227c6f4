#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "cdc/augment.hpp"
#include "cdc/error.hpp"
#include "cdc/pixels.hpp"
#include "cdc/random.hpp"
#include "normalisation.hpp"

namespace {

namespace px = cdc::pixels;

/// Each operation has a random stream of its own: taking one out, or changing its parameters, leaves what the others draw as it was.
enum Operation : std::uint32_t { kCrop, kFlip, kRotation, kJitter, kGrey, kBlur, kSolarize, kEqualize };

/// The views of SimCLR, MoCo v2, SwAV and their kin.
class Contrastive final : public cdc::Augment {
 public:
  std::int64_t view_count = 2;
  std::int64_t size = 0;
  double min_area = 0.2, max_area = 1.0;
  double min_aspect = 3.0 / 4, max_aspect = 4.0 / 3;
  double flip_p = 0.5;
  double rotation = 0;
  double equalize_p = 0;
  double jitter_p = 0.8;
  double brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1;
  std::string clip = "each";
  double grey_p = 0.2;
  double blur_p = 0;
  std::int64_t blur_kernel = 0;
  double min_sigma = 0.1, max_sigma = 2.0;
  double solarize_p = 0, solarize_threshold = 0.5;
  std::vector<double> mean, deviation;

  static void describe(cdc::Schema<Contrastive>& s) {
    s.summary("Random views for contrastive learning: crop and resize, flip, rotation, equalize, colour jitter, grey, blur, solarize; normalised.");
    s.param(&Contrastive::view_count, "views", "Views of each sample").range(1, 64);
    s.param(&Contrastive::size, "size", "Height and width of a view; 0: those of the image").range(0, 4096);
    s.param(&Contrastive::min_area, "min_area", "Smallest area of a crop, as a share of the image's").range(1e-4, 1);
    s.param(&Contrastive::max_area, "max_area", "Largest area of a crop, as a share of the image's").range(1e-4, 1);
    s.param(&Contrastive::min_aspect, "min_aspect", "Smallest width / height of a crop").range(0.01, 100);
    s.param(&Contrastive::max_aspect, "max_aspect", "Largest width / height of a crop").range(0.01, 100);
    s.param(&Contrastive::flip_p, "flip_p", "Probability of mirroring left to right").range(0, 1);
    s.param(&Contrastive::rotation, "rotation", "Largest angle to turn by, either way, in degrees; bilinear, black outside").range(0, 180);
    s.param(&Contrastive::equalize_p, "equalize_p", "Probability of evening out the histogram of each channel").range(0, 1);
    s.param(&Contrastive::jitter_p, "jitter_p", "Probability of the colour jitter (brightness, contrast, saturation, hue, in random order)")
        .range(0, 1);
    s.param(&Contrastive::brightness, "brightness", "Brightness is multiplied by 1 - this to 1 + this (at least 0)").range(0, 10);
    s.param(&Contrastive::contrast, "contrast", "Contrast is multiplied by 1 - this to 1 + this (at least 0)").range(0, 10);
    s.param(&Contrastive::saturation, "saturation", "Saturation is multiplied by 1 - this to 1 + this (at least 0)").range(0, 10);
    s.param(&Contrastive::hue, "hue", "The hue is turned by up to this share of the circle, either way").range(0, 0.5);
    s.param(&Contrastive::clip, "clip",
            "Where jittered values are cut to black and white: after each operation, as torchvision does, or once after the last, which keeps "
            "the texture of an image that is bright only for a while")
        .choices({"each", "end"});
    s.param(&Contrastive::grey_p, "grey_p", "Probability of taking the colour away").range(0, 1);
    s.param(&Contrastive::blur_p, "blur_p", "Probability of a Gaussian blur").range(0, 1);
    s.param(&Contrastive::blur_kernel, "blur_kernel", "Taps of the blur, odd; 0: the odd number nearest to a tenth of the view's height, at least 3")
        .range(0, 255);
    s.param(&Contrastive::min_sigma, "min_sigma", "Smallest standard deviation of the blur, in pixels of the view").range(0.01, 100);
    s.param(&Contrastive::max_sigma, "max_sigma", "Largest standard deviation of the blur, in pixels of the view").range(0.01, 100);
    s.param(&Contrastive::solarize_p, "solarize_p", "Probability of solarizing: bright values are turned over (BYOL)").range(0, 1);
    s.param(&Contrastive::solarize_threshold, "solarize_threshold", "Values from which on solarizing turns over").range(0, 1);
    cdc::augment::describe_normalisation(s, &Contrastive::mean, &Contrastive::deviation);
    s.size("V", &Contrastive::view_count);
    s.size("H", &Contrastive::size);
    s.size("W", &Contrastive::size);
  }

  void check() const override {
    const auto ordered = [](double low, double high, const char* name) {
      if (low > high) throw cdc::Error(fmt::format("min_{} = {} is above max_{} = {}", name, low, name, high));
    };
    ordered(min_area, max_area, "area");
    ordered(min_aspect, max_aspect, "aspect");
    ordered(min_sigma, max_sigma, "sigma");
    if (blur_kernel != 0 && blur_kernel % 2 == 0) throw cdc::Error(fmt::format("blur_kernel = {} is even; it must be odd, or 0", blur_kernel));
    cdc::augment::check_normalisation(mean, deviation);
  }

  int views() const override { return static_cast<int>(view_count); }

  std::array<int, 2> output_size(int height, int width) const override {
    if (size > 0) return {static_cast<int>(size), static_cast<int>(size)};
    return {height, width};
  }

  void render(const cdc::Image& image, const cdc::ViewKey& key, int height, int width, float* out) const override {
    const auto random = [&](Operation operation) {
      return cdc::Random(key.seed, static_cast<std::uint64_t>(key.epoch), static_cast<std::uint64_t>(key.sample),
                         static_cast<std::uint32_t>(key.view), operation);
    };
    const int channels = image.channels;
    const std::size_t n = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    const bool mirrored = flip_p > 0 && random(kFlip).chance(flip_p);
    px::resize(image, crop(image, random(kCrop)), height, width, {0, 0, height, width}, mirrored, out);
    if (rotation > 0) px::rotate(out, channels, height, width, random(kRotation).uniform(-rotation, rotation));
    if (equalize_p > 0 && random(kEqualize).chance(equalize_p)) px::equalize(out, channels, n);
    if (jitter_p > 0) {
      cdc::Random r = random(kJitter);
      if (r.chance(jitter_p)) change_colours(out, channels, n, r);
    }
    if (grey_p > 0 && channels == 3 && random(kGrey).chance(grey_p)) px::to_grey(out, channels, n);
    if (blur_p > 0) {
      cdc::Random r = random(kBlur);
      if (r.chance(blur_p)) px::gaussian_blur(out, channels, height, width, taps(height), r.uniform(min_sigma, max_sigma));
    }
    if (solarize_p > 0 && random(kSolarize).chance(solarize_p)) px::solarize(out, channels, n, static_cast<float>(solarize_threshold));
    cdc::augment::normalise(out, channels, n, mean, deviation);
  }

  void render_plain(const cdc::Image& image, int height, int width, float* out) const override {
    px::resize(image, px::centre_box(image.height, image.width, height, width), height, width, {0, 0, height, width}, false, out);
    cdc::augment::normalise(out, image.channels, static_cast<std::size_t>(height) * static_cast<std::size_t>(width), mean, deviation);
  }

 private:
  int taps(int height) const {
    if (blur_kernel > 0) return static_cast<int>(blur_kernel);
    return std::max(3, height / 20 * 2 + 1);
  }

  /// torchvision's RandomResizedCrop.get_params: area uniform, aspect log-uniform; after ten boxes that do not fit, the largest centred one of an
  /// aspect allowed.
  px::Box crop(const cdc::Image& image, cdc::Random r) const {
    const double area = static_cast<double>(image.height) * image.width;
    const double low = std::log(min_aspect), high = std::log(max_aspect);
    for (int attempt = 0; attempt < 10; ++attempt) {
      const double target = area * r.uniform(min_area, max_area);
      const double aspect = std::exp(r.uniform(low, high));
      const int w = static_cast<int>(std::nearbyint(std::sqrt(target * aspect)));
      const int h = static_cast<int>(std::nearbyint(std::sqrt(target / aspect)));
      if (w < 1 || h < 1 || w > image.width || h > image.height) continue;
      const int y = static_cast<int>(r.below(static_cast<std::uint64_t>(image.height - h) + 1));
      const int x = static_cast<int>(r.below(static_cast<std::uint64_t>(image.width - w) + 1));
      return {y, x, h, w};
    }
    const double ratio = static_cast<double>(image.width) / image.height;
    int h = image.height, w = image.width;
    if (ratio < min_aspect) h = std::clamp(static_cast<int>(std::nearbyint(w / min_aspect)), 1, image.height);
    if (ratio > max_aspect) w = std::clamp(static_cast<int>(std::nearbyint(h * max_aspect)), 1, image.width);
    return {(image.height - h) / 2, (image.width - w) / 2, h, w};
  }

  /// torchvision's ColorJitter: four factors, applied in random order.
  void change_colours(float* out, int channels, std::size_t n, cdc::Random& r) const {
    int order[4] = {0, 1, 2, 3};
    for (int i = 3; i > 0; --i) std::swap(order[i], order[r.below(static_cast<std::uint64_t>(i) + 1)]);
    const auto factor = [&](double strength) { return static_cast<float>(r.uniform(std::max(0.0, 1 - strength), 1 + strength)); };
    const float by_brightness = factor(brightness), by_contrast = factor(contrast), by_saturation = factor(saturation);
    const float by_hue = static_cast<float>(r.uniform(-hue, hue));
    const bool each = clip == "each";
    for (const int operation : order) {
      switch (operation) {
        case 0:
          if (brightness > 0) px::adjust_brightness(out, channels, n, by_brightness, each);
          break;
        case 1:
          if (contrast > 0) px::adjust_contrast(out, channels, n, by_contrast, each);
          break;
        case 2:
          if (saturation > 0) px::adjust_saturation(out, channels, n, by_saturation, each);
          break;
        default:
          if (hue > 0) px::adjust_hue(out, channels, n, by_hue);
      }
    }
    if (!each) px::clip(out, channels, n);
  }
};

}  // namespace

CDC_PLUGIN(Contrastive, "augment.contrastive")
