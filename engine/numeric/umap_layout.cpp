#include "numeric/umap_layout.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "cdc/random.hpp"
#include "numeric/clones.hpp"

// How vectors are passed matters to functions that are called; all here are inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace cdc::umap_detail {
namespace {

#define CDC_INLINE inline __attribute__((always_inline))

constexpr std::int64_t kTurns = 32;   ///< groups of nodes that an epoch moves one after the other
constexpr std::int64_t kChunk = 256;  ///< nodes of one task
constexpr int kNegatives = 5;         ///< samples for each sampled edge
constexpr float kClip = 4, kClosest = 1e-3f;
constexpr std::uint32_t kOrder = 0x6f726465, kNegative = 0x6e656761;  ///< keep these random numbers apart from others of the same seed

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// The graph with its nodes in random order: a group of consecutive ones is then spread over the data, and hardly any of its edges lie within it.
struct Edges {
  std::vector<std::int64_t> begin;
  std::vector<std::uint32_t> other;
  std::vector<float> rate;  ///< how often an epoch samples the edge: its weight over the largest
};

Edges reordered(const NeighborGraph& graph, const std::vector<std::int64_t>& order, int epochs) {
  const std::int64_t n = graph.nodes();
  double largest = 0;
  for (const double w : graph.weight) largest = std::max(largest, w);
  std::vector<std::uint32_t> place(size(n));
  for (std::int64_t i = 0; i < n; ++i) place[size(order[size(i)])] = static_cast<std::uint32_t>(i);
  Edges out;
  out.begin.assign(1, 0);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t node = order[size(i)];
    for (std::int64_t e = graph.begin[size(node)]; e < graph.begin[size(node + 1)]; ++e) {
      const double rate = graph.weight[size(e)] / largest;
      if (rate * epochs < 1) continue;  // never sampled
      out.other.push_back(place[size(graph.other[size(e)])]);
      out.rate.push_back(static_cast<float>(rate));
    }
    out.begin.push_back(static_cast<std::int64_t>(out.other.size()));
  }
  return out;
}

// Eight lanes at once; the compiler makes two or four of them where registers hold fewer.
constexpr int kWidth = 8;
typedef float Floats __attribute__((vector_size(kWidth * sizeof(float))));
typedef double Doubles __attribute__((vector_size(kWidth * sizeof(float))));
typedef std::int32_t Ints __attribute__((vector_size(kWidth * sizeof(float))));
typedef std::uint32_t Unsigned __attribute__((vector_size(kWidth * sizeof(float))));

/// x^b for x > 0 and 0 < b < 4, to about 1e-5 of it: polynomials for log2 in [1, 2) and 2^t in [0, 1) from Chebyshev's points. Kept within float32's
/// range; of 0 something small.
CDC_INLINE Floats power(const Floats& x, float b) {
  const Ints bits = reinterpret_cast<Ints>(x);
  const Floats m = reinterpret_cast<Floats>((bits & 0x7fffff) | 0x3f800000);
  const Floats log =
      __builtin_convertvector((bits >> 23) - 127, Floats) +
      ((((((-0.0251232f * m + 0.27003746f) * m - 1.2479625f) * m + 3.24946656f) * m - 5.30170911f) * m + 6.08989576f) * m - 3.03460285f);
  Floats t = b * log + 127.0f;
  t = t < Floats{} + 1.0f ? Floats{} + 1.0f : t;
  t = t > Floats{} + 250.0f ? Floats{} + 250.0f : t;
  const Ints whole = __builtin_convertvector(t, Ints);
  const Floats f = t - __builtin_convertvector(whole, Floats);
  return reinterpret_cast<Floats>(whole << 23) *
         (((((0.00189511f * f + 0.00894621f) * f + 0.05586328f) * f + 0.24014077f) * f + 0.69315462f) * f + 0.9999999f);
}

CDC_INLINE Floats clip(const Floats& unclipped) {
  Floats v = unclipped;
  v = v < Floats{} - kClip ? Floats{} - kClip : v;
  return v > Floats{} + kClip ? Floats{} + kClip : v;
}

