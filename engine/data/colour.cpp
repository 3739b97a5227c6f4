#include "cdc/pixels.hpp"

#include "data/clones.hpp"

namespace cdc::pixels {

namespace {

constexpr float kRed = 0.2989f, kGreen = 0.587f, kBlue = 0.114f;

inline __attribute__((always_inline)) float cut(float v) {
  v = v > 0.0f ? v : 0.0f;
  return v < 1.0f ? v : 1.0f;
}
inline __attribute__((always_inline)) float smaller(float a, float b) { return a < b ? a : b; }
inline __attribute__((always_inline)) float larger(float a, float b) { return a > b ? a : b; }

CDC_CLONES void scale_shift_cut(float* p, std::size_t n, float factor, float shift) {
  for (std::size_t i = 0; i < n; ++i) p[i] = cut(factor * p[i] + shift);
}

CDC_CLONES void scale_shift(float* p, std::size_t n, float factor, float shift) {
  for (std::size_t i = 0; i < n; ++i) p[i] = factor * p[i] + shift;
}

// Sums run in 16 lanes over blocks of at most 4096: their order is fixed, and float is exact enough within a block.
constexpr std::size_t kLanes = 16, kBlock = 4096;

CDC_CLONES double sum_of(const float* p, std::size_t n) {
  double total = 0;
  for (std::size_t begin = 0; begin < n; begin += kBlock) {
    const std::size_t end = begin + kBlock < n ? begin + kBlock : n;
    float lanes[kLanes] = {};
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes)
      for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += p[i + l];
    for (std::size_t l = 0; i + l < end; ++l) lanes[l] += p[i + l];
    for (std::size_t l = 0; l < kLanes; ++l) total += static_cast<double>(lanes[l]);
  }
  return total;
}

CDC_CLONES void saturate(float* r, float* g, float* b, std::size_t n, float factor) {
  const float rest = 1.0f - factor;
  for (std::size_t i = 0; i < n; ++i) {
    const float grey = rest * (kRed * r[i] + kGreen * g[i] + kBlue * b[i]);
    r[i] = factor * r[i] + grey;
    g[i] = factor * g[i] + grey;
    b[i] = factor * b[i] + grey;
  }
}

CDC_CLONES void grey_all(float* r, float* g, float* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const float grey = kRed * r[i] + kGreen * g[i] + kBlue * b[i];
    r[i] = grey;
    g[i] = grey;
    b[i] = grey;
  }
}

CDC_CLONES void turn_over(float* p, std::size_t n, float threshold) {
  for (std::size_t i = 0; i < n; ++i) p[i] = p[i] >= threshold ? 1.0f - p[i] : p[i];
}

/// One channel of HSV as colour: v - v s max(0, min(k, 4 - k, 1)), k = (offset + 6 h) mod 6. `turn` is offset + 6 h, 0 to 12.
inline __attribute__((always_inline)) float channel_of(float turn, float v, float chroma) {
  const float k = turn >= 6.0f ? turn - 6.0f : turn;
  return v - chroma * larger(0.0f, smaller(smaller(k, 4.0f - k), 1.0f));
}

/// Hue is kept times 6; chroma = v s = max - min stays as it is, so that s need not be computed.
CDC_CLONES void turn_hue(float* red, float* green, float* blue, std::size_t n, float shift) {
  const float turn = (shift < 0.0f ? shift + 1.0f : shift) * 6.0f;  // 0 to 6
  for (std::size_t i = 0; i < n; ++i) {
    const float r = red[i], g = green[i], b = blue[i];
    const float high = larger(larger(r, g), b), low = smaller(smaller(r, g), b);
    const float chroma = high - low;
    const float inverse = 1.0f / (chroma > 0.0f ? chroma : 1.0f);
    const float of_red = (g - b) * inverse;  // -1 to 1
    const float of_green = 2.0f + (b - r) * inverse;
    const float of_blue = 4.0f + (r - g) * inverse;
    float h = high == r ? of_red : high == g ? of_green : of_blue;
    h = chroma > 0.0f ? h : 0.0f;
    h = h + turn;
    h = h < 0.0f ? h + 6.0f : h;
    h = h >= 6.0f ? h - 6.0f : h;
    h = h >= 6.0f ? h - 6.0f : h;
    red[i] = channel_of(h + 5.0f, high, chroma);
    green[i] = channel_of(h + 3.0f, high, chroma);
    blue[i] = channel_of(h + 1.0f, high, chroma);
  }
}

}  // namespace

void clip(float* image, int channels, std::size_t n) { scale_shift_cut(image, static_cast<std::size_t>(channels) * n, 1.0f, 0.0f); }

void adjust_brightness(float* image, int channels, std::size_t n, float factor, bool clipped) {
  (clipped ? scale_shift_cut : scale_shift)(image, static_cast<std::size_t>(channels) * n, factor, 0.0f);
}

void adjust_contrast(float* image, int channels, std::size_t n, float factor, bool clipped) {
  double mean = sum_of(image, n);
  if (channels == 3)
    mean =
        static_cast<double>(kRed) * mean + static_cast<double>(kGreen) * sum_of(image + n, n) + static_cast<double>(kBlue) * sum_of(image + 2 * n, n);
  mean /= static_cast<double>(n);
  (clipped ? scale_shift_cut : scale_shift)(image, static_cast<std::size_t>(channels) * n, factor,
                                            static_cast<float>((1.0 - static_cast<double>(factor)) * mean));
}

void adjust_saturation(float* image, int channels, std::size_t n, float factor, bool clipped) {
  if (channels != 3) return;
  saturate(image, image + n, image + 2 * n, n, factor);
  if (clipped) clip(image, channels, n);
}

void adjust_hue(float* image, int channels, std::size_t n, float shift) {
  if (channels == 3) turn_hue(image, image + n, image + 2 * n, n, shift);
}

void to_grey(float* image, int channels, std::size_t n) {
  if (channels == 3) grey_all(image, image + n, image + 2 * n, n);
}

void solarize(float* image, int channels, std::size_t n, float threshold) { turn_over(image, static_cast<std::size_t>(channels) * n, threshold); }

void equalize(float* image, int channels, std::size_t n) {
  const auto level = [](float v) { return static_cast<std::size_t>(cut(v) * 255.0f + 0.5f); };
  for (int c = 0; c < channels; ++c) {
    float* const p = image + static_cast<std::size_t>(c) * n;
    std::size_t count[256] = {};
    for (std::size_t i = 0; i < n; ++i) ++count[level(p[i])];
    std::size_t brightest = 255;
    while (brightest > 0 && count[brightest] == 0) --brightest;
    const std::size_t step = (n - count[brightest]) / 255;
    if (step == 0) continue;  // too few pixels, or too few shades, to spread
    float to[256];
    std::size_t below = 0;
    for (std::size_t v = 0; v < 256; below += count[v++]) {
      const std::size_t spread = v == 0 ? 0 : (below + step / 2) / step;
      to[v] = static_cast<float>(spread < 255 ? spread : 255) / 255.0f;
    }
    for (std::size_t i = 0; i < n; ++i) p[i] = to[level(p[i])];
  }
}

void normalise(float* image, int channels, std::size_t n, const float* mean, const float* deviation) {
  for (int c = 0; c < channels; ++c) scale_shift(image + static_cast<std::size_t>(c) * n, n, 1.0f / deviation[c], -mean[c] / deviation[c]);
}

}  // namespace cdc::pixels
