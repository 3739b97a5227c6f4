#include "numeric/kmeans_kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"

namespace cdc::kmeans_detail {
namespace {

#define CDC_INLINE inline __attribute__((always_inline))

template <int W>
struct Vector {
  typedef float Float __attribute__((vector_size(W * sizeof(float))));
  typedef float Unaligned __attribute__((vector_size(W * sizeof(float)), aligned(4)));
  typedef std::int32_t Int __attribute__((vector_size(W * sizeof(float))));
};

// Templates over the width W, inlined into a function for each instruction set below. R rows and V vectors of centres are what fits the registers.
template <int W, int R, int V>
CDC_INLINE void dots_of(const float* const* points, std::int64_t d, const float* panel, float* out) {
  using Float = typename Vector<W>::Float;
  Float sum[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[r][v] = Float{};
  std::int64_t j = 0;
  for (; j + 2 <= d; j += 2) {
    const Float* c = reinterpret_cast<const Float*>(panel + j * W * V);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const float* p = points[r] + j;
      const float x0 = p[0], x1 = p[1];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[r][v] += x0 * c[v];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[r][v] += x1 * c[V + v];
    }
  }
  if (j < d) {
    const Float* c = reinterpret_cast<const Float*>(panel + j * W * V);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[r][v] += points[r][j] * c[v];
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) reinterpret_cast<Float*>(out)[r * V + v] = sum[r][v];
}

template <int W>
CDC_INLINE void number_lanes(typename Vector<W>::Int& out) {
  for (int l = 0; l < W; ++l) out[l] = l;
}

template <int W>
CDC_INLINE void keep_best_of(const float* dots, int vectors, const float* bias, std::int32_t first, std::int64_t rows, float* best,
                             std::int32_t* index) {
  using Float = typename Vector<W>::Float;
  using Int = typename Vector<W>::Int;
  const auto* dot = reinterpret_cast<const Float*>(dots);
  const auto* b = reinterpret_cast<const Float*>(bias);
  for (int v = 0; v < vectors; ++v) {
    Int place;
    number_lanes<W>(place);
    place += first + v * W;
    for (std::int64_t r = 0; r < rows; ++r) {
      Float& least = reinterpret_cast<Float*>(best)[r];
      Int& where = reinterpret_cast<Int*>(index)[r];
      const Float s = b[v] - 2.0f * dot[r * vectors + v];
      where = s < least ? place : where;
      least = s < least ? s : least;
    }
  }
}

template <int W>
CDC_INLINE void two_best_of(const float* dots, int vectors, const float* bias, std::int64_t rows, float* least, float* second, std::int32_t* place) {
  using Float = typename Vector<W>::Float;
  using Int = typename Vector<W>::Int;
  const auto* dot = reinterpret_cast<const Float*>(dots);
  const auto* b = reinterpret_cast<const Float*>(bias);
  Int lanes;
  number_lanes<W>(lanes);
  for (std::int64_t r = 0; r < rows; ++r) {
    Float one = b[0] - 2.0f * dot[r * vectors], two = Float{} + std::numeric_limits<float>::infinity();
    Int where = lanes;
    if (vectors == 2) {
      const Float s = b[1] - 2.0f * dot[r * vectors + 1];
      two = s < one ? one : s;
      where = s < one ? lanes + W : where;
      one = s < one ? s : one;
    }
#pragma GCC unroll 4
    for (int half = W / 2; half > 0; half /= 2) {
      const Int other = lanes ^ half;
      const Float other_one = __builtin_shuffle(one, other), other_two = __builtin_shuffle(two, other);
      const Int other_where = __builtin_shuffle(where, other);
      // One comparison a choice: GCC takes combined ones apart lane by lane.
      const Float larger = other_one < one ? one : other_one;
      const Int lower_where = other_where < where ? other_where : where;
      const Int nearer_where = other_one < one ? other_where : where;
      where = other_one == one ? lower_where : nearer_where;
      one = other_one < one ? other_one : one;
      two = two < other_two ? two : other_two;
      two = larger < two ? larger : two;
    }
    least[r] = one[0];
    second[r] = two[0];
    place[r] = where[0];
  }
}

template <int W>
CDC_INLINE void least_of(const float* dots, int vectors, const float* bias, std::int64_t rows, float* least) {
  using Float = typename Vector<W>::Float;
  using Int = typename Vector<W>::Int;
  const auto* dot = reinterpret_cast<const Float*>(dots);
  const auto* b = reinterpret_cast<const Float*>(bias);
  Int lanes;
  number_lanes<W>(lanes);
  for (std::int64_t r = 0; r < rows; ++r) {
    Float one = b[0] - 2.0f * dot[r * vectors];
    if (vectors == 2) {
      const Float s = b[1] - 2.0f * dot[r * vectors + 1];
      one = s < one ? s : one;
    }
#pragma GCC unroll 4
    for (int half = W / 2; half > 0; half /= 2) {
      const Int across = lanes ^ half;
      const Float other = __builtin_shuffle(one, across);
      one = other < one ? other : one;
    }
    least[r] = one[0];
  }
}

template <int W>
CDC_INLINE bool squares_of(const float* dots, const float* bias, const float* norm, const float* nearest, const float* doubt, std::int64_t rows,
                           float noise, float* square, double* potential) {
  using Float = typename Vector<W>::Float;
  using Int = typename Vector<W>::Int;
  const auto* dot = reinterpret_cast<const Float*>(dots);
  const Float b = *reinterpret_cast<const Float*>(bias);
  Float sum{};
  Int doubtful{};
  for (std::int64_t r = 0; r < rows; ++r) {
    Float s = norm[r] + (b - 2.0f * dot[r]);
    s = s > Float{} + noise * norm[r] ? s : Float{};
    doubtful |= s <= Float{} + doubt[r];
    reinterpret_cast<Float*>(square)[r] = s;
    const Float old = Float{} + nearest[r];
    sum += s < old ? s : old;
  }
  std::int32_t any = 0;
  for (int l = 0; l < W; ++l) {
    potential[l] += static_cast<double>(sum[l]);
    any |= doubtful[l];
  }
  return any != 0;
}

template <int W>
CDC_INLINE float square_distance_of(const float* x, const float* c, std::int64_t d) {
  using Float = typename Vector<W>::Float;
  using Unaligned = typename Vector<W>::Unaligned;
  Float sum[4] = {};
  std::int64_t j = 0;
  for (; j + 4 * W <= d; j += 4 * W)
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) {
      const Float e = *reinterpret_cast<const Unaligned*>(x + j + u * W) - *reinterpret_cast<const Unaligned*>(c + j + u * W);
      sum[u] += e * e;
    }
  const Float all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  float out = 0;
  for (int l = 0; l < W; ++l) out += all[l];
  for (; j < d; ++j) out += (x[j] - c[j]) * (x[j] - c[j]);
  return out;
}

#define CDC_KERNELS(name, width, tile, ...)                                                                                               \
  namespace name {                                                                                                                        \
  __VA_ARGS__ void dots1(const float* const* points, std::int64_t d, const float* panel, float* out) {                                    \
    dots_of<width, tile, 1>(points, d, panel, out);                                                                                       \
  }                                                                                                                                       \
  __VA_ARGS__ void dots2(const float* const* points, std::int64_t d, const float* panel, float* out) {                                    \
    dots_of<width, tile, 2>(points, d, panel, out);                                                                                       \
  }                                                                                                                                       \
  __VA_ARGS__ void keep_best(const float* dots, int vectors, const float* bias, std::int32_t first, std::int64_t rows, float* best,       \
                             std::int32_t* index) {                                                                                       \
    keep_best_of<width>(dots, vectors, bias, first, rows, best, index);                                                                   \
  }                                                                                                                                       \
  __VA_ARGS__ void two_best(const float* dots, int vectors, const float* bias, std::int64_t rows, float* least, float* second,            \
                            std::int32_t* place) {                                                                                        \
    two_best_of<width>(dots, vectors, bias, rows, least, second, place);                                                                  \
  }                                                                                                                                       \
  __VA_ARGS__ void least(const float* dots, int vectors, const float* bias, std::int64_t rows, float* out) {                              \
    least_of<width>(dots, vectors, bias, rows, out);                                                                                      \
  }                                                                                                                                       \
  __VA_ARGS__ bool squares(const float* dots, const float* bias, const float* norm, const float* nearest, const float* doubt,             \
                           std::int64_t rows, float noise, float* square, double* potential) {                                            \
    return squares_of<width>(dots, bias, norm, nearest, doubt, rows, noise, square, potential);                                           \
  }                                                                                                                                       \
  __VA_ARGS__ float square_distance(const float* x, const float* c, std::int64_t d) { return square_distance_of<width>(x, c, d); }        \
  constexpr Kernels kKernels{#name, tile, width, {&dots1, &dots2}, &keep_best, &two_best, &least, &squares, &square_distance};            \
  }

#if defined(__x86_64__)
CDC_KERNELS(avx512, 16, 12, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))))
CDC_KERNELS(avx2, 8, 6, __attribute__((target("avx2,fma"))))
#endif
CDC_KERNELS(portable, 4, 6, __attribute__((noinline)))

