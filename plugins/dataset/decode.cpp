#include "decode.hpp"

// jpeglib.h needs FILE and size_t before it.
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csetjmp>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "cdc/error.hpp"

namespace cdc::dataset {

namespace {

constexpr std::uint64_t kMaximumPixels = std::uint64_t{1} << 28;  // 16384 x 16384: beyond that a header is taken for damaged

std::shared_ptr<std::uint8_t> allocate(std::size_t bytes) {
  return std::shared_ptr<std::uint8_t>(new std::uint8_t[bytes], std::default_delete<std::uint8_t[]>());
}

std::uint8_t luma(unsigned r, unsigned g, unsigned b) { return static_cast<std::uint8_t>((r * 19595u + g * 38470u + b * 7471u + 0x8000u) >> 16); }

/// libjpeg and libpng leave by longjmp: C++ exceptions do not pass through C code. Between setjmp and the call nothing with a destructor is made.
struct JpegError {
  jpeg_error_mgr base;  // first: libjpeg sees only this
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  bool damaged;
};

void jpeg_fail(j_common_ptr info) {
  auto* error = reinterpret_cast<JpegError*>(info->err);
  info->err->format_message(info, error->text);
  std::longjmp(error->jump, 1);
}

void jpeg_message(j_common_ptr info, int level) {
  if (level >= 0) return;  // trace
  auto* error = reinterpret_cast<JpegError*>(info->err);
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
      if (!error->damaged) info->err->format_message(info, error->text);
      error->damaged = true;
      break;
    default:
      break;  // harmless: the picture is whole (extraneous bytes, an odd header)
  }
}

/// What a decoder works on; plain, so that a longjmp over it is defined.
struct JpegState {
  jpeg_decompress_struct info;
  JpegError error;
  std::uint8_t* rows = nullptr;
};

bool jpeg_begin(JpegState& s, const std::uint8_t* data, std::size_t size, int channels) {
  if (setjmp(s.error.jump)) return false;
  jpeg_create_decompress(&s.info);
  jpeg_mem_src(&s.info, data, static_cast<unsigned long>(size));
  jpeg_read_header(&s.info, TRUE);
  const bool cmyk = s.info.jpeg_color_space == JCS_CMYK || s.info.jpeg_color_space == JCS_YCCK;
  s.info.out_color_space = cmyk ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  s.info.dct_method = JDCT_ISLOW;
  jpeg_calc_output_dimensions(&s.info);
  return true;
}

bool jpeg_rows(JpegState& s) {
  if (setjmp(s.error.jump)) return false;
  jpeg_start_decompress(&s.info);
  const std::size_t stride = static_cast<std::size_t>(s.info.output_width) * static_cast<std::size_t>(s.info.output_components);
  while (s.info.output_scanline < s.info.output_height) {
    JSAMPROW lines[8];
    for (unsigned l = 0; l < 8; ++l) lines[l] = s.rows + (s.info.output_scanline + l) * stride;  // those beyond the last row are not written
    const JDIMENSION left = s.info.output_height - s.info.output_scanline;
    jpeg_read_scanlines(&s.info, lines, left < 8 ? left : 8);
  }
  jpeg_finish_decompress(&s.info);
  return true;
}

/// CMYK to RGB or grey without colour profiles; Adobe's files hold inverted values.
void convert_cmyk(const std::uint8_t* cmyk, std::size_t pixels, bool inverted, int channels, std::uint8_t* out) {
  for (std::size_t i = 0; i < pixels; ++i) {
    unsigned v[4];
    for (std::size_t k = 0; k < 4; ++k) v[k] = inverted ? cmyk[4 * i + k] : 255u - cmyk[4 * i + k];
    const unsigned r = (v[0] * v[3] + 127) / 255, g = (v[1] * v[3] + 127) / 255, b = (v[2] * v[3] + 127) / 255;
    if (channels == 1) {
      out[i] = luma(r, g, b);
    } else {
      out[3 * i] = static_cast<std::uint8_t>(r);
      out[3 * i + 1] = static_cast<std::uint8_t>(g);
      out[3 * i + 2] = static_cast<std::uint8_t>(b);
    }
  }
}

void check_size(std::uint64_t width, std::uint64_t height, const std::string& name) {
  if (width * height > kMaximumPixels)
    throw Error(fmt::format("{}: {} x {} pixels are too many for an image of a data set; it is taken for damaged", name, width, height));
}

Image decode_jpeg(const std::uint8_t* data, std::size_t size, int channels, const std::string& name) {
  JpegState s{};
  s.info.err = jpeg_std_error(&s.error.base);
  s.error.base.error_exit = jpeg_fail;
  s.error.base.emit_message = jpeg_message;
  const auto destroy = [](JpegState* state) { jpeg_destroy_decompress(&state->info); };
  const std::unique_ptr<JpegState, decltype(destroy)> guard(&s, destroy);
  const auto damaged = [&] { return Error(fmt::format("{}: damaged JPEG ({})", name, s.error.text)); };

  if (!jpeg_begin(s, data, size, channels)) throw damaged();
  check_size(s.info.output_width, s.info.output_height, name);
  const bool cmyk = s.info.out_color_space == JCS_CMYK;
  const int height = static_cast<int>(s.info.output_height), width = static_cast<int>(s.info.output_width);
  const std::size_t pixels = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  std::shared_ptr<std::uint8_t> out = allocate(pixels * static_cast<std::size_t>(cmyk ? 4 : channels));
  s.rows = out.get();
  if (!jpeg_rows(s) || s.error.damaged) throw damaged();
  if (cmyk) {
    std::shared_ptr<std::uint8_t> converted = allocate(pixels * static_cast<std::size_t>(channels));
    convert_cmyk(out.get(), pixels, s.info.saw_Adobe_marker != 0, channels, converted.get());
    out = std::move(converted);
  }
  return {height, width, channels, std::move(out)};
}

struct PngState {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const std::uint8_t* data = nullptr;
  std::size_t left = 0;
  char text[200] = {};
  png_uint_32 width = 0, height = 0;
  int channels = 0;
  std::uint8_t* pixels = nullptr;
  png_bytep* rows = nullptr;
};

void png_fail(png_structp png, png_const_charp text) {
  auto* s = static_cast<PngState*>(png_get_error_ptr(png));
  std::strncpy(s->text, text, sizeof(s->text) - 1);
  png_longjmp(png, 1);
}
void png_ignore(png_structp, png_const_charp) {}

void png_pull(png_structp png, png_bytep out, std::size_t bytes) {
  auto* s = static_cast<PngState*>(png_get_io_ptr(png));
  if (bytes > s->left) png_error(png, "cut short");
  std::memcpy(out, s->data, bytes);
  s->data += bytes;
  s->left -= bytes;
}

bool png_begin(PngState& s, int channels) {
  if (setjmp(png_jmpbuf(s.png))) return false;
  png_set_read_fn(s.png, &s, png_pull);
  png_read_info(s.png, s.info);
  s.width = png_get_image_width(s.png, s.info);
  s.height = png_get_image_height(s.png, s.info);
  png_set_expand(s.png);
  png_set_scale_16(s.png);
  png_set_strip_alpha(s.png);
  const int type = png_get_color_type(s.png, s.info);
  if (channels == 3 && (type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(s.png);
  png_set_interlace_handling(s.png);
  png_read_update_info(s.png, s.info);
  s.channels = png_get_channels(s.png, s.info);
  return true;
}

bool png_rows(PngState& s) {
  if (setjmp(png_jmpbuf(s.png))) return false;
  png_read_image(s.png, s.rows);
  png_read_end(s.png, nullptr);
  return true;
}

Image decode_png(const std::uint8_t* data, std::size_t size, int channels, const std::string& name) {
  PngState s;
  s.data = data;
  s.left = size;
  s.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, png_fail, png_ignore);
  if (!s.png) throw std::bad_alloc();
  const auto destroy = [](PngState* state) { png_destroy_read_struct(&state->png, &state->info, nullptr); };
  const std::unique_ptr<PngState, decltype(destroy)> guard(&s, destroy);
  s.info = png_create_info_struct(s.png);
  if (!s.info) throw std::bad_alloc();
  const auto damaged = [&] { return Error(fmt::format("{}: damaged PNG ({})", name, s.text)); };

  if (!png_begin(s, channels)) throw damaged();
  check_size(s.width, s.height, name);
  const std::size_t pixels = static_cast<std::size_t>(s.width) * s.height;
  std::shared_ptr<std::uint8_t> out = allocate(pixels * static_cast<std::size_t>(s.channels));
  std::vector<png_bytep> rows(s.height);
  for (std::size_t y = 0; y < s.height; ++y) rows[y] = out.get() + y * s.width * static_cast<std::size_t>(s.channels);
  s.rows = rows.data();
  if (!png_rows(s)) throw damaged();
  if (s.channels == 3 && channels == 1) {
    std::shared_ptr<std::uint8_t> grey = allocate(pixels);
    for (std::size_t i = 0; i < pixels; ++i) grey.get()[i] = luma(out.get()[3 * i], out.get()[3 * i + 1], out.get()[3 * i + 2]);
    out = std::move(grey);
  }
  return {static_cast<int>(s.height), static_cast<int>(s.width), channels, std::move(out)};
}

}  // namespace

namespace {

constexpr std::uint8_t kPng[] = {0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a};
constexpr std::size_t kMaximumBytes = std::size_t{1} << 31;  // no encoder makes so large a file of kMaximumPixels

bool is_jpeg(const std::uint8_t* data, std::size_t size) { return size >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff; }
bool is_png(const std::uint8_t* data, std::size_t size) { return size >= sizeof(kPng) && std::memcmp(data, kPng, sizeof(kPng)) == 0; }

/// What else a file is that is called an image; empty where that is not known.
std::string other_kind(const std::uint8_t* data, std::size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 64));
  const auto begins = [&](std::string_view text) { return head.substr(0, text.size()) == text; };
  const std::string_view brand = begins("RIFF") || (head.size() > 11 && head.substr(4, 4) == "ftyp") ? head.substr(8, 4) : std::string_view();
  if (size == 0) return " (it is empty)";
  if (begins("GIF8")) return " (it is a GIF)";
  if (brand == "WEBP") return " (it is a WebP)";
  if (brand == "avif" || brand == "avis") return " (it is an AVIF)";
  if (brand.substr(0, 3) == "hei" || brand == "mif1") return " (it is a HEIC)";
  if (begins("BM")) return " (it is a BMP)";
  if (begins({"II*\0", 4}) || begins({"MM\0*", 4})) return " (it is a TIFF)";
  if (begins("version https://git-lfs")) return " (it is a pointer of Git LFS: fetch the files, git lfs pull)";
  const std::size_t text = head.find_first_not_of(" \t\r\n");
  if (text != std::string_view::npos && head[text] == '<') return " (it is a page or a text of markup: a download that failed?)";
  return "";
}

