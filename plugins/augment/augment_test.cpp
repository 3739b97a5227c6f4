#include "cdc/augment.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "cdc/random.hpp"
#include "support/stage_harness.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::make;
using Table = cdc::Value::Table;

cdc::Image picture(int height, int width, int channels, const std::function<int(int y, int x, int c)>& pixel) {
  std::shared_ptr<std::uint8_t> p(new std::uint8_t[static_cast<std::size_t>(height * width * channels)], std::default_delete<std::uint8_t[]>());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) p.get()[(y * width + x) * channels + c] = static_cast<std::uint8_t>(pixel(y, x, c));
  return {height, width, channels, p};
}
cdc::Image noise(int height, int width, int channels) {
  cdc::Random random(9);
  return picture(height, width, channels, [&](int, int, int) { return static_cast<int>(random.next32() & 255); });
}
/// All operations off, pixels as they are.
Table nothing(const Table& more = {}) {
  Table p{{"mean", cdc::Value::Array{0.0}},
          {"std", cdc::Value::Array{1.0}},
          {"min_area", 1.0},
          {"min_aspect", 1.0},
          {"max_aspect", 1.0},
          {"flip_p", 0.0},
          {"jitter_p", 0.0},
          {"grey_p", 0.0},
          {"blur_p", 0.0}};
  for (const auto& [name, value] : more) {
    const auto it = std::find_if(p.begin(), p.end(), [&n = name](const auto& e) { return e.first == n; });
    if (it != p.end()) {
      it->second = value;
    } else {
      p.emplace_back(name, value);
    }
  }
  return p;
}
std::vector<float> view(const cdc::Augment& augment, const cdc::Image& image, const cdc::ViewKey& key, int size) {
  std::vector<float> out(static_cast<std::size_t>(size * size * image.channels), NAN);
  augment.render(image, key, size, size, out.data());
  return out;
}

TEST(Contrastive, OneIdentityOnePicture) {
  const auto augment = make<cdc::Augment>("augment.contrastive", Table{{"blur_p", 0.5}, {"rotation", 10.0}});
  const auto again = make<cdc::Augment>("augment.contrastive", Table{{"blur_p", 0.5}, {"rotation", 10.0}});
  const cdc::Image image = noise(32, 32, 3), other = noise(40, 25, 3);
  for (std::int64_t sample = 0; sample < 50; ++sample) {
    const std::vector<float> expected = view(*augment, image, {1, 2, sample, 0}, 32);
    for (const float v : expected) ASSERT_TRUE(std::isfinite(v));
    view(*again, other, {5, 5, sample, 1}, 16);  // what was rendered before leaves no trace
    EXPECT_EQ(view(*again, image, {1, 2, sample, 0}, 32), expected);
    EXPECT_NE(view(*augment, image, {2, 2, sample, 0}, 32), expected);
    EXPECT_NE(view(*augment, image, {1, 3, sample, 0}, 32), expected);
    EXPECT_NE(view(*augment, image, {1, 2, sample + 1, 0}, 32), expected);
    EXPECT_NE(view(*augment, image, {1, 2, sample, 1}, 32), expected);
  }
}

TEST(Contrastive, OperationsDrawFromStreamsOfTheirOwn) {
  const cdc::Image image = noise(32, 32, 3);
  const auto crop = make<cdc::Augment>("augment.contrastive", nothing({{"min_area", 0.2}}));
  const auto with_grey = make<cdc::Augment>("augment.contrastive", nothing({{"min_area", 0.2}, {"grey_p", 1.0}}));
  for (std::int64_t sample = 0; sample < 20; ++sample) {
    const std::vector<float> a = view(*crop, image, {1, 0, sample, 0}, 32), b = view(*with_grey, image, {1, 0, sample, 0}, 32);
    for (std::size_t i = 0; i < 1024; ++i) ASSERT_NEAR(b[i], 0.2989 * a[i] + 0.587 * a[1024 + i] + 0.114 * a[2048 + i], 1e-6);
  }
}

