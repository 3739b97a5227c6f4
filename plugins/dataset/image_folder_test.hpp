#pragma once

// Image files as tests make them, and a folder of them.
#include <cstdio>

#include <jpeglib.h>
#include <png.h>

#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>
#include <tuple>

#include "dataset_test.hpp"
#include "support/files.hpp"

namespace cdc::test {

using Pixel = std::function<int(int y, int x, int channel)>;

inline std::string jpeg(int height, int width, int channels, const Pixel& pixel, bool adobe_cmyk = false) {
  jpeg_compress_struct info;
  jpeg_error_mgr error;
  info.err = jpeg_std_error(&error);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_height = static_cast<JDIMENSION>(height);
  info.image_width = static_cast<JDIMENSION>(width);
  info.input_components = channels;
  info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 98, TRUE);
  if (channels == 4) info.write_Adobe_marker = adobe_cmyk ? TRUE : FALSE;
  jpeg_start_compress(&info, TRUE);
  std::vector<JSAMPLE> row(static_cast<std::size_t>(width * channels));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) row[static_cast<std::size_t>(x * channels + c)] = static_cast<JSAMPLE>(pixel(y, x, c));
    JSAMPROW line = row.data();
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  std::string out(reinterpret_cast<char*>(memory), size);
  jpeg_destroy_compress(&info);
  std::free(memory);
  return out;
}

/// PNG of any colour type; 16 bits a channel where deep.
inline std::string png(int height, int width, int type, const Pixel& pixel, bool deep = false) {
  const int channels = type == PNG_COLOR_TYPE_GRAY ? 1 : type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2 : type == PNG_COLOR_TYPE_RGB ? 3 : 4;
  std::string out;
  png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(p);
  png_set_write_fn(
      p, &out,
      [](png_structp s, png_bytep data, std::size_t n) { static_cast<std::string*>(png_get_io_ptr(s))->append(reinterpret_cast<char*>(data), n); },
      nullptr);
  png_set_IHDR(p, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), deep ? 16 : 8, type, PNG_INTERLACE_ADAM7,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(p, info);
  std::vector<std::vector<png_byte>> rows;
  std::vector<png_bytep> lines;
  for (int y = 0; y < height; ++y) {
    rows.emplace_back();
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        for (int byte = 0; byte < (deep ? 2 : 1); ++byte) rows.back().push_back(static_cast<png_byte>(pixel(y, x, c)));
  }
  for (auto& row : rows) lines.push_back(row.data());
  png_write_image(p, lines.data());
  png_write_end(p, info);
  png_destroy_write_struct(&p, &info);
  return out;
}

/// A palette PNG of one row: red, green.
inline std::string palette_png() {
  std::string out;
  png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(p);
  png_set_write_fn(
      p, &out,
      [](png_structp s, png_bytep data, std::size_t n) { static_cast<std::string*>(png_get_io_ptr(s))->append(reinterpret_cast<char*>(data), n); },
      nullptr);
  png_set_IHDR(p, info, 2, 1, 1, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  const png_color colours[2] = {{255, 0, 0}, {0, 128, 0}};
  png_set_PLTE(p, info, colours, 2);
  png_write_info(p, info);
  png_byte row[1] = {0x40};
  png_write_row(p, row);
  png_write_end(p, info);
  png_destroy_write_struct(&p, &info);
  return out;
}

inline int ramp(int y, int x, int c) { return c == 3 ? 50 : 6 * y + 2 * x + 40 * c; }

inline void expect_near(const cdc::Image& image, int height, int width, int channels, const Pixel& pixel, int tolerance) {
  ASSERT_EQ(image.height, height);
  ASSERT_EQ(image.width, width);
  ASSERT_EQ(image.channels, channels);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) ASSERT_NEAR(image.row(y)[x * channels + c], pixel(y, x, c), tolerance) << y << ' ' << x << ' ' << c;
}

/// A folder of them, opened.
class ImageFolderTest : public ::testing::Test {
 protected:
  std::shared_ptr<const cdc::Dataset> open(const cdc::Value::Table& more = {}) {
    cdc::Value::Table p = more;
    if (std::none_of(more.begin(), more.end(), [](const auto& entry) { return entry.first == "root"; }))
      p.emplace_back("root", folder.path().string());
    harness.outputs.clear();
    harness.warnings.clear();
    return open_dataset("dataset.image_folder", p, harness);
  }
  std::string message(const cdc::Value::Table& more = {}) {
    return error_of([&] { open(more); });
  }
  std::string path(const std::string& name) { return (folder.path() / name).string(); }
  std::string flat_png(int value) {
    return png(2, 2, PNG_COLOR_TYPE_GRAY, [value](int, int, int) { return value; });
  }
  TemporaryFolder folder;
  StageHarness harness;
};

}  // namespace cdc::test
