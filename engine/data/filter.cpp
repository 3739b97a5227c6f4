#include "cdc/pixels.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

#include "data/clones.hpp"

namespace cdc::pixels {

namespace {

constexpr int kLanes = 64;  // floats of a line worked on at once: they stay in registers over all taps

/// out[x] = weight[0] * rows[0][x] + sum over k of weight[k] * (rows[-k][x] + rows[k][x]); rows points to the middle of 2 * radius + 1 lines.
CDC_CLONES void mix(const float* const* rows, const float* weight, int radius, int n, float* out) {
  int x = 0;
  for (; x + kLanes <= n; x += kLanes) {
    float sum[kLanes];
    const float* middle = rows[0] + x;
    for (int l = 0; l < kLanes; ++l) sum[l] = weight[0] * middle[l];
    for (int k = 1; k <= radius; ++k) {
      const float *a = rows[-k] + x, *b = rows[k] + x;
      const float w = weight[k];
      for (int l = 0; l < kLanes; ++l) sum[l] += w * (a[l] + b[l]);
    }
    for (int l = 0; l < kLanes; ++l) out[x + l] = sum[l];
  }
  if (x == n) return;
  const float* middle = rows[0];
  for (int i = x; i < n; ++i) out[i] = weight[0] * middle[i];
  for (int k = 1; k <= radius; ++k) {
    const float *a = rows[-k], *b = rows[k];
    const float w = weight[k];
    for (int i = x; i < n; ++i) out[i] += w * (a[i] + b[i]);
  }
}

int mirrored(int i, int n) {
  if (i < 0) i = -i;
  return i < n ? i : 2 * (n - 1) - i;
}

CDC_CLONES void sample_line(const float* source, int height, int width, float x0, float y0, float dx, float dy, float* out, int n) {
  const float right = static_cast<float>(width - 1), bottom = static_cast<float>(height - 1);
  for (int i = 0; i < n; ++i) {
    const float x = x0 + dx * static_cast<float>(i), y = y0 + dy * static_cast<float>(i);
    // Beyond one pixel outside everything is black; there the clamped position has weight zero.
    const float cx = x < -1.0f ? -1.0f : (x > right + 1.0f ? right + 1.0f : x), cy = y < -1.0f ? -1.0f : (y > bottom + 1.0f ? bottom + 1.0f : y);
    const int left = static_cast<int>(cx + 1.0f) - 1, top = static_cast<int>(cy + 1.0f) - 1;  // floor
    const float fx = cx - static_cast<float>(left), fy = cy - static_cast<float>(top);
    const float wl = left >= 0 ? 1.0f - fx : 0.0f, wr = left + 1 < width ? fx : 0.0f;
    const float wt = top >= 0 ? 1.0f - fy : 0.0f, wb = top + 1 < height ? fy : 0.0f;
    const int l = left < 0 ? 0 : (left < width ? left : width - 1), r = left + 1 < width ? left + 1 : width - 1;
    const int t = top < 0 ? 0 : (top < height ? top : height - 1), b = top + 1 < height ? top + 1 : height - 1;
    const float wl_inside = left < width ? wl : 0.0f, wt_inside = top < height ? wt : 0.0f;
    out[i] = wt_inside * (wl_inside * source[t * width + l] + wr * source[t * width + r]) +
             wb * (wl_inside * source[b * width + l] + wr * source[b * width + r]);
  }
}

}  // namespace

void gaussian_blur(float* image, int channels, int height, int width, int kernel, double sigma) {
  int radius = kernel / 2;
  if (radius > height - 1) radius = height - 1;
  if (radius > width - 1) radius = width - 1;
  thread_local std::vector<float> weight, line, plane;
  thread_local std::vector<const float*> rows;
  weight.resize(static_cast<std::size_t>(radius) + 1);
  double sum = 0;
  for (int k = 0; k <= radius; ++k) {
    const double w = std::exp(-0.5 * (k / sigma) * (k / sigma));
    weight[static_cast<std::size_t>(k)] = static_cast<float>(w);
    sum += k == 0 ? w : 2 * w;
  }
  for (float& w : weight) w = static_cast<float>(static_cast<double>(w) / sum);
  while (radius > 0 && weight[static_cast<std::size_t>(radius)] < weight[0] * 0x1p-26f) --radius;
  if (radius == 0) return;

  const auto w = static_cast<std::size_t>(width), h = static_cast<std::size_t>(height);
  line.resize(w + 2 * static_cast<std::size_t>(radius));
  plane.resize(w * h);
  rows.resize(2 * static_cast<std::size_t>(radius) + 1);
  for (int c = 0; c < channels; ++c) {
    float* p = image + static_cast<std::size_t>(c) * w * h;
    for (int k = -radius; k <= radius; ++k) rows[static_cast<std::size_t>(radius + k)] = line.data() + radius + k;
    for (std::size_t y = 0; y < h; ++y) {
      const float* row = p + y * w;
      for (std::size_t x = 0; x < w; ++x) line[static_cast<std::size_t>(radius) + x] = row[x];
      for (int k = 1; k <= radius; ++k) {
        line[static_cast<std::size_t>(radius - k)] = row[mirrored(-k, width)];
        line[static_cast<std::size_t>(radius + width - 1 + k)] = row[mirrored(width - 1 + k, width)];
      }
      mix(rows.data() + radius, weight.data(), radius, width, plane.data() + y * w);
    }
    for (int y = 0; y < height; ++y) {
      for (int k = -radius; k <= radius; ++k)
        rows[static_cast<std::size_t>(radius + k)] = plane.data() + static_cast<std::size_t>(mirrored(y + k, height)) * w;
      mix(rows.data() + radius, weight.data(), radius, width, p + static_cast<std::size_t>(y) * w);
    }
  }
}

void rotate(float* image, int channels, int height, int width, double degrees) {
  const double radians = degrees * 0.017453292519943295;
  const double cosine = std::cos(radians), sine = std::sin(radians);
  thread_local std::vector<float> source;
  const std::size_t n = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  for (int c = 0; c < channels; ++c) {
    float* p = image + static_cast<std::size_t>(c) * n;
    source.assign(p, p + n);
    for (int y = 0; y < height; ++y) {
      // Where target pixel (y, 0) comes from; rows point down, so that counter-clockwise is as seen.
      const double v = y - 0.5 * (height - 1), u = -0.5 * (width - 1);
      const double x0 = cosine * u - sine * v + 0.5 * (width - 1), y0 = sine * u + cosine * v + 0.5 * (height - 1);
      sample_line(source.data(), height, width, static_cast<float>(x0), static_cast<float>(y0), static_cast<float>(cosine), static_cast<float>(sine),
                  p + static_cast<std::size_t>(y) * static_cast<std::size_t>(width), width);
    }
  }
}

}  // namespace cdc::pixels
