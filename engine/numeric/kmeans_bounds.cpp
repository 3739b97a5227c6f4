#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "numeric/kmeans_detail.hpp"

namespace cdc::kmeans_detail {
namespace {

constexpr std::int64_t kBlock = 192;  ///< points: whole tiles of 6 and of 12

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

double dot(const float* a, const float* b, std::int64_t d) {
  double sum = 0;
  for (std::int64_t j = 0; j < d; ++j) sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  return sum;
}

/// Halves a list of centres along the line between two far ones until each part fills a panel.
void group(const float* centre, std::int64_t d, std::int32_t* begin, std::int32_t* end, std::int64_t panel) {
  const std::int64_t count = end - begin;
  if (count <= panel) return;
  const auto farthest = [&](const float* from) {
    std::int32_t out = *begin;
    double most = -1;
    for (const std::int32_t* c = begin; c < end; ++c) {
      const float* at = centre + *c * d;
      const double distance = dot(at, at, d) - 2 * dot(at, from, d);
      if (c == begin || distance > most) {
        most = distance;
        out = *c;
      }
    }
    return out;
  };
  const float* a = centre + farthest(centre + *begin * d) * d;
  const float* b = centre + farthest(a) * d;
  std::vector<std::pair<double, std::int32_t>> along;
  for (const std::int32_t* c = begin; c < end; ++c) along.emplace_back(dot(centre + *c * d, a, d) - dot(centre + *c * d, b, d), *c);
  std::sort(along.begin(), along.end());
  for (std::int64_t i = 0; i < count; ++i) begin[i] = along[size(i)].second;
  const std::int64_t panels = (count + panel - 1) / panel;
  std::int32_t* middle = begin + panels / 2 * panel;
  group(centre, d, begin, middle, panel);
  group(centre, d, middle, end, panel);
}

}  // namespace

void BoundedAssignment::start(const float* centre, std::int32_t* label) {
  order_.resize(size(k_));
  std::iota(order_.begin(), order_.end(), 0);
  group(centre, points_.d, order_.data(), order_.data() + k_, 2 * kernels_.lanes);
  centres_.pack(kernels_, centre, k_, points_.d, points_.mean.data(), order_);
  group_of_.resize(size(k_));
  for (std::int32_t place = 0; place < k_; ++place) group_of_[size(order_[size(place)])] = place / (2 * kernels_.lanes);
  upper_.assign(size(points_.n), std::numeric_limits<float>::infinity());
  lower_.assign(size(points_.n) * centres_.panels().size(), 0.0f);
  run(centre, label, true);
}

void BoundedAssignment::assign(const float* centre, std::int32_t* label) {
  centres_.pack(kernels_, centre, k_, points_.d, points_.mean.data(), order_);
  run(centre, label, false);
}

void BoundedAssignment::forget(std::int64_t i) {
  upper_[size(i)] = std::numeric_limits<float>::infinity();
  std::fill_n(lower_.begin() + i * static_cast<std::int64_t>(centres_.panels().size()), centres_.panels().size(), 0.0f);
}

void BoundedAssignment::run(const float* centre, std::int32_t* label, bool first) {
  const std::int64_t d = points_.d, tile = kernels_.rows;
  const auto& panels = centres_.panels();
  const auto groups = static_cast<std::int64_t>(panels.size());
  // How far each centre and each group's farthest moved, rounded up; and the length below which float32 tells no difference.
  std::vector<float> moved(size(k_), 0.0f), group_moved(size(groups), 0.0f);
  float longest = 0;
  for (std::int64_t c = 0; c < k_; ++c) {
    double shift = 0, length = 0;
    for (std::int64_t j = 0; j < d; ++j) {
      const double at = static_cast<double>(centre[c * d + j]), e = first ? 0 : at - static_cast<double>(previous_[size(c * d + j)]);
      shift += e * e;
      length += (at - points_.mean[size(j)]) * (at - points_.mean[size(j)]);
    }
    moved[size(c)] = static_cast<float>(std::sqrt(shift)) * 1.000001f;
    float& group = group_moved[size(group_of_[size(c)])];
    group = std::max(group, moved[size(c)]);
    longest = std::max(longest, static_cast<float>(std::sqrt(length)));
  }
  previous_.assign(centre, centre + k_ * d);

  const std::int64_t chunk = 4 * kBlock;
  std::vector<std::int64_t> scanned(size((points_.n + chunk - 1) / chunk), 0);
  parallel_chunks(points_.n, chunk, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float dots[12 * 2 * 16];
    const float* rows[12];
    std::vector<std::int32_t> active, list;                      // places in the block
    std::vector<float> square(size(kBlock)), own(size(kBlock));  // nearest so far; the distance to the old centre
    std::vector<float> slack(size(kBlock));
    std::vector<std::int32_t> to(size(kBlock));
    std::vector<float> least(size(kBlock * groups)), second(size(kBlock * groups));
    std::vector<std::int32_t> where(size(kBlock * groups));  // centre of `least`; -1: not scanned
    std::int64_t work = 0;
    for (std::int64_t from = begin; from < end; from += kBlock) {
      const std::int64_t count = std::min(end - from, kBlock);
      active.clear();
      for (std::int64_t b = 0; b < count; ++b) {
        const std::int64_t i = from + b;
        float* lower = lower_.data() + i * groups;
        const std::int32_t old = label[i];
        slack[size(b)] = 1e-5f * (std::sqrt(points_.norm[size(i)]) + longest);
        if (!first) {
          float nearest = std::numeric_limits<float>::infinity();
          for (std::int64_t g = 0; g < groups; ++g) {
            lower[g] = (lower[g] - group_moved[size(g)]) * 0.999999f;
            nearest = std::min(nearest, lower[g]);
          }
          float& upper = upper_[size(i)];
          upper += moved[size(old)];
          if (upper + slack[size(b)] < nearest) continue;
          square[size(b)] = kernels_.square_distance(points_.row(i), centre + old * d, d);
          upper = own[size(b)] = std::sqrt(square[size(b)]);
          if (upper + slack[size(b)] < nearest) continue;
          to[size(b)] = old;
        } else {
          square[size(b)] = std::numeric_limits<float>::infinity();
          to[size(b)] = std::numeric_limits<std::int32_t>::max();
        }
        active.push_back(static_cast<std::int32_t>(b));
        std::fill_n(where.begin() + b * groups, groups, -1);
      }
      for (std::int64_t g = 0; g < groups; ++g) {
        const Centres::Panel& panel = panels[size(g)];
        list.clear();
        for (const std::int32_t b : active)
          if (first || lower_[size((from + b) * groups + g)] <= std::sqrt(square[size(b)]) + slack[size(b)]) list.push_back(b);
        work += static_cast<std::int64_t>(list.size()) * panel.count;
        for (std::int64_t t = 0; t < static_cast<std::int64_t>(list.size()); t += tile) {
          const std::int64_t filled = std::min<std::int64_t>(tile, static_cast<std::int64_t>(list.size()) - t);
          for (std::int64_t r = 0; r < tile; ++r) rows[r] = points_.row(from + list[size(t + std::min(r, filled - 1))]);
          kernels_.dots[panel.vectors - 1](rows, d, panel.data, dots);
          float one[12], two[12];
          std::int32_t place[12];
          kernels_.two_best(dots, panel.vectors, panel.bias, filled, one, two, place);
          for (std::int64_t r = 0; r < filled; ++r) {
            const std::int32_t b = list[size(t + r)];
            const float norm = points_.norm[size(from + b)];
            const float nearest = std::max(0.0f, norm + one[r]);
            const std::int32_t c = centres_.original(panel.first + place[r]);
            least[size(b * groups + g)] = nearest;
            second[size(b * groups + g)] = std::max(0.0f, norm + two[r]);
            where[size(b * groups + g)] = c;
            if (nearest < square[size(b)] || (nearest == square[size(b)] && c < to[size(b)])) {
              square[size(b)] = nearest;
              to[size(b)] = c;
            }
          }
        }
      }
      for (const std::int32_t b : active) {
        const std::int64_t i = from + b;
        float* lower = lower_.data() + i * groups;
        const std::int32_t now = to[size(b)];
        if (now == std::numeric_limits<std::int32_t>::max())
          throw Error(fmt::format("no center has a finite distance to row {} of the features: bring features and centers to a smaller scale", i));
        for (std::int64_t g = 0; g < groups; ++g) {
          const std::int32_t c = where[size(b * groups + g)];
          if (c >= 0) lower[g] = std::sqrt(c == now ? second[size(b * groups + g)] : least[size(b * groups + g)]);
        }
        if (!first && now != label[i]) {
          float& old = lower[group_of_[size(label[i])]];  // the old centre is one of the group's others now
          old = std::min(old, own[size(b)]);
        }
        upper_[size(i)] = std::sqrt(square[size(b)]);
        label[i] = now;
      }
    }
    scanned[size(begin / chunk)] = work;
  });
  scanned_ = static_cast<double>(std::accumulate(scanned.begin(), scanned.end(), std::int64_t{0})) / static_cast<double>(points_.n * k_);
}

}  // namespace cdc::kmeans_detail