/// A regular file, open for reading.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (fd_ < 0) throw Error(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
    if (::fstat(fd_, &status_) != 0 || !S_ISREG(status_.st_mode)) {
      ::close(fd_);
      throw Error(fmt::format("{}: is no file but a {}", path, S_ISDIR(status_.st_mode) ? "folder" : "pipe or device"));
    }
  }
  ~OpenFile() { ::close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  const struct stat& status() const { return status_; }
  std::size_t size() const { return static_cast<std::size_t>(status_.st_size); }
  /// How many of the `size` bytes from `at` on are there.
  std::size_t read(std::uint8_t* out, std::size_t at, std::size_t size) const {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got = ::pread(fd_, out + done, size - done, static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw Error(fmt::format("{}: cannot be read: {}", path_, std::strerror(errno)));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }
  Image decode(int channels) const {
    std::uint8_t head[64];
    if (const std::size_t got = read(head, 0, sizeof(head)); !is_jpeg(head, got) && !is_png(head, got))
      return decode_image(head, got, channels, path_);
    if (size() > kMaximumBytes) throw Error(fmt::format("{}: {} bytes are too many for an image; it is taken for damaged", path_, size()));
    const std::unique_ptr<std::uint8_t[]> bytes(new std::uint8_t[size()]);
    return decode_image(bytes.get(), read(bytes.get(), 0, size()), channels, path_);
  }

 private:
  const std::string& path_;
  int fd_;
  struct stat status_ {};
};

/// True where the file is whole for all that its first bytes, a JPEG's segments and its last bytes say.
bool seems_whole(const OpenFile& file) {
  static constexpr std::uint8_t kEnd[] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
  std::uint8_t head[4096], tail[sizeof(kEnd)];
  const std::size_t got = file.read(head, 0, sizeof(head));
  if (got < 33 || file.read(tail, file.size() - sizeof(tail), sizeof(tail)) < sizeof(tail)) return false;
  const auto pair = [](const std::uint8_t* at) { return std::uint64_t{at[0]} << 8 | at[1]; };
  const auto possible = [](std::uint64_t height, std::uint64_t width) { return height * width > 0 && height * width <= kMaximumPixels; };
  if (is_png(head, got))
    return std::memcmp(head + 12, "IHDR", 4) == 0 && std::memcmp(tail, kEnd, sizeof(kEnd)) == 0 &&
           possible(pair(head + 16) << 16 | pair(head + 18), pair(head + 20) << 16 | pair(head + 22));
  if (!is_jpeg(head, got) || tail[10] != 0xff || tail[11] != 0xd9) return false;
  std::size_t at = 2;
  for (int segments = 0; segments < 200; ++segments) {  // from one to the next, to the frame's header
    std::uint8_t further[9];
    const std::uint8_t* segment = at + 9 <= got ? head + at : further;
    if (segment == further && file.read(further, at, sizeof(further)) < sizeof(further)) return false;
    if (segment[0] != 0xff) return false;
    const std::uint8_t marker = segment[1];
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) return possible(pair(segment + 5), pair(segment + 7));
    at += 2 + static_cast<std::size_t>(pair(segment + 2));
  }
  return false;
}

}  // namespace

Image decode_image(const std::uint8_t* data, std::size_t size, int channels, const std::string& name) {
  if (is_jpeg(data, size)) return decode_jpeg(data, size, channels, name);
  if (is_png(data, size)) return decode_png(data, size, channels, name);
  throw Error(fmt::format("{}: neither JPEG nor PNG by its contents{}", name, other_kind(data, size)));
}

Image decode_file(const std::string& path, int channels) { return OpenFile(path).decode(channels); }

FileLook look_at_file(const std::string& path, int channels) {
  FileLook look;
  try {
    const OpenFile file(path);
    look.bytes = file.size();
    look.identity = {file.status().st_dev, file.status().st_ino};
    if (!seems_whole(file)) file.decode(channels);
  } catch (const Error& error) {
    look.damage = error.what();
  }
  return look;
}

}  // namespace cdc::dataset