constexpr int kMostRows = 12, kMostLanes = 16;

const Kernels& widest() {
  if (const Kernels* k = kernels_of(16)) return *k;
  if (const Kernels* k = kernels_of(8)) return *k;
  return portable::kKernels;
}

}  // namespace

const Kernels* kernels_of(int lanes) {
#if defined(__x86_64__)
  if (lanes == 16)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512bw")
               ? &avx512::kKernels
               : nullptr;
  if (lanes == 8) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2::kKernels : nullptr;
#endif
  return lanes == 4 ? &portable::kKernels : nullptr;
}

const Kernels& kernels() {
  static const Kernels& chosen = widest();
  return chosen;
}

void Centres::pack(const Kernels& kernels, const float* centre, std::int64_t k, std::int64_t d, const double* mean,
                   const std::vector<std::int32_t>& order) {
  const std::int64_t lanes = kernels.lanes;
  const std::int64_t vectors = (k + lanes - 1) / lanes;
  const auto floats = static_cast<std::size_t>(vectors * lanes * d);
  if (floats > capacity_) {
    data_ = AlignedFloats(floats);
    bias_ = AlignedFloats(static_cast<std::size_t>(vectors * lanes));
    capacity_ = floats;
  }
  d_ = d;
  order_ = order;
  panels_.clear();
  for (std::int64_t v = 0; v < vectors; v += 2) {
    Panel p;
    p.first = static_cast<std::int32_t>(v * lanes);
    p.vectors = v + 1 < vectors ? 2 : 1;
    p.count = static_cast<std::int32_t>(std::min<std::int64_t>(k - p.first, p.vectors * lanes));
    p.data = data_.data() + v * lanes * d;
    p.bias = bias_.data() + v * lanes;
    panels_.push_back(p);
  }
  parallel_chunks(static_cast<std::int64_t>(panels_.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Panel& p = panels_[static_cast<std::size_t>(i)];
      const std::int64_t width = p.vectors * lanes;
      auto* data = const_cast<float*>(p.data);
      auto* bias = const_cast<float*>(p.bias);
      for (std::int64_t l = 0; l < width; ++l) {
        if (l >= p.count) {
          for (std::int64_t j = 0; j < d; ++j) data[j * width + l] = 0;
          bias[l] = std::numeric_limits<float>::infinity();
          continue;
        }
        const float* c = centre + std::int64_t{original(p.first + static_cast<std::int32_t>(l))} * d;
        double b = 0;
        for (std::int64_t j = 0; j < d; ++j) {
          const auto relative = static_cast<float>(static_cast<double>(c[j]) - mean[j]);
          data[j * width + l] = relative;
          b += static_cast<double>(relative) * (static_cast<double>(relative) + 2 * mean[j]);  // |c|^2 + 2 mean . c, c relative to the mean
        }
        bias[l] = static_cast<float>(b);
      }
    }
  });
}