/// 32 bits that look random of 32 (Wellons' "lowbias32", https://nullprogram.com/blog/2018/07/31).
CDC_INLINE Unsigned mix(const Unsigned& bits) {
  Unsigned h = bits;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

/// The points of `nodes`: a point's two floats are loaded as one.
CDC_INLINE void load(const float* points, const std::uint32_t* nodes, Floats& x, Floats& y) {
  double pair[kWidth];
  for (int l = 0; l < kWidth; ++l) std::memcpy(&pair[l], points + 2 * std::size_t{nodes[l]}, sizeof(double));
  const auto low = reinterpret_cast<Floats>(Doubles{pair[0], pair[1], pair[2], pair[3]});
  const auto high = reinterpret_cast<Floats>(Doubles{pair[4], pair[5], pair[6], pair[7]});
  x = __builtin_shuffle(low, high, Ints{0, 2, 4, 6, 8, 10, 12, 14});
  y = __builtin_shuffle(low, high, Ints{1, 3, 5, 7, 9, 11, 13, 15});
}

struct Epoch {
  float number, alpha;  ///< which, and its step size
  float a, b;
  std::uint32_t key;  ///< of its random numbers
  std::uint32_t nodes;
};

/// Where nodes begin .. end-1 go in one epoch, [end - begin, 2], from where all are: eight at a time, each in a lane of its own.
CDC_CLONES void move_nodes(const Edges& edges, const float* points, std::int64_t begin, std::int64_t end, const Epoch& epoch, float* moved) {
  std::vector<std::uint32_t> due, back;  // [.., 8] the other ends of sampled edges, and in reverse order
  const float a = epoch.a, b = epoch.b, pull = -2 * a * b, push = 2 * b, now = epoch.number, before = std::max(0.0f, epoch.number - 1);
  for (std::int64_t first = begin; first < end; first += kWidth) {
    const auto lanes = static_cast<int>(std::min<std::int64_t>(kWidth, end - first));
    std::uint32_t node[kWidth];
    Ints counts{};
    std::int32_t most = 0;
    for (int l = 0; l < lanes; ++l) {
      const std::int64_t from = edges.begin[size(first + l)], to = edges.begin[size(first + l + 1)];
      node[l] = static_cast<std::uint32_t>(first + l);
      due.resize(std::max(due.size(), size((to - from + 1) * kWidth)));
      std::int32_t count = 0;
      for (std::int64_t e = from; e < to; ++e) {
        due[size(count * kWidth + l)] = edges.other[size(e)];
        count += static_cast<std::int32_t>(now * edges.rate[size(e)]) > static_cast<std::int32_t>(before * edges.rate[size(e)]);
      }
      counts[l] = count;
      most = std::max(most, count);
    }
    for (int l = lanes; l < kWidth; ++l) node[l] = node[0];
    back.resize(std::max(back.size(), due.size()));
    for (int l = 0; l < kWidth; ++l) {
      const std::int32_t count = counts[l];
      for (std::int32_t s = 0; s < count; ++s) back[size(s * kWidth + l)] = due[size((count - 1 - s) * kWidth + l)];
      for (std::int32_t s = count; s < most; ++s) due[size(s * kWidth + l)] = back[size(s * kWidth + l)] = node[l];  // to be loaded, not used
    }
    Floats x, y;
    load(points, node, x, y);
    Unsigned random;
    for (int l = 0; l < kWidth; ++l) random[l] = node[l];
    random = mix(random) ^ epoch.key;
    random = mix(random);
    for (std::int32_t s = 0; s < most; ++s) {
      const Ints active = s < counts;
      // The edge is in the reference's list in either direction, and each moves both its ends: two steps for this one, with others between.
      const auto attract = [&](const std::uint32_t* others) __attribute__((always_inline)) {
        Floats other_x, other_y;
        load(points, others, other_x, other_y);
        const Floats dx = x - other_x, dy = y - other_y, square = dx * dx + dy * dy, p = power(square, b);
        Floats g = pull * p / (square * (1.0f + a * p));
        g = square > Floats{} ? g : Floats{};
        g = active ? g : Floats{};
        x += epoch.alpha * clip(g * dx);
        y += epoch.alpha * clip(g * dy);
      };
      attract(due.data() + s * kWidth);
      // In the reference the other end's step may come at any time: here after the first or after the negative samples, in turn.
      const bool pushed_last = (s & 1) == 0;
      if (pushed_last) attract(back.data() + s * kWidth);
      Floats push_x{}, push_y{};
      for (int k = 0; k < kNegatives; ++k) {
        const Unsigned bits = mix(random);
        random += 1;
        std::uint32_t sample[kWidth];
        for (int l = 0; l < kWidth; ++l) sample[l] = static_cast<std::uint32_t>((std::uint64_t{bits[l]} * epoch.nodes) >> 32);
        Floats other_x, other_y;
        load(points, sample, other_x, other_y);
        const Floats ex = x - other_x, ey = y - other_y, far = ex * ex + ey * ey;
        const Floats h = push / ((kClosest + far) * (1.0f + a * power(far, b)));
        push_x += clip(h * ex);
        push_y += clip(h * ey);
      }
      x += active ? epoch.alpha * push_x : Floats{};
      y += active ? epoch.alpha * push_y : Floats{};
      if (!pushed_last) attract(back.data() + s * kWidth);
    }
    for (int l = 0; l < lanes; ++l) {
      moved[2 * (first - begin + l)] = x[l];
      moved[2 * (first - begin + l) + 1] = y[l];
    }
  }
}

}  // namespace

