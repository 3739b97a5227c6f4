#include "data/image_sheet.hpp"

// jpeglib.h needs FILE and size_t before it.
#include <cstdio>

#include <gtest/gtest.h>
#include <jpeglib.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <png.h>

#include <functional>
#include <utility>

#include "cdc/random.hpp"
#include "support/errors.hpp"

namespace {

using cdc::Image;
using cdc::kNoSample;
using cdc::test::error_of;
using Pixel = std::function<int(int y, int x, int channel)>;

Image make_image(int height, int width, int channels, const Pixel& pixel) {
  const std::shared_ptr<std::uint8_t> p(new std::uint8_t[static_cast<std::size_t>(height * width * channels)], std::default_delete<std::uint8_t[]>());
  std::size_t i = 0;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) p.get()[i++] = static_cast<std::uint8_t>(pixel(y, x, c));
  return {height, width, channels, p};
}
Image plain(int height, int width, int channels, int value) {
  return make_image(height, width, channels, [&](int, int, int c) { return value + c; });
}
Image noise(int height, int width, int channels, std::uint64_t seed) {
  cdc::Random random(seed);
  return make_image(height, width, channels, [&](int, int, int) { return static_cast<int>(random.next32() & 255); });
}
std::vector<std::uint8_t> bytes_of(const Image& image) { return {image.pixels.get(), image.row(image.height)}; }
int at(const Image& image, int y, int x, int c = 0) { return image.row(y)[x * image.channels + c]; }

class Images final : public cdc::Dataset {
 public:
  explicit Images(std::vector<Image> images) : images_(std::move(images)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(images_.size()); }
  int channels() const override { return images_.front().channels; }
  std::array<int, 2> image_size() const override { return {0, 0}; }
  Image image(std::int64_t i) const override {
    if (images_[static_cast<std::size_t>(i)].height == 0) throw cdc::Error("b.png: damaged PNG (cut short)");
    return images_[static_cast<std::size_t>(i)];
  }
  const std::vector<std::int32_t>& labels() const override { return labels_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string split() const override { return "train"; }
  std::string sample_name(std::int64_t i) const override { return std::to_string(i); }

 private:
  std::vector<Image> images_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_;
};

Image decoded_png(const std::string& bytes, int channels) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  EXPECT_TRUE(png_image_begin_read_from_memory(&header, bytes.data(), bytes.size())) << header.message;
  EXPECT_EQ(PNG_IMAGE_PIXEL_CHANNELS(header.format), static_cast<unsigned>(channels));
  header.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  const std::shared_ptr<std::uint8_t> p(new std::uint8_t[PNG_IMAGE_SIZE(header)], std::default_delete<std::uint8_t[]>());
  EXPECT_TRUE(png_image_finish_read(&header, nullptr, p.get(), 0, nullptr)) << header.message;
  return {static_cast<int>(header.height), static_cast<int>(header.width), channels, p};
}

Image decoded_jpeg(const std::string& bytes, int channels) {
  jpeg_decompress_struct info;
  jpeg_error_mgr error;
  info.err = jpeg_std_error(&error);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  EXPECT_EQ(info.num_components, channels);
  jpeg_start_decompress(&info);
  const std::size_t stride = info.output_width * static_cast<std::size_t>(channels);
  const std::shared_ptr<std::uint8_t> p(new std::uint8_t[info.output_height * stride], std::default_delete<std::uint8_t[]>());
  while (info.output_scanline < info.output_height) {
    JSAMPROW line = p.get() + info.output_scanline * stride;
    jpeg_read_scanlines(&info, &line, 1);
  }
  const Image out{static_cast<int>(info.output_height), static_cast<int>(info.output_width), channels, p};
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return out;
}

TEST(ImageSheet, ImagesOfTheTilesSizeAreCopied) {
  for (const int channels : {1, 3}) {
    const Images data({noise(4, 5, channels, 1), noise(4, 5, channels, 2), noise(4, 5, channels, 3)});
    const Image sheet = cdc::make_sheet(data, {2, 0, kNoSample, 1, 1}, 4, 5, 2);
    ASSERT_EQ(sheet.height, 12);
    ASSERT_EQ(sheet.width, 10);
    ASSERT_EQ(sheet.channels, channels);
    const std::int64_t shown[6] = {2, 0, kNoSample, 1, 1, kNoSample};
    for (int y = 0; y < sheet.height; ++y)
      for (int x = 0; x < sheet.width; ++x)
        for (int c = 0; c < channels; ++c) {
          const std::int64_t sample = shown[y / 4 * 2 + x / 5];
          ASSERT_EQ(at(sheet, y, x, c), sample == kNoSample ? 128 : at(data.image(sample), y % 4, x % 5, c)) << y << ' ' << x << ' ' << c;
        }
  }
}

