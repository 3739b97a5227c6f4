#include "cdc/pixels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "cdc/random.hpp"

namespace {

namespace px = cdc::pixels;

cdc::Image noise(int height, int width, int channels, std::uint64_t seed = 1) {
  const auto n = static_cast<std::size_t>(height * width * channels);
  std::shared_ptr<std::uint8_t> p(new std::uint8_t[n], std::default_delete<std::uint8_t[]>());
  cdc::Random random(seed);
  for (std::size_t i = 0; i < n; ++i) p.get()[i] = static_cast<std::uint8_t>(random.next32());
  return {height, width, channels, p};
}
std::vector<float> random_planes(std::size_t n, std::uint64_t seed = 2) {
  std::vector<float> out(n);
  cdc::Random random(seed);
  for (float& v : out) v = static_cast<float>(random.uniform());
  return out;
}
std::vector<float> resized(const cdc::Image& image, const px::Box& box, int h, int w, const px::Box& window, bool flip = false) {
  std::vector<float> out(static_cast<std::size_t>(window.height * window.width * image.channels), -1);
  px::resize(image, box, h, w, window, flip, out.data());
  return out;
}

/// The definition, pixel by pixel in double: a triangle of half-width max(1, scale) around the target pixel's centre, over the box.
double resized_pixel(const cdc::Image& image, const px::Box& box, int h, int w, int y, int x, int c) {
  const auto weights = [](int source, int target, int i) {
    const double scale = static_cast<double>(source) / target, support = std::max(1.0, scale);
    std::vector<double> out(static_cast<std::size_t>(source));
    double sum = 0;
    for (int j = 0; j < source; ++j) sum += out[static_cast<std::size_t>(j)] = std::max(0.0, 1 - std::abs(j + 0.5 - scale * (i + 0.5)) / support);
    for (double& v : out) v /= sum;
    return out;
  };
  const auto rows = weights(box.height, h, y), columns = weights(box.width, w, x);
  double sum = 0;
  for (int j = 0; j < box.height; ++j)
    for (int i = 0; i < box.width; ++i)
      sum += rows[static_cast<std::size_t>(j)] * columns[static_cast<std::size_t>(i)] * image.row(box.y + j)[(box.x + i) * image.channels + c];
  return sum / 255;
}

TEST(Resize, IsTheTriangleFilterOfTheBox) {
  cdc::Random random(7);
  for (int round = 0; round < 60; ++round) {
    const auto below = [&](int n) { return 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(n))); };
    const cdc::Image image = noise(below(40), below(40), round % 2 ? 1 : 3, static_cast<std::uint64_t>(round));
    px::Box box;
    box.height = below(image.height);
    box.width = below(image.width);
    box.y = below(image.height - box.height + 1) - 1;
    box.x = below(image.width - box.width + 1) - 1;
    const int h = below(40), w = below(40);
    const std::vector<float> out = resized(image, box, h, w, {0, 0, h, w});
    for (int c = 0; c < image.channels; ++c)
      for (int y = 0; y < h; ++y)
        for (int x = 0; x < w; ++x)
          ASSERT_NEAR(out[static_cast<std::size_t>((c * h + y) * w + x)], resized_pixel(image, box, h, w, y, x, c), 2e-6)
              << round << ' ' << c << ' ' << y << ' ' << x;
  }
}

TEST(Resize, SameSizeCopies) {
  const cdc::Image image = noise(9, 13, 3);
  const std::vector<float> out = resized(image, {2, 3, 5, 7}, 5, 7, {0, 0, 5, 7});
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 5; ++y)
      for (int x = 0; x < 7; ++x)
        EXPECT_FLOAT_EQ(out[static_cast<std::size_t>((c * 5 + y) * 7 + x)], static_cast<float>(image.row(2 + y)[(3 + x) * 3 + c]) / 255);
}

TEST(Resize, AWindowIsPartOfTheWhole) {
  const cdc::Image image = noise(50, 70, 3);
  const px::Box box{3, 4, 40, 60}, window{5, 7, 12, 11};
  const std::vector<float> all = resized(image, box, 24, 30, {0, 0, 24, 30}), part = resized(image, box, 24, 30, window),
                           mirrored = resized(image, box, 24, 30, window, true);
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 12; ++y) {
      for (int x = 0; x < 11; ++x) {
        const auto at = static_cast<std::size_t>((c * 12 + y) * 11);
        EXPECT_EQ(part[at + static_cast<std::size_t>(x)], all[static_cast<std::size_t>((c * 24 + y + 5) * 30 + x + 7)]);
        EXPECT_EQ(mirrored[at + static_cast<std::size_t>(10 - x)], part[at + static_cast<std::size_t>(x)]);
      }
    }
  }
}