TEST(Contrastive, CropsHaveUniformAreaLogUniformAspectAndUniformPlaces) {
  // Colours tell where a pixel comes from: red is x, green is y.
  const cdc::Image image = picture(256, 256, 3, [](int y, int x, int c) { return c == 0 ? x : c == 1 ? y : 0; });
  const auto augment = make<cdc::Augment>(
      "augment.contrastive", nothing({{"min_area", 0.2}, {"max_area", 0.5}, {"min_aspect", 0.75}, {"max_aspect", 4.0 / 3}, {"flip_p", 0.5}}));
  const int n = 4000, size = 32;
  int area_quarter[4] = {}, aspect_quarter[4] = {}, place_quarter[4] = {}, flipped = 0;
  for (int i = 0; i < n; ++i) {
    const std::vector<float> v = view(*augment, image, {3, 0, i, 0}, size);
    const auto at = [&](int c, int y, int x) { return 255.0 * v[static_cast<std::size_t>((c * size + y) * size + x)]; };
    const double across = (at(0, 16, 24) - at(0, 16, 8)) * 2, down = (at(1, 24, 16) - at(1, 8, 16)) * 2;  // width and height of the crop
    flipped += across < 0;
    const double width = std::abs(across);
    const auto quarter = [](int* counts, double share) { ++counts[std::clamp(static_cast<int>(share * 4), 0, 3)]; };
    quarter(area_quarter, (width * down / 65536 - 0.2) / 0.3);
    quarter(aspect_quarter, (std::log(width / down) - std::log(0.75)) / (2 * std::log(4.0 / 3)));
    const double top = at(1, 8, 16) + 0.5 - down * 8.5 / 32;
    quarter(place_quarter, (top + 0.5) / (256 - down + 1));
  }
  // Standard deviation of a quarter's count is 27; of the flips' 32.
  for (int q = 0; q < 4; ++q) {
    EXPECT_NEAR(area_quarter[q], n / 4, 130) << q;
    EXPECT_NEAR(aspect_quarter[q], n / 4, 130) << q;
    EXPECT_NEAR(place_quarter[q], n / 4, 130) << q;
  }
  EXPECT_NEAR(flipped, n / 2, 150);
}

TEST(Contrastive, ABoxThatNeverFitsBecomesTheLargestCentredOne) {
  const cdc::Image image = picture(10, 200, 3, [](int, int x, int c) { return c == 0 ? x : 0; });
  const auto augment =
      make<cdc::Augment>("augment.contrastive", nothing({{"min_area", 0.9}, {"min_aspect", 0.5}, {"max_aspect", 2.0}, {"size", 10}}));
  const std::vector<float> v = view(*augment, image, {1, 0, 0, 0}, 10);
  EXPECT_NEAR(255 * v[0], 90.5, 0.3);  // 20 columns around the middle, two to a pixel
  EXPECT_NEAR(255 * v[9], 108.5, 0.3);
  const cdc::Image tall = picture(200, 10, 3, [](int y, int, int c) { return c == 0 ? y : 0; });
  const std::vector<float> u = view(*augment, tall, {1, 0, 0, 0}, 10);
  EXPECT_NEAR(255 * u[0], 90.5, 0.3);
  EXPECT_NEAR(255 * u[90], 108.5, 0.3);
}

TEST(Contrastive, ProbabilitiesAreKept) {
  const cdc::Image image = noise(16, 16, 3);
  const auto share = [&](const Table& change, const std::function<bool(const std::vector<float>&)>& holds) {
    const auto augment = make<cdc::Augment>("augment.contrastive", nothing(change));
    int count = 0;
    for (int i = 0; i < 2000; ++i) count += holds(view(*augment, image, {4, 1, i, 1}, 16));
    return count / 2000.0;
  };
  const auto plain = view(*make<cdc::Augment>("augment.contrastive", nothing()), image, {}, 16);
  const auto changed = [&](const std::vector<float>& v) { return v != plain; };
  EXPECT_EQ(share({}, changed), 0);
  EXPECT_NEAR(share({{"jitter_p", 0.8}}, changed), 0.8, 0.045);  // five standard deviations
  EXPECT_NEAR(share({{"blur_p", 0.5}}, changed), 0.5, 0.06);
  EXPECT_NEAR(share({{"rotation", 20.0}}, changed), 1.0, 1e-9);
  EXPECT_NEAR(share({{"solarize_p", 0.3}}, changed), 0.3, 0.055);
  EXPECT_EQ(share({{"solarize_p", 1.0}, {"solarize_threshold", 1.0}},
                  [](const std::vector<float>& v) { return *std::max_element(v.begin(), v.end()) == 1; }),
            0);
  EXPECT_NEAR(share({{"grey_p", 0.2}}, [](const std::vector<float>& v) { return std::equal(v.begin(), v.begin() + 256, v.begin() + 256); }), 0.2,
              0.045);
}