// Wider than the tile, higher, smaller, and one so long that its other side would round to nothing: a whole image of one colour stays that colour.
TEST(ImageSheet, OtherImagesKeepTheirAspectRatioAndStandInTheMiddle) {
  const Images data({plain(10, 40, 3, 200), plain(30, 10, 3, 50), plain(2, 2, 3, 90), plain(1, 500, 3, 10)});
  const Image sheet = cdc::make_sheet(data, {0, 1, 2, 3}, 8, 10, 4);
  const auto expect = [&](int tile, int top, int left, int height, int width, int value) {
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 10; ++x)
        for (int c = 0; c < 3; ++c) {
          const bool inside = y >= top && y < top + height && x >= left && x < left + width;
          ASSERT_EQ(at(sheet, y, 10 * tile + x, c), inside ? value + c : 128) << tile << ": " << y << ' ' << x << ' ' << c;
        }
  };
  expect(0, 3, 0, 2, 10, 200);  // 2.5 rounds to even
  expect(1, 0, 3, 8, 3, 50);
  expect(2, 0, 1, 8, 8, 90);
  expect(3, 3, 0, 1, 10, 10);
}

// The triangle filter reaches one target pixel further: of four source pixels a target pixel takes 3/7, 3/7, 1/7 and 0.
TEST(ImageSheet, AnImageOfTwiceTheSizeIsAveraged) {
  const Images data({make_image(4, 4, 1, [](int y, int x, int) { return y < 2 ? 10 : x < 2 ? 100 : 250; })});
  const Image sheet = cdc::make_sheet(data, {0}, 2, 2, 1);
  EXPECT_EQ(bytes_of(sheet), (std::vector<std::uint8_t>{26, 41, 106, 197}));  // (6 * 10 + (6 * 100 + 250) / 7) / 7 = 25.9, ...
}

TEST(ImageSheet, AnyNumberOfThreadsGivesTheSame) {
  std::vector<Image> images;
  std::vector<std::int64_t> all;
  for (int i = 0; i < 100; ++i) {
    images.push_back(noise(5 + i % 7, 5 + i % 11, 3, static_cast<std::uint64_t>(i)));
    all.push_back(i);
  }
  const Images data(std::move(images));
  std::vector<std::uint8_t> one, four;
  const oneapi::tbb::global_control threads(oneapi::tbb::global_control::max_allowed_parallelism, 4);
  oneapi::tbb::task_arena(1).execute([&] { one = bytes_of(cdc::make_sheet(data, all, 9, 9, 12)); });
  oneapi::tbb::task_arena(4).execute([&] { four = bytes_of(cdc::make_sheet(data, all, 9, 9, 12)); });
  EXPECT_EQ(one, four);
}

TEST(ImageSheet, RefusesWhatCannotBeDrawn) {
  const Images data({plain(3, 3, 1, 0), Image{}});
  EXPECT_EQ(error_of([&] { cdc::make_sheet(data, {}, 3, 3, 1); }), "a sheet of images needs at least one sample");
  EXPECT_EQ(error_of([&] { cdc::make_sheet(data, std::vector<std::int64_t>(70000, 0), 3, 3, 3); }),
            "a sheet of 70000 images would be 70002 x 9 pixels, more than 65500; take fewer samples or smaller tiles");
  EXPECT_EQ(error_of([&] { cdc::make_sheet(data, {0}, 3, 3, 30000); }),
            "a sheet of 1 images would be 3 x 90000 pixels, more than 65500; take fewer samples or smaller tiles");
  EXPECT_EQ(error_of([&] { cdc::make_sheet(data, {0, 1}, 3, 3, 2); }), "b.png: damaged PNG (cut short)");
}

TEST(EncodeImage, PngKeepsEveryPixel) {
  for (const int channels : {1, 3}) {
    const Image image = noise(13, 7, channels, 5);
    const Image back = decoded_png(cdc::encode_png(image), channels);
    ASSERT_EQ(back.height, 13);
    ASSERT_EQ(back.width, 7);
    EXPECT_EQ(bytes_of(back), bytes_of(image));
  }
}

TEST(EncodeImage, JpegIsNear) {
  for (const int channels : {1, 3}) {
    const Image image = make_image(32, 48, channels, [](int y, int x, int c) { return 3 * y + 2 * x + 20 * c; });
    const std::string good = cdc::encode_jpeg(image, 95), small = cdc::encode_jpeg(image, 20);
    EXPECT_LT(small.size(), good.size());
    const Image back = decoded_jpeg(good, channels);
    ASSERT_EQ(back.height, 32);
    ASSERT_EQ(back.width, 48);
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 48; ++x)
        for (int c = 0; c < channels; ++c) ASSERT_NEAR(at(back, y, x, c), at(image, y, x, c), 8) << y << ' ' << x << ' ' << c;
  }
}

TEST(EncodeImage, SaysWhatTheLibrariesRefuse) {
  EXPECT_EQ(error_of([] { cdc::encode_jpeg(plain(1, 65501, 1, 0), 90); }),
            "an image of 1 x 65501 pixels with 1 channels cannot be written as JPEG: Maximum supported image dimension is 65500 pixels");
  EXPECT_NE(
      error_of([] { cdc::encode_png(plain(1, 1000001, 1, 0)); }).find("an image of 1 x 1000001 pixels with 1 channels cannot be written as PNG: "),
      std::string::npos);
}

}  // namespace