void optimise_layout(const NeighborGraph& graph, UmapCurve curve, int epochs, std::uint64_t seed, std::vector<float>& points,
                     const std::function<bool(int)>& keep_going) {
  const std::int64_t n = graph.nodes(), turn = (n + kTurns - 1) / kTurns;
  std::vector<std::int64_t> order = Random(seed, 0, 0, 0, kOrder).permutation(n);
  // Within a group, nodes of about as many edges beside each other.
  std::vector<double> degree(size(n), 0.0);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t e = graph.begin[size(i)]; e < graph.begin[size(i + 1)]; ++e) degree[size(i)] += graph.weight[size(e)];
  for (std::int64_t first = 0; first < n; first += turn)
    std::sort(order.begin() + first, order.begin() + std::min(n, first + turn),
              [&](std::int64_t i, std::int64_t j) { return degree[size(i)] > degree[size(j)] || (degree[size(i)] == degree[size(j)] && i < j); });
  const Edges edges = reordered(graph, order, epochs);
  std::vector<float> at(size(2 * n)), moved(size(2 * turn));
  for (std::int64_t i = 0; i < 2 * n; ++i) at[size(i)] = points[size(2 * order[size(i / 2)] + i % 2)];
  for (int e = 0; e < epochs; ++e) {
    Epoch epoch{static_cast<float>(e),
                1.0f - static_cast<float>(e) / static_cast<float>(epochs),
                static_cast<float>(curve.a),
                static_cast<float>(curve.b),
                Random(seed, static_cast<std::uint64_t>(e), 0, 0, kNegative).next32(),
                static_cast<std::uint32_t>(n)};
    for (std::int64_t first = 0; first < n; first += turn) {
      const std::int64_t count = std::min(turn, n - first);
      parallel_chunks(count, kChunk, [&](std::int64_t begin, std::int64_t end) {
        move_nodes(edges, at.data(), first + begin, first + end, epoch, moved.data() + 2 * begin);
      });
      std::copy_n(moved.begin(), 2 * count, at.begin() + 2 * first);
    }
    if (!keep_going(e + 1)) throw Stopped("UMAP was stopped");
  }
  for (std::int64_t i = 0; i < 2 * n; ++i) points[size(2 * order[size(i / 2)] + i % 2)] = at[size(i)];
}

}  // namespace cdc::umap_detail
