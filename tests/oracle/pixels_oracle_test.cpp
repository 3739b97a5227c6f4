// The pixel operations beside PyTorch and torchvision's formulas (tests/oracle/pixels.py).
#include <gtest/gtest.h>

#include <cmath>

#include "cdc/augment.hpp"
#include "cdc/pixels.hpp"
#include "support/oracle.hpp"
#include "support/stage_harness.hpp"

namespace {

namespace px = cdc::pixels;
using cdc::Value;

const Value& oracle() {
  static const Value result = cdc::test::run_oracle("pixels");
  return result;
}

int number(const Value& list, std::size_t i) { return static_cast<int>(list.as_array().at(i).as_integer()); }

/// The script's image: channels, height, width.
cdc::Image image_of(const Value& shape) {
  const int c = number(shape, 0), h = number(shape, 1), w = number(shape, 2);
  const std::int64_t n = std::int64_t{c} * h * w;
  std::shared_ptr<std::uint8_t> p(new std::uint8_t[static_cast<std::size_t>(n)], std::default_delete<std::uint8_t[]>());
  for (std::int64_t i = 0; i < n; ++i) p.get()[i] = static_cast<std::uint8_t>((i * i * 31 + i * 17 + i / 7) % 256);
  return {h, w, c, p};
}
std::vector<float> planes_of(const cdc::Image& image) {
  std::vector<float> out;
  for (int c = 0; c < image.channels; ++c)
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < image.width; ++x) out.push_back(static_cast<float>(image.row(y)[x * image.channels + c]) / 255);
  return out;
}
void expect_same(const std::vector<float>& got, const Value& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), expected.as_array().size()) << what;
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(got[i]) - expected.as_array()[i].as_real()));
  EXPECT_LT(worst, tolerance) << what;
}
std::string without_result(Value c) {
  c["result"] = Value();
  return c.to_json();
}

TEST(PixelsOracle, Resize) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("resize").as_array()) {
    const cdc::Image image = image_of(c.at("image"));
    const Value &box = c.at("box"), &size = c.at("size");
    const int h = number(size, 0), w = number(size, 1);
    std::vector<float> out(static_cast<std::size_t>(h * w * image.channels));
    px::resize(image, {number(box, 0), number(box, 1), number(box, 2), number(box, 3)}, h, w, {0, 0, h, w}, false, out.data());
    expect_same(out, c.at("result"), 2e-6, without_result(c));
  }
}

TEST(PixelsOracle, PlainIsResizeAndCentreCrop) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("plain").as_array()) {
    const cdc::Image image = image_of(c.at("image"));
    const auto size = static_cast<int>(c.at("size").as_integer());
    const auto plain = cdc::test::make<cdc::Augment>(
        "augment.plain", Value::Table{{"size", size}, {"resize", c.at("shorter")}, {"mean", Value::Array{0.0}}, {"std", Value::Array{1.0}}});
    std::vector<float> out(static_cast<std::size_t>(size * size * image.channels));
    plain->render(image, {}, size, size, out.data());
    expect_same(out, c.at("result"), 2e-6, without_result(c));
  }
}

TEST(PixelsOracle, Colours) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("colour").as_array()) {
    const cdc::Image image = image_of(c.at("image"));
    std::vector<float> out = planes_of(image);
    const std::string& name = c.at("name").as_string();
    const auto factor = static_cast<float>(c.at("factor").as_real());
    const std::size_t n = static_cast<std::size_t>(image.height * image.width);
    if (name == "brightness") px::adjust_brightness(out.data(), image.channels, n, factor);
    if (name == "contrast") px::adjust_contrast(out.data(), image.channels, n, factor);
    if (name == "saturation") px::adjust_saturation(out.data(), image.channels, n, factor);
    if (name == "hue") px::adjust_hue(out.data(), image.channels, n, factor);
    if (name == "solarize") px::solarize(out.data(), image.channels, n, factor);
    if (name == "grey") px::to_grey(out.data(), image.channels, n);
    expect_same(out, c.at("result"), 3e-6, without_result(c));
  }
}

TEST(PixelsOracle, Equalize) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("equalize").as_array()) {
    const cdc::Image image = image_of(c.at("image"));
    const std::string& change = c.at("change").as_string();
    std::vector<float> out = planes_of(image);
    for (float& v : out) v = change == "dark" && v < 0.5f ? 0.0f : change == "flat" ? 0.4f : v;
    px::equalize(out.data(), image.channels, static_cast<std::size_t>(image.height * image.width));
    expect_same(out, c.at("result"), 1e-6, without_result(c));
  }
}

TEST(PixelsOracle, Blur) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("blur").as_array()) {
    const cdc::Image image = image_of(c.at("image"));
    std::vector<float> out = planes_of(image);
    px::gaussian_blur(out.data(), image.channels, image.height, image.width, static_cast<int>(c.at("kernel").as_integer()), c.at("sigma").as_real());
    expect_same(out, c.at("result"), 2e-6, without_result(c));
  }
}

TEST(PixelsOracle, Rotation) {
  CDC_NEEDS_ORACLE(oracle());
  for (const Value& c : oracle().at("rotate").as_array()) {
    const cdc::Image image = image_of(c.at("image"));
    std::vector<float> out = planes_of(image);
    px::rotate(out.data(), image.channels, image.height, image.width, c.at("degrees").as_real());
    expect_same(out, c.at("result"), 3e-5, without_result(c));  // positions in float32
  }
}

}  // namespace