TEST(CentreBox, HasTheTargetsAspect) {
  const auto expect = [](const px::Box& box, int y, int x, int height, int width) {
    EXPECT_EQ(box.y, y);
    EXPECT_EQ(box.x, x);
    EXPECT_EQ(box.height, height);
    EXPECT_EQ(box.width, width);
  };
  expect(px::centre_box(375, 500, 224, 224), 0, 62, 375, 375);
  expect(px::centre_box(500, 375, 224, 224), 62, 0, 375, 375);
  expect(px::centre_box(32, 32, 28, 28), 0, 0, 32, 32);
  expect(px::centre_box(100, 100, 1, 1000), 49, 0, 1, 100);
  expect(px::centre_box(100, 200, 10, 20), 0, 0, 100, 200);
}

TEST(Colour, BrightnessAndContrast) {
  std::vector<float> v{0.1f, 0.5f, 0.9f};
  px::adjust_brightness(v.data(), 1, 3, 1.5f);
  EXPECT_FLOAT_EQ(v[0], 0.15f);
  EXPECT_FLOAT_EQ(v[1], 0.75f);
  EXPECT_FLOAT_EQ(v[2], 1.0f);
  v = {0.1f, 0.5f, 0.9f};
  px::adjust_contrast(v.data(), 1, 3, 0.5f);
  EXPECT_FLOAT_EQ(v[0], 0.3f);
  EXPECT_FLOAT_EQ(v[1], 0.5f);
  px::adjust_contrast(v.data(), 1, 3, 0.0f);
  for (const float x : v) EXPECT_FLOAT_EQ(x, 0.5f);
  v = {1, 0, 0, 1, 0, 0};  // red and green
  px::adjust_contrast(v.data(), 3, 2, 0.0f);
  for (const float x : v) EXPECT_FLOAT_EQ(x, (0.2989f + 0.587f) / 2);
}

TEST(Colour, ContrastTakesTheMeanOfALargeImage) {
  std::vector<float> v = random_planes(3 * 100003);
  double mean = 0;
  for (std::size_t i = 0; i < 100003; ++i) mean += (0.2989 * v[i] + 0.587 * v[100003 + i] + 0.114 * v[2 * 100003 + i]) / 100003;
  px::adjust_contrast(v.data(), 3, 100003, 0.0f);
  EXPECT_NEAR(v[12345], mean, 1e-6);
}

