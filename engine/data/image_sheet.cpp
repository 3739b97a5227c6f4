#include "data/image_sheet.hpp"

// jpeglib.h needs FILE and size_t before it.
#include <cstdio>

#include <jpeglib.h>
#include <png.h>

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/pixels.hpp"

namespace cdc {
namespace {

constexpr std::uint8_t kGround = 128;
constexpr std::int64_t kLargest = JPEG_MAX_DIMENSION;
constexpr std::int64_t kChunk = 16;  ///< samples that a thread reads at a time

/// The largest height and width of the image's aspect ratio within the tile's.
pixels::Box fit(const Image& image, int tile_height, int tile_width) {
  const double scale = std::min(static_cast<double>(tile_height) / image.height, static_cast<double>(tile_width) / image.width);
  const auto scaled = [&](int length, int most) { return std::clamp(static_cast<int>(std::nearbyint(length * scale)), 1, most); };
  pixels::Box box{0, 0, scaled(image.height, tile_height), scaled(image.width, tile_width)};
  box.y = (tile_height - box.height) / 2;
  box.x = (tile_width - box.width) / 2;
  return box;
}

/// Writes an image into the box of a sheet whose rows are `stride` bytes; `tile` is where the tile begins.
void draw(const Image& image, const pixels::Box& box, std::size_t stride, std::uint8_t* tile) {
  const auto channels = static_cast<std::size_t>(image.channels), height = static_cast<std::size_t>(box.height),
             width = static_cast<std::size_t>(box.width);
  std::uint8_t* out = tile + static_cast<std::size_t>(box.y) * stride + static_cast<std::size_t>(box.x) * channels;
  if (box.height == image.height && box.width == image.width) {
    for (std::size_t y = 0; y < height; ++y) std::memcpy(out + y * stride, image.row(static_cast<int>(y)), width * channels);
    return;
  }
  std::vector<float> planes(channels * height * width);
  pixels::resize(image, {0, 0, image.height, image.width}, box.height, box.width, {0, 0, box.height, box.width}, false, planes.data());
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t y = 0; y < height; ++y)
      for (std::size_t x = 0; x < width; ++x) {
        const float value = planes[(c * height + y) * width + x] * 255;
        out[y * stride + x * channels + c] = static_cast<std::uint8_t>(std::nearbyint(std::clamp(value, 0.0f, 255.0f)));
      }
}

/// libjpeg leaves by longjmp: C++ exceptions do not pass through C code. Plain, so that a longjmp over it is defined.
struct JpegState {
  jpeg_compress_struct info;
  jpeg_error_mgr error;
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  unsigned char* memory;
  unsigned long size;
};

void jpeg_fail(j_common_ptr info) {
  auto* state = static_cast<JpegState*>(info->client_data);
  info->err->format_message(info, state->text);
  std::longjmp(state->jump, 1);
}

/// Between setjmp and the calls nothing with a destructor is made.
bool jpeg_write(JpegState& s, const Image& image, int quality) {
  if (setjmp(s.jump)) return false;
  jpeg_create_compress(&s.info);
  s.info.client_data = &s;
  jpeg_mem_dest(&s.info, &s.memory, &s.size);
  s.info.image_height = static_cast<JDIMENSION>(image.height);
  s.info.image_width = static_cast<JDIMENSION>(image.width);
  s.info.input_components = image.channels;
  s.info.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&s.info);
  jpeg_set_quality(&s.info, quality, TRUE);
  s.info.optimize_coding = TRUE;
  jpeg_start_compress(&s.info, TRUE);
  for (int y = 0; y < image.height; ++y) {
    JSAMPROW line = const_cast<JSAMPROW>(image.row(y));  // libjpeg reads it
    jpeg_write_scanlines(&s.info, &line, 1);
  }
  jpeg_finish_compress(&s.info);
  return true;
}

Error refused(const Image& image, const char* format, const char* why) {
  return Error(
      fmt::format("an image of {} x {} pixels with {} channels cannot be written as {}: {}", image.height, image.width, image.channels, format, why));
}

}  // namespace

Image make_sheet(const Dataset& data, const std::vector<std::int64_t>& samples, int tile_height, int tile_width, int columns) {
  if (samples.empty()) throw Error("a sheet of images needs at least one sample");
  const auto count = static_cast<std::int64_t>(samples.size());
  const std::int64_t height = (count + columns - 1) / columns * tile_height, width = static_cast<std::int64_t>(columns) * tile_width;
  if (height > kLargest || width > kLargest)
    throw Error(fmt::format("a sheet of {} images would be {} x {} pixels, more than {}; take fewer samples or smaller tiles", count, height, width,
                            kLargest));
  const auto channels = static_cast<std::size_t>(data.channels());
  const std::size_t stride = static_cast<std::size_t>(width) * channels, bytes = static_cast<std::size_t>(height) * stride;
  const std::shared_ptr<std::uint8_t> out(new std::uint8_t[bytes], std::default_delete<std::uint8_t[]>());
  std::memset(out.get(), kGround, bytes);
  parallel_chunks(count, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t sample = samples[static_cast<std::size_t>(i)];
      if (sample == kNoSample) continue;
      const Image image = data.image(sample);
      const auto y = static_cast<std::size_t>(i / columns * tile_height), x = static_cast<std::size_t>(i % columns * tile_width);
      draw(image, fit(image, tile_height, tile_width), stride, out.get() + y * stride + x * channels);
    }
  });
  return {static_cast<int>(height), static_cast<int>(width), data.channels(), out};
}

std::string encode_png(const Image& image) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  std::string out(PNG_IMAGE_PNG_SIZE_MAX(header), '\0');
  png_alloc_size_t size = out.size();
  if (!png_image_write_to_memory(&header, out.data(), &size, 0, image.pixels.get(), 0, nullptr)) throw refused(image, "PNG", header.message);
  out.resize(size);
  return out;
}

std::string encode_jpeg(const Image& image, int quality) {
  JpegState s{};
  s.info.err = jpeg_std_error(&s.error);
  s.error.error_exit = jpeg_fail;
  s.error.output_message = [](j_common_ptr) {};
  s.info.client_data = &s;
  const auto destroy = [](JpegState* state) {
    jpeg_destroy_compress(&state->info);
    std::free(state->memory);
  };
  const std::unique_ptr<JpegState, decltype(destroy)> guard(&s, destroy);
  if (!jpeg_write(s, image, quality)) throw refused(image, "JPEG", s.text);
  return {reinterpret_cast<char*>(s.memory), s.size};
}

}  // namespace cdc