void nearest(const Kernels& kernels, const Centres& centres, const float* x, const std::int64_t* index, std::int64_t n, std::int32_t* label,
             float* score) {
  const std::int64_t d = centres.width(), tile = kernels.rows, lanes = kernels.lanes;
  // Points of a block stay in the second-level cache while the panels pass.
  const std::int64_t block = std::clamp<std::int64_t>((std::int64_t{1} << 16) / d / tile, 1, 16) * tile;
  parallel_chunks(n, block * 8, [&](std::int64_t begin, std::int64_t end) {
    AlignedFloats best(static_cast<std::size_t>(block * lanes)), where(static_cast<std::size_t>(block * lanes));
    auto* place = reinterpret_cast<std::int32_t*>(where.data());
    alignas(64) float dots[kMostRows * 2 * kMostLanes];
    const float* points[kMostRows];
    for (std::int64_t from = begin; from < end; from += block) {
      const std::int64_t to = std::min(end, from + block);
      std::fill(best.data(), best.data() + block * lanes, std::numeric_limits<float>::infinity());
      std::fill(place, place + block * lanes, std::numeric_limits<std::int32_t>::max());
      for (const Centres::Panel& panel : centres.panels())
        for (std::int64_t t = from; t < to; t += tile) {
          const std::int64_t rows = std::min(tile, to - t);
          for (std::int64_t r = 0; r < tile; ++r) {  // the last tile is filled up with its last point
            const std::int64_t i = t + std::min(r, rows - 1);
            points[r] = x + (index ? index[i] : i) * d;
          }
          kernels.dots[panel.vectors - 1](points, d, panel.data, dots);
          kernels.keep_best(dots, panel.vectors, panel.bias, panel.first, rows, best.data() + (t - from) * lanes, place + (t - from) * lanes);
        }
      for (std::int64_t i = from; i < to; ++i) {
        const float* b = best.data() + (i - from) * lanes;
        const std::int32_t* p = place + (i - from) * lanes;
        std::int64_t least = 0;
        for (std::int64_t l = 1; l < lanes; ++l)
          if (b[l] < b[least] || (b[l] == b[least] && p[l] < p[least])) least = l;
        if (p[least] == std::numeric_limits<std::int32_t>::max())
          throw Error(fmt::format("no center has a finite distance to row {} of the features: bring features and centers to a smaller scale",
                                  index ? index[i] : i));
        label[i] = centres.original(p[least]);
        if (score) score[i] = b[least];
      }
    }
  });
}

}  // namespace cdc::kmeans_detail