TEST(Colour, SaturationAndGrey) {
  std::vector<float> v = random_planes(3 * 37), grey = v, unchanged = v;
  px::adjust_saturation(unchanged.data(), 3, 37, 1.0f);
  for (std::size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(unchanged[i], v[i], 1e-6);
  px::to_grey(grey.data(), 3, 37);
  for (std::size_t i = 0; i < 37; ++i) {
    EXPECT_NEAR(grey[i], 0.2989 * v[i] + 0.587 * v[37 + i] + 0.114 * v[74 + i], 1e-6);
    EXPECT_EQ(grey[i], grey[37 + i]);
    EXPECT_EQ(grey[i], grey[74 + i]);
  }
  px::adjust_saturation(v.data(), 3, 37, 0.0f);
  for (std::size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(v[i], grey[i], 1e-6);
}

TEST(Colour, AThirdOfTheCircleMovesTheChannelsOn) {
  const std::vector<float> v = random_planes(3 * 41);
  std::vector<float> turned = v;
  px::adjust_hue(turned.data(), 3, 41, 1.0f / 3);  // red becomes green
  for (std::size_t i = 0; i < 41; ++i) {
    EXPECT_NEAR(turned[41 + i], v[i], 2e-6);
    EXPECT_NEAR(turned[82 + i], v[41 + i], 2e-6);
    EXPECT_NEAR(turned[i], v[82 + i], 2e-6);
  }
  px::adjust_hue(turned.data(), 3, 41, -1.0f / 3);
  for (std::size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(turned[i], v[i], 4e-6);
}

TEST(Colour, ClippingOnceAtTheEndKeepsWhatComesBack) {
  std::vector<float> each{0.6f, 0.9f}, end = each;
  px::adjust_brightness(each.data(), 1, 2, 2.0f);
  px::adjust_contrast(each.data(), 1, 2, 0.5f);
  EXPECT_EQ(each, (std::vector<float>{1.0f, 1.0f}));  // all texture lost
  px::adjust_brightness(end.data(), 1, 2, 2.0f, false);
  EXPECT_FLOAT_EQ(end[1], 1.8f);
  px::adjust_contrast(end.data(), 1, 2, 4.0f, false);  // around the mean 1.5
  EXPECT_NEAR(end[0], 0.3f, 1e-6);
  px::clip(end.data(), 1, 2);
  EXPECT_NEAR(end[0], 0.3f, 1e-6);
  EXPECT_EQ(end[1], 1.0f);
  std::vector<float> colour{0.2f, 0.9f, 0.4f};
  px::adjust_saturation(colour.data(), 3, 1, 3.0f, false);
  EXPECT_GT(colour[1], 1.0f);
  EXPECT_LT(colour[0], 0.0f);
}

TEST(Colour, GreyPixelsHaveNoHueAndOneChannelNoColour) {
  std::vector<float> v{0, 0.25f, 1, 0, 0.25f, 1, 0, 0.25f, 1};
  const std::vector<float> before = v;
  px::adjust_hue(v.data(), 3, 3, 0.3f);
  EXPECT_EQ(v, before);
  for (const bool hue : {true, false}) {
    const auto change = [hue](float* image, int channels, std::size_t n, float by) {
      if (hue) return px::adjust_hue(image, channels, n, by);
      px::adjust_saturation(image, channels, n, by);
    };
    change(v.data(), 1, 9, 0.3f);
    EXPECT_EQ(v, before);
  }
  px::to_grey(v.data(), 1, 9);
  EXPECT_EQ(v, before);
}

TEST(Colour, SolarizeTurnsBrightValuesOver) {
  std::vector<float> v{0.0f, 0.25f, 0.5f, 0.9f, 1.0f};
  px::solarize(v.data(), 1, 5, 0.5f);
  EXPECT_EQ(v, (std::vector<float>{0.0f, 0.25f, 0.5f, 1.0f - 0.9f, 0.0f}));
}

TEST(Colour, EqualizeSpreadsTheShadesOfEachChannel) {
  // 1020 pixels in shades 100 to 103, as many of each: step = 765 / 255 = 3, so a shade goes to (pixels below + 1) / 3.
  std::vector<float> v(2040);
  for (std::size_t i = 0; i < 1020; ++i) v[i] = static_cast<float>(100 + i % 4) / 255, v[1020 + i] = 0.7f;  // the second channel has one shade
  std::vector<float> three = v;
  three.resize(3060, 0.0f);
  px::equalize(three.data(), 3, 1020);
  for (std::size_t i = 0; i < 1020; ++i) {
    ASSERT_FLOAT_EQ(three[i], static_cast<float>(i % 4 * 85) / 255) << i;
    ASSERT_EQ(three[1020 + i], 0.7f);
  }
}

TEST(Colour, Normalise) {
  std::vector<float> v{0, 1, 0.5f, 0.25f};
  const float mean[] = {0.5f, 0.25f}, deviation[] = {0.5f, 0.125f};
  px::normalise(v.data(), 2, 2, mean, deviation);
  EXPECT_EQ(v, (std::vector<float>{-1, 1, 2, 0}));
}

TEST(Blur, OfAPointIsTheKernel) {
  const int size = 41, middle = 20;
  for (const double sigma : {0.1, 0.8, 2.0}) {
    std::vector<float> v(size * size, 0.0f);
    v[middle * size + middle] = 1;
    px::gaussian_blur(v.data(), 1, size, size, 9, sigma);
    double sum = 0;
    for (int k = -4; k <= 4; ++k) sum += std::exp(-0.5 * k * k / sigma / sigma);
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        const int dy = y - middle, dx = x - middle;
        const double expected = std::abs(dy) > 4 || std::abs(dx) > 4 ? 0 : std::exp(-0.5 * (dx * dx + dy * dy) / sigma / sigma) / sum / sum;
        ASSERT_NEAR(v[static_cast<std::size_t>(y * size + x)], expected, 1e-7) << sigma << ' ' << y << ' ' << x;
      }
    }
  }
}

TEST(Blur, BordersAreMirroredAndWideKernelsShortened) {
  std::vector<float> v{1, 0, 0, 0};  // one row cannot be mirrored, so nothing is blurred
  px::gaussian_blur(v.data(), 1, 1, 4, 3, 1.0);
  EXPECT_EQ(v, (std::vector<float>{1, 0, 0, 0}));
  std::vector<float> wide = random_planes(3 * 3), constant(5 * 7, 0.25f);
  px::gaussian_blur(wide.data(), 1, 3, 3, 255, 50.0);  // five taps remain
  for (const float x : wide) {
    EXPECT_GE(x, 0);
    EXPECT_LE(x, 1);
  }
  px::gaussian_blur(constant.data(), 1, 5, 7, 9, 3.0);
  for (const float x : constant) EXPECT_NEAR(x, 0.25f, 1e-6);
}

TEST(Rotate, QuarterTurnsMovePixels) {
  const int n = 7;
  const std::vector<float> v = random_planes(n * n);
  std::vector<float> turned = v;
  px::rotate(turned.data(), 1, n, n, 90);
  for (int y = 0; y < n; ++y)
    for (int x = 0; x < n; ++x)
      EXPECT_NEAR(turned[static_cast<std::size_t>((n - 1 - x) * n + y)], v[static_cast<std::size_t>(y * n + x)], 1e-5);  // right becomes top
  std::vector<float> same = v;
  px::rotate(same.data(), 1, n, n, 0);
  EXPECT_EQ(same, v);
}

TEST(Rotate, IsBlackOutside) {
  std::vector<float> v(3 * 20 * 30, 1.0f);
  px::rotate(v.data(), 3, 20, 30, 45);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(v[c * 600], 0.0f);
    EXPECT_NEAR(v[c * 600 + 10 * 30 + 15], 1.0f, 1e-6);
  }
}

}  // namespace
