#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "cdc/export.hpp"

namespace cdc::kmeans_detail {

/// A float array on a cache line's border, uninitialised.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(std::size_t n) : data_(static_cast<float*>(::operator new[](n * sizeof(float), std::align_val_t{64}))) {}
  float* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<float, Free> data_;
};

/// The inner loops, compiled for a width of vectors. A tile is `rows` points against a panel of centres, of one or two vectors of `lanes` each; every
/// product of a point and a centre is added up over d in order, wherever in a tile it stands, so that results do not depend on how points are cut
/// into tiles.
struct Kernels {
  const char* name;
  int rows, lanes;
  /// out[r][vectors * lanes] = points[r] . centres of the panel ([d][vectors * lanes]); by vectors - 1.
  void (*dots[2])(const float* const* points, std::int64_t d, const float* panel, float* out);
  /// For each of `rows` rows: s = bias - 2 dot; the least s per lane so far and its centre (`first` + place in the panel), in best and index
  /// [rows][lanes].
  void (*keep_best)(const float* dots, int vectors, const float* bias, std::int32_t first, std::int64_t rows, float* best, std::int32_t* index);
  /// For each row of a tile's scores: the least of the panel, its place (the lowest of equals), and the least but one.
  void (*two_best)(const float* dots, int vectors, const float* bias, std::int64_t rows, float* least, float* second, std::int32_t* place);
  /// For each of `rows` rows of a tile's scores: the least of the panel.
  void (*least)(const float* dots, int vectors, const float* bias, std::int64_t rows, float* least);
  /// square[r][lanes] = max(0, norm[r] + bias - 2 dot), 0 where that is below noise x norm[r]; potential[lane] += min(nearest[r], square). Whether any
  /// square[r] is at most doubt[r].
  bool (*squares)(const float* dots, const float* bias, const float* norm, const float* nearest, const float* doubt, std::int64_t rows, float noise,
                  float* square, double* potential);
  /// |x - c|^2 in float32.
  float (*square_distance)(const float* x, const float* c, std::int64_t d);
};

/// The widest that this processor has; `lanes` = 16, 8 or 4 for one in particular (tests), nullptr where it is not there.
CDC_API const Kernels& kernels();
CDC_API const Kernels* kernels_of(int lanes);

/// Centres as the kernels read them: relative to the data's mean, which keeps float32 products small where the data lie far from 0. Panels of two
/// vectors of centres, the last of one where that holds the rest; places beyond the last centre have an infinite bias.
class CDC_API Centres {
 public:
  struct Panel {
    std::int32_t first = 0, count = 0;  ///< places in packed order
    int vectors = 2;
    const float* data = nullptr;
    const float* bias = nullptr;
  };

  /// `centre` [k, d] as they are; `mean` [d]. `order` [k]: which centre stands at which packed place (empty: in order).
  void pack(const Kernels& kernels, const float* centre, std::int64_t k, std::int64_t d, const double* mean, const std::vector<std::int32_t>& order);
  const std::vector<Panel>& panels() const { return panels_; }
  std::int32_t original(std::int32_t place) const { return order_.empty() ? place : order_[static_cast<std::size_t>(place)]; }
  std::int64_t width() const { return d_; }

 private:
  AlignedFloats data_, bias_;
  std::size_t capacity_ = 0;
  std::int64_t d_ = 0;
  std::vector<Panel> panels_;
  std::vector<std::int32_t> order_;
};

/// The nearest centre of each point, the lowest of equals. Points are rows of x [*, d], `index` [n] naming them (nullptr: 0 .. n-1). score (may be
/// nullptr) is |x - c|^2 - |x - mean|^2.
CDC_API void nearest(const Kernels& kernels, const Centres& centres, const float* x, const std::int64_t* index, std::int64_t n, std::int32_t* label,
                     float* score);

}  // namespace cdc::kmeans_detail
