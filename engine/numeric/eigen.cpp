#include "numeric/eigen.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cdc/parallel.hpp"
#include "cdc/random.hpp"
#include "numeric/clones.hpp"

namespace cdc {
namespace {

constexpr std::int64_t kChunk = 1024;  ///< rows of one task
constexpr std::uint32_t kVectors = 8;  ///< the random stream's operation
constexpr double kDependent = 1e-10;   ///< a column that shrinks to less than this share of its length is a combination of others
constexpr int kRounds = 10;            ///< of orthogonalisation, at most
constexpr int kSteps = 100;            ///< of QL for an eigenvalue, at most; two are usual
constexpr std::int64_t kBlock = kEigenBlock;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

CDC_CLONES double dot(const double* a, const double* b, std::int64_t n) {
  double lanes[8] = {};
  std::int64_t j = 0;
  for (; j + 8 <= n; j += 8)
    for (int l = 0; l < 8; ++l) lanes[l] += a[j + l] * b[j + l];
  for (int l = 0; j < n; ++j, ++l) lanes[l] += a[j] * b[j];
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}
CDC_CLONES void add(double factor, const double* what, double* to, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) to[j] += factor * what[j];
}
CDC_CLONES void rotate(double c, double s, double* a, double* b, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) {
    const double old = b[j];
    b[j] = s * a[j] + c * old;
    a[j] = c * a[j] - s * old;
  }
}

/// Reduces `a` to a diagonal and the entries beside it. Row i of `z` becomes what the i-th unit vector is in the old coordinates.
void to_three_diagonals(std::vector<double>& a, std::int64_t n, std::vector<double>& diagonal, std::vector<double>& beside, std::vector<double>& z) {
  std::vector<std::vector<double>> mirrors;  // I - 2 v v^T, of entries k + 1 ..
  for (std::int64_t k = 0; k < n; ++k) {
    diagonal[size(k)] = a[size(k * n + k)];
    const std::int64_t rest = n - k - 1;
    if (rest < 1) break;
    std::vector<double> v(a.begin() + k * n + k + 1, a.begin() + (k + 1) * n);
    const double length = std::sqrt(dot(v.data(), v.data(), rest));
    beside[size(k)] = v[0] > 0 ? -length : length;
    v[0] -= beside[size(k)];
    const double norm = std::sqrt(dot(v.data(), v.data(), rest));
    if (rest == 1 || norm <= 0) {
      if (rest == 1) beside[size(k)] = a[size(k * n + k + 1)];
      mirrors.emplace_back();
      continue;
    }
    for (double& e : v) e /= norm;
    double* block = a.data() + (k + 1) * n + k + 1;
    std::vector<double> p(size(rest));
    for (std::int64_t i = 0; i < rest; ++i) p[size(i)] = dot(block + i * n, v.data(), rest);
    add(-dot(p.data(), v.data(), rest), v.data(), p.data(), rest);
    for (std::int64_t i = 0; i < rest; ++i) {
      add(-2 * v[size(i)], p.data(), block + i * n, rest);
      add(-2 * p[size(i)], v.data(), block + i * n, rest);
    }
    mirrors.push_back(std::move(v));
  }
  z.assign(size(n * n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) z[size(i * n + i)] = 1;
  for (auto k = static_cast<std::int64_t>(mirrors.size()); k-- > 0;) {
    const std::vector<double>& v = mirrors[size(k)];
    if (v.empty()) continue;
    const auto rest = static_cast<std::int64_t>(v.size());
    for (std::int64_t i = k + 1; i < n; ++i) {
      double* row = z.data() + i * n + k + 1;
      add(-2 * dot(row, v.data(), rest), v.data(), row, rest);
    }
  }
}

/// Turns the three diagonals into eigenvalues and the rows of z into eigenvectors.
void implicit_ql(std::vector<double>& diagonal, std::vector<double>& beside, std::int64_t n, std::vector<double>& z) {
  for (std::int64_t low = 0; low < n; ++low)
    for (int step = 0; step < kSteps; ++step) {
      std::int64_t high = low;
      while (high + 1 < n && std::abs(beside[size(high)]) >
                                 std::numeric_limits<double>::epsilon() * (std::abs(diagonal[size(high)]) + std::abs(diagonal[size(high + 1)])))
        ++high;
      if (high == low) break;
      double g = (diagonal[size(low + 1)] - diagonal[size(low)]) / (2 * beside[size(low)]);
      g = diagonal[size(high)] - diagonal[size(low)] + beside[size(low)] / (g + std::copysign(std::hypot(g, 1.0), g));
      double s = 1, c = 1, p = 0;
      bool split = false;
      for (std::int64_t i = high - 1; i >= low && !split; --i) {
        const double f = s * beside[size(i)], b = c * beside[size(i)], r = std::hypot(f, g);
        beside[size(i + 1)] = r;
        if (r == 0) {  // two parts from here on
          diagonal[size(i + 1)] -= p;
          beside[size(high)] = 0;
          split = true;
          continue;
        }
        s = f / r;
        c = g / r;
        g = diagonal[size(i + 1)] - p;
        const double t = (diagonal[size(i)] - g) * s + 2 * c * b;
        p = s * t;
        diagonal[size(i + 1)] = g + p;
        g = c * t - b;
        rotate(c, s, z.data() + i * n, z.data() + (i + 1) * n, n);
      }
      if (split) continue;
      diagonal[size(low)] -= p;
      beside[size(low)] = g;
      beside[size(high)] = 0;
    }
}

/// Orthonormal columns, stored by rows of `capacity`.
class Basis {
 public:
  Basis(std::int64_t n, std::int64_t capacity) : n_(n), capacity_(capacity), data_(size(n * capacity)) {}
  std::int64_t columns() const { return columns_; }

  /// out [kBlock, columns()] = block^T V, for a block [n, kBlock].
  void project(const double* block, std::vector<double>& out) const {
    const std::int64_t count = kBlock * columns_, chunks = (n_ + kChunk - 1) / kChunk;
    std::vector<double> parts(size(chunks * count), 0.0);
    parallel_chunks(n_, kChunk, [&](std::int64_t begin, std::int64_t end) {
      double* part = parts.data() + begin / kChunk * count;
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t c = 0; c < kBlock; ++c) add(block[i * kBlock + c], row(i), part + c * columns_, columns_);
    });
    out.assign(size(count), 0.0);
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) add(1, parts.data() + chunk * count, out.data(), count);
  }
  /// block -= V coefficients^T.
  void subtract(const std::vector<double>& coefficients, double* block) const {
    parallel_chunks(n_, kChunk, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t c = 0; c < kBlock; ++c) block[i * kBlock + c] -= dot(row(i), coefficients.data() + c * columns_, columns_);
    });
  }
  void append(const double* block, std::int64_t width) {
    for (std::int64_t i = 0; i < n_; ++i) std::copy_n(block + i * kBlock, width, data_.data() + i * capacity_ + columns_);
    columns_ += width;
  }
  /// V = V s, of s [columns(), stride] the first `kept` columns.
  void combine(const std::vector<double>& s, std::int64_t stride, std::int64_t kept) {
    parallel_chunks(n_, kChunk, [&](std::int64_t begin, std::int64_t end) {
      std::vector<double> sum(size(kept));
      for (std::int64_t i = begin; i < end; ++i) {
        std::fill(sum.begin(), sum.end(), 0.0);
        for (std::int64_t j = 0; j < columns_; ++j) add(row(i)[j], s.data() + j * stride, sum.data(), kept);
        std::copy(sum.begin(), sum.end(), data_.data() + i * capacity_);
      }
    });
    columns_ = kept;
  }
  /// [n, columns()]
  std::vector<double> take() const {
    std::vector<double> out(size(n_ * columns_));
    for (std::int64_t i = 0; i < n_; ++i) std::copy_n(row(i), columns_, out.data() + i * columns_);
    return out;
  }

 private:
  const double* row(std::int64_t i) const { return data_.data() + i * capacity_; }
  std::int64_t n_, capacity_, columns_ = 0;
  std::vector<double> data_;
};