TEST(Contrastive, EqualizesWithItsProbability) {
  // Enough pixels to spread over 256 shades, of which only the darker half is used.
  const cdc::Image image = picture(32, 32, 1, [](int y, int x, int) { return (y * 32 + x) % 128; });
  const auto brightest = [&](double p, int sample) {
    const std::vector<float> v = view(*make<cdc::Augment>("augment.contrastive", nothing({{"equalize_p", p}})), image, {5, 0, sample, 0}, 32);
    return *std::max_element(v.begin(), v.end());
  };
  EXPECT_FLOAT_EQ(brightest(0, 0), 127.0f / 255);
  EXPECT_EQ(brightest(1, 0), 1.0f);
  int equalized = 0;
  for (int i = 0; i < 500; ++i) equalized += brightest(0.3, i) == 1.0f;
  EXPECT_NEAR(equalized / 500.0, 0.3, 0.1);  // five standard deviations
}

TEST(Contrastive, JitterFactorsCoverTheirRangesInAnyOrder) {
  // A picture of one pixel's colour: brightness alone gives the factor.
  const cdc::Image image = picture(4, 4, 3, [](int, int, int) { return 100; });
  const auto brightness =
      make<cdc::Augment>("augment.contrastive", nothing({{"jitter_p", 1.0}, {"contrast", 0.0}, {"saturation", 0.0}, {"hue", 0.0}}));
  int tenth[10] = {};
  for (int i = 0; i < 2000; ++i) {
    const double factor = view(*brightness, image, {4, 1, i, 1}, 4)[0] / (100 / 255.0);
    EXPECT_GE(factor, 0.6 - 1e-5);
    EXPECT_LE(factor, 1.4 + 1e-5);
    ++tenth[std::clamp(static_cast<int>((factor - 0.6) / 0.08), 0, 9)];
  }
  for (const int count : tenth) EXPECT_NEAR(count, 200, 75);
  // Three levels 0.2, 0.6, 0.9, and a result that touches neither 0 nor 1. Brightness first: 0.9 may have been cut at 1, then the steps between the
  // levels are no longer as 4 to 3. Contrast first: they are, and the mean can be far above the 0.73 that brightness first can reach at most.
  const int levels[] = {51, 153, 230};
  const cdc::Image steps = picture(3, 3, 1, [&](int y, int, int) { return levels[y]; });
  const auto both = make<cdc::Augment>("augment.contrastive",
                                       nothing({{"jitter_p", 1.0}, {"brightness", 1.0}, {"contrast", 1.0}, {"saturation", 0.0}, {"hue", 0.0}}));
  int brightness_first = 0, contrast_first = 0, clean = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::vector<float> v = view(*both, steps, {4, 1, i, 1}, 3);
    const double low = v[0], middle = v[3], high = v[6];
    if (low < 0.01 || high > 0.99 || high - low < 0.01) continue;
    ++clean;
    const bool cut = std::abs((high - middle) / (middle - low) - 77.0 / 102) > 0.02;
    brightness_first += cut;
    contrast_first += !cut && (low + middle + high) / 3 > 0.75;
  }
  EXPECT_GT(clean, 800);
  EXPECT_GT(brightness_first, clean / 20);
  EXPECT_GT(contrast_first, clean / 100);
}

TEST(Contrastive, PlainViewIsTheCentre) {
  const cdc::Image image = noise(20, 30, 1);
  const auto augment = make<cdc::Augment>("augment.contrastive", nothing({{"size", 20}}));
  std::vector<float> out(400);
  augment->render_plain(image, 20, 20, out.data());
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 20; ++x) EXPECT_FLOAT_EQ(out[static_cast<std::size_t>(20 * y + x)], static_cast<float>(image.row(y)[5 + x]) / 255);
}

