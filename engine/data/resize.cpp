#include "cdc/pixels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "data/clones.hpp"

namespace cdc::pixels {

namespace {

/// What each target position takes of the source: `taps` weights from position start[i] on. Weight k of position i is weight[k * count + i].
struct Filter {
  int count = 0, taps = 0, first = 0, last = 0;  ///< source positions used: [first, last)
  std::vector<int> start;                        ///< relative to `first`
  std::vector<float> weight;
};

/// Fills a filter for target positions [from, from + count) of a line of `target` made of one of `source`.
void make_filter(int source, int target, int from, int count, bool flip, Filter& f) {
  const double scale = static_cast<double>(source) / target;
  const double support = scale > 1 ? scale : 1;
  const double inverse = 1 / support;
  const int most = static_cast<int>(std::ceil(support)) * 2 + 1;
  f.count = count;
  f.start.resize(static_cast<std::size_t>(count));
  f.weight.assign(static_cast<std::size_t>(most) * static_cast<std::size_t>(count), 0.0f);
  f.first = source;
  f.last = 0;
  f.taps = 1;
  for (int i = 0; i < count; ++i) {
    const double centre = scale * (from + i + 0.5);
    int low = static_cast<int>(centre - support + 0.5);
    if (low < 0) low = 0;
    int high = static_cast<int>(centre + support + 0.5);
    if (high > source) high = source;
    const auto triangle = [&](int j) {
      const double t = 1 - std::abs((j - centre + 0.5) * inverse);
      return t > 0 ? t : 0;
    };
    // Weights of zero at the ends are left out: an image that keeps its size is copied by one tap.
    while (low < high - 1 && triangle(low) == 0) ++low;
    while (high > low + 1 && triangle(high - 1) == 0) --high;
    double sum = 0;
    for (int j = low; j < high; ++j) sum += triangle(j);
    const int at = flip ? count - 1 - i : i;
    for (int j = low; j < high; ++j)
      f.weight[static_cast<std::size_t>(j - low) * static_cast<std::size_t>(count) + static_cast<std::size_t>(at)] =
          static_cast<float>(triangle(j) / sum);
    f.start[static_cast<std::size_t>(at)] = low;
    if (low < f.first) f.first = low;
    if (high > f.last) f.last = high;
    if (high - low > f.taps) f.taps = high - low;
  }
  for (int& s : f.start) s -= f.first;
}

/// line = sum of weight[k] * rows[k], each of n bytes.
CDC_CLONES void mix_rows(const std::uint8_t* const* rows, const float* weight, int taps, std::size_t n, float* line) {
  if (taps == 1) {
    const std::uint8_t* a = rows[0];
    const float w = weight[0];
    for (std::size_t x = 0; x < n; ++x) line[x] = w * static_cast<float>(a[x]);
    return;
  }
  {
    const std::uint8_t *a = rows[0], *b = rows[1];
    const float w = weight[0], v = weight[1];
    for (std::size_t x = 0; x < n; ++x) line[x] = w * static_cast<float>(a[x]) + v * static_cast<float>(b[x]);
  }
  int k = 2;
  for (; k + 1 < taps; k += 2) {
    const std::uint8_t *a = rows[k], *b = rows[k + 1];
    const float w = weight[k], v = weight[k + 1];
    for (std::size_t x = 0; x < n; ++x) line[x] += w * static_cast<float>(a[x]) + v * static_cast<float>(b[x]);
  }
  if (k < taps) {
    const std::uint8_t* a = rows[k];
    const float w = weight[k];
    for (std::size_t x = 0; x < n; ++x) line[x] += w * static_cast<float>(a[x]);
  }
}

/// out[x] = sum over k of weight[k][x] * line[(start[x] + k) * stride].
CDC_CLONES void mix_columns(const float* line, int stride, const int* start, const float* weight, int taps, int n, float* out) {
  if (taps == 1) {
    for (int x = 0; x < n; ++x) out[x] = weight[x] * line[start[x] * stride];
    return;
  }
  if (taps == 2) {
    for (int x = 0; x < n; ++x) {
      const float* p = line + start[x] * stride;
      out[x] = weight[x] * p[0] + weight[n + x] * p[stride];
    }
    return;
  }
  for (int x = 0; x < n; ++x) out[x] = 0;
  for (int k = 0; k < taps; ++k) {
    const float* w = weight + k * n;
    const float* p = line + k * stride;
    for (int x = 0; x < n; ++x) out[x] += w[x] * p[start[x] * stride];
  }
}

}  // namespace

void resize(const Image& image, const Box& source, int height, int width, const Box& window, bool flip, float* out) {
  // Kept by each thread: a view of a small image is faster than its allocations.
  thread_local Filter rows, columns;
  thread_local std::vector<float> line, weight;
  thread_local std::vector<const std::uint8_t*> taps;
  make_filter(source.height, height, window.y, window.height, false, rows);
  make_filter(source.width, width, window.x, window.width, flip, columns);
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t used = static_cast<std::size_t>(columns.last - columns.first) * channels;
  // Columns with fewer taps than the widest read beyond, with weight zero: what lies there must be finite.
  line.assign(used + static_cast<std::size_t>(columns.taps) * channels, 0.0f);
  weight.resize(static_cast<std::size_t>(rows.taps));
  taps.resize(static_cast<std::size_t>(rows.taps));
  for (int y = 0; y < window.height; ++y) {
    const int top = source.y + rows.first + rows.start[static_cast<std::size_t>(y)];
    int count = 0;
    for (int k = 0; k < rows.taps; ++k) {
      const float w = rows.weight[static_cast<std::size_t>(k) * static_cast<std::size_t>(rows.count) + static_cast<std::size_t>(y)];
      if (w == 0) continue;
      weight[static_cast<std::size_t>(count)] = w * (1.0f / 255);
      taps[static_cast<std::size_t>(count++)] = image.row(top + k) + static_cast<std::size_t>(source.x + columns.first) * channels;
    }
    mix_rows(taps.data(), weight.data(), count, used, line.data());
    for (std::size_t c = 0; c < channels; ++c) {
      mix_columns(line.data() + c, image.channels, columns.start.data(), columns.weight.data(), columns.taps, window.width,
                  out + (c * static_cast<std::size_t>(window.height) + static_cast<std::size_t>(y)) * static_cast<std::size_t>(window.width));
    }
  }
}

Box centre_box(int height, int width, int target_height, int target_width) {
  const double ratio = static_cast<double>(target_width) / target_height;
  Box box{0, 0, height, width};
  if (static_cast<double>(width) > height * ratio) {
    box.width = std::max(1, static_cast<int>(std::nearbyint(height * ratio)));
  } else {
    box.height = std::max(1, static_cast<int>(std::nearbyint(width / ratio)));
  }
  box.width = std::min(box.width, width);
  box.height = std::min(box.height, height);
  box.y = (height - box.height) / 2;
  box.x = (width - box.width) / 2;
  return box;
}

}  // namespace cdc::pixels