/// [kBlock, kBlock] products of a block's columns.
std::vector<double> gram(const std::vector<double>& block, std::int64_t n) {
  const std::int64_t chunks = (n + kChunk - 1) / kChunk, count = kBlock * kBlock;
  std::vector<double> parts(size(chunks * count), 0.0), out(size(count), 0.0);
  parallel_chunks(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    double* part = parts.data() + begin / kChunk * count;
    for (std::int64_t i = begin; i < end; ++i)
      for (std::int64_t c = 0; c < kBlock; ++c)
        for (std::int64_t other = 0; other < kBlock; ++other)
          part[c * kBlock + other] += block[size(i * kBlock + c)] * block[size(i * kBlock + other)];
  });
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) add(1, parts.data() + chunk * count, out.data(), count);
  return out;
}

/// Makes the first `width` columns of a block orthonormal among themselves and to the basis; the others become 0. What is a combination of others
/// (less than kDependent of `lengths` [kBlock] is left) is replaced by a random vector: any direction that the products have not shown yet will do.
void orthonormalise(const Basis& basis, std::vector<double>& block, std::int64_t n, std::int64_t width, std::vector<double> lengths, Random& random) {
  std::vector<double> coefficients;
  bool replaced = true;
  for (int round = 0; round < kRounds && (replaced || round < 3); ++round) {
    replaced = false;
    if (round > 0) {
      basis.project(block.data(), coefficients);
      basis.subtract(coefficients, block.data());
    }
    for (std::int64_t c = 0; c < kBlock; ++c) {
      const std::vector<double> products = gram(block, n);
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t before = 0; before < std::min(c, width); ++before)
          block[size(i * kBlock + c)] -= products[size(c * kBlock + before)] * block[size(i * kBlock + before)];
      const double length = std::sqrt(gram(block, n)[size(c * kBlock + c)]);
      const bool dependent = c < width && !(length > kDependent * lengths[size(c)]);
      for (std::int64_t i = 0; i < n; ++i) {
        double& e = block[size(i * kBlock + c)];
        e = c >= width ? 0.0 : dependent ? random.normal() : e / length;
      }
      replaced = replaced || dependent;
      lengths[size(c)] = dependent ? 0.0 : 1.0;
    }
  }
}

}  // namespace