TEST(Augment, NormalisesByTheChannels) {
  const cdc::Image colour = picture(2, 2, 3, [](int, int, int) { return 255; }), grey = picture(2, 2, 1, [](int, int, int) { return 255; });
  std::vector<float> out(12);
  const auto plain = make<cdc::Augment>("augment.plain");
  plain->render(colour, {}, 2, 2, out.data());
  EXPECT_NEAR(out[0], (1 - 0.485) / 0.229, 1e-5);
  EXPECT_NEAR(out[4], (1 - 0.456) / 0.224, 1e-5);
  EXPECT_NEAR(out[8], (1 - 0.406) / 0.225, 1e-5);
  plain->render(grey, {}, 2, 2, out.data());
  EXPECT_FLOAT_EQ(out[0], 1);
  const auto one = make<cdc::Augment>("augment.contrastive", nothing({{"mean", cdc::Value::Array{0.2}}, {"std", cdc::Value::Array{0.4}}}));
  one->render_plain(colour, 2, 2, out.data());
  EXPECT_FLOAT_EQ(out[11], 2);
  const auto three = make<cdc::Augment>("augment.plain", Table{{"mean", cdc::Value::Array{0.1, 0.2, 0.3}}});
  EXPECT_EQ(error_of([&] { three->render(grey, {}, 2, 2, out.data()); }), "mean has three numbers, but the images are grey: give one");
}

TEST(Augment, TellsViewsAndSizes) {
  const auto contrastive = make<cdc::Augment>("augment.contrastive", Table{{"views", 3}, {"size", 96}});
  EXPECT_EQ(contrastive->views(), 3);
  EXPECT_EQ(contrastive->output_size(0, 0), (std::array<int, 2>{96, 96}));
  const auto plain = make<cdc::Augment>("augment.plain");
  EXPECT_EQ(plain->views(), 1);
  EXPECT_EQ(plain->output_size(28, 30), (std::array<int, 2>{28, 30}));
  EXPECT_EQ(plain->output_size(0, 0), (std::array<int, 2>{0, 0}));
}

TEST(Plain, StretchTakesAllOfTheImage) {
  const cdc::Image image = picture(10, 40, 1, [](int, int x, int) { return x < 20 ? 0 : 200; });
  std::vector<float> out(100);
  make<cdc::Augment>("augment.plain", Table{{"size", 10}, {"fit", "stretch"}, {"mean", cdc::Value::Array{0.0}}, {"std", cdc::Value::Array{1.0}}})
      ->render(image, {}, 10, 10, out.data());
  EXPECT_FLOAT_EQ(out[0], 0);
  EXPECT_FLOAT_EQ(out[9], 200.0f / 255);
  EXPECT_NEAR(out[4] + out[5], 200.0f / 255, 1e-5);
}

TEST(Augment, RefusesParametersThatContradict) {
  const auto text = [](const std::string& id, const Table& p) { return error_of([&] { make<cdc::Augment>(id, p); }); };
  const auto of = [&](const Table& p) { return text("augment.contrastive", p); };
  EXPECT_EQ(of({{"min_area", 0.5}, {"max_area", 0.4}}), "plugin 'augment.contrastive': min_area = 0.5 is above max_area = 0.4");
  EXPECT_EQ(of({{"min_aspect", 2.0}, {"max_aspect", 1.5}}), "plugin 'augment.contrastive': min_aspect = 2 is above max_aspect = 1.5");
  EXPECT_EQ(of({{"min_sigma", 3.0}}), "plugin 'augment.contrastive': min_sigma = 3 is above max_sigma = 2");
  EXPECT_EQ(of({{"blur_kernel", 4}}), "plugin 'augment.contrastive': blur_kernel = 4 is even; it must be odd, or 0");
  EXPECT_EQ(of({{"mean", cdc::Value::Array{0.1, 0.2}}}), "plugin 'augment.contrastive': mean has 2 numbers; it takes one, or three for colour");
  EXPECT_EQ(of({{"std", cdc::Value::Array{0.0}}}), "plugin 'augment.contrastive': std has 0; deviations are above 0");
  EXPECT_EQ(text("augment.plain", {{"size", 224}, {"resize", 200}}),
            "plugin 'augment.plain': resize = 200 is below size = 224: there would be nothing to cut out");
  EXPECT_EQ(text("augment.plain", {{"resize", 200}}), "plugin 'augment.plain': resize is given without size: give the size to cut out as well");
  EXPECT_EQ(text("augment.plain", {{"size", 20}, {"resize", 30}, {"fit", "stretch"}}),
            "plugin 'augment.plain': resize has no meaning with fit = \"stretch\"");
}

}  // namespace