Eigenpairs symmetric_eigenpairs(std::vector<double> a, std::int64_t n) {
  std::vector<double> diagonal(size(n)), beside(size(n), 0.0), z;
  to_three_diagonals(a, n, diagonal, beside, z);
  implicit_ql(diagonal, beside, n, z);
  std::vector<std::int64_t> order(size(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) { return diagonal[size(i)] > diagonal[size(j)]; });
  Eigenpairs out;
  out.vectors.resize(size(n * n));
  for (std::int64_t c = 0; c < n; ++c) {
    out.values.push_back(diagonal[size(order[size(c)])]);
    for (std::int64_t i = 0; i < n; ++i) out.vectors[size(i * n + c)] = z[size(order[size(c)] * n + i)];
  }
  return out;
}

Eigenpairs largest_eigenpairs(std::int64_t n, std::int64_t wanted, const SymmetricProduct& product, double tolerance, int max_restarts) {
  const std::int64_t capacity = std::min(n, wanted + std::clamp<std::int64_t>(wanted, 40, 200));
  Random random(0, 0, 0, 0, kVectors);
  Basis basis(n, capacity);
  std::vector<double> block(size(n * kBlock)), image(size(n * kBlock)), projected(size(capacity * capacity), 0.0), coefficients, again;
  for (double& e : block) e = random.normal();
  std::vector<double> lengths(size(kBlock), 0.0);
  for (Eigenpairs out;; ++out.restarts) {
    std::int64_t width = 0;
    // `projected` is V^T A V; `block` goes on where the basis ends.
    while ((width = std::min(kBlock, n - basis.columns())) > 0 && basis.columns() + width <= capacity) {
      orthonormalise(basis, block, n, width, lengths, random);
      const std::int64_t first = basis.columns();
      basis.append(block.data(), width);
      product(block.data(), image.data());
      block = image;
      const std::vector<double> squares = gram(block, n);
      for (std::int64_t c = 0; c < kBlock; ++c) lengths[size(c)] = std::sqrt(squares[size(c * kBlock + c)]);
      basis.project(block.data(), coefficients);
      basis.subtract(coefficients, block.data());
      basis.project(block.data(), again);
      basis.subtract(again, block.data());
      for (std::int64_t c = 0; c < width; ++c)
        for (std::int64_t j = 0; j < basis.columns(); ++j) {
          const double e = coefficients[size(c * basis.columns() + j)] + again[size(c * basis.columns() + j)];
          projected[size((first + c) * capacity + j)] = projected[size(j * capacity + first + c)] = e;
        }
    }
    const std::int64_t columns = basis.columns();
    std::vector<double> small(size(columns * columns));
    for (std::int64_t i = 0; i < columns; ++i) std::copy_n(projected.data() + i * capacity, columns, small.data() + i * columns);
    const Eigenpairs ritz = symmetric_eigenpairs(std::move(small), columns);
    // What is left of the last block's image is all that the basis lacks.
    const std::vector<double> left = gram(block, n);
    const double largest = std::max(std::abs(ritz.values.front()), std::abs(ritz.values.back()));
    const std::int64_t last = columns - kBlock;
    out.converged = true;
    for (std::int64_t v = 0; v < wanted && columns < n; ++v) {
      double square = 0;
      for (std::int64_t a = 0; a < kBlock; ++a)
        for (std::int64_t b = 0; b < kBlock; ++b)
          square += ritz.vectors[size((last + a) * columns + v)] * left[size(a * kBlock + b)] * ritz.vectors[size((last + b) * columns + v)];
      out.converged = out.converged && std::sqrt(std::max(square, 0.0)) <= tolerance * largest;
    }
    if (out.converged || out.restarts + 1 >= max_restarts) {
      basis.combine(ritz.vectors, columns, wanted);
      out.values.assign(ritz.values.begin(), ritz.values.begin() + wanted);
      out.vectors = basis.take();
      return out;
    }
    const std::int64_t kept = wanted + (columns - wanted) / 2;
    basis.combine(ritz.vectors, columns, kept);
    std::fill(projected.begin(), projected.end(), 0.0);
    for (std::int64_t j = 0; j < kept; ++j) projected[size(j * capacity + j)] = ritz.values[size(j)];
  }
}

}  // namespace cdc
