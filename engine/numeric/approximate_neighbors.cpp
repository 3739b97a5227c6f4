#include "numeric/approximate_neighbors.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "cdc/error.hpp"
#include "cdc/kmeans.hpp"
#include "cdc/parallel.hpp"
#include "cdc/random.hpp"
#include "numeric/kmeans_detail.hpp"
#include "numeric/neighbors_detail.hpp"
#include "numeric/pca.hpp"
#include "numeric/rows.hpp"

namespace cdc {
namespace {

using kmeans_detail::Centres;
using kmeans_detail::Kernels;
using neighbors_detail::Best;
using neighbors_detail::Candidate;
using neighbors_detail::Query;

constexpr std::int64_t kCellRows = 128;         ///< of a cell, on average
constexpr std::int64_t kSampleRows = 32;        ///< of a cell that k-means sees
constexpr int kIterations = 8;                  ///< of k-means: cells need not be good clusters
constexpr std::int64_t kLargeCell = 4;          ///< times the average: a larger cell is cut into pieces, so that no row is compared with very many
constexpr std::int64_t kProbes = 2;             ///< times the cells that hold `compared` rows on average: ranked for each row
constexpr std::int64_t kBlock = 256;            ///< rows searched for together: they and the cell that passes stay in the second-level cache
constexpr std::int64_t kBlocksAtOnce = 32;      ///< between two calls of `progress`
constexpr std::int64_t kSpare = 8;              ///< candidates beyond k, for float64 to choose among
constexpr std::int64_t kProjected = 96;         ///< columns of a projection
constexpr std::int64_t kLeastColumns = 192;     ///< from which on a projection is looked for
constexpr double kKeptVariance = 0.8;           ///< share that a projection must hold
constexpr std::int64_t kProjectionRows = 8192;  ///< it is computed of
constexpr std::uint32_t kSample = 0x63656c6c;   ///< keeps these random numbers apart from others of the same seed

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Rows of nearly the same place, and what the kernels read of them.
struct Cell {
  std::vector<std::int32_t> rows;
  Centres packed;
};

/// Where candidates are looked for: x relative to its mean, or its projection.
struct Space {
  std::vector<float> rows;  ///< [n, d]
  std::int64_t d = 0;
  std::int64_t spare = kSpare;
};

Space make_space(const float* x, std::int64_t n, std::int64_t d, std::int64_t k, const std::vector<double>& mean, std::uint64_t seed) {
  if (d >= kLeastColumns) {
    const PrincipalComponents components = principal_components(x, n, d, kProjected, kProjectionRows, seed);
    const double kept = std::accumulate(components.variance.begin(), components.variance.end(), 0.0);
    if (kept >= kKeptVariance * components.total_variance) return {project(components, x, n), kProjected, std::max(kSpare, 3 * k)};
  }
  Space out{std::vector<float>(size(n * d)), d, kSpare};
  parallel_chunks(n, 1024, [&](std::int64_t begin, std::int64_t end) {
    neighbors_detail::centre_rows(x + begin * d, end - begin, d, mean, out.rows.data() + begin * d);
  });
  return out;
}

class CellSearch {
 public:
  CellSearch(const float* x, std::int64_t n, std::int64_t d, const ApproximateNeighborsOptions& options, const std::vector<double>& mean)
      : x_(x), n_(n), d_(d), k_(options.k), compared_(std::max(options.compared, options.k)), kernels_(kmeans_detail::kernels()) {
    neighbors_detail::check_spread(x, n, d, mean);
    space_ = make_space(x, n, d, k_, mean, options.seed);
    find_centres(options.seed);
    rank_cells();
    fill_cells();
  }

  Neighbors run(const std::function<bool(std::int64_t)>& progress) const {
    Neighbors out;
    out.queries = n_;
    out.k = k_;
    out.index.resize(size(n_ * k_));
    out.distance.resize(size(n_ * k_));
    for (std::int64_t done = 0; done < n_;) {
      const std::int64_t count = std::min(n_ - done, kBlock * kBlocksAtOnce);
      parallel_chunks(count, kBlock, [&](std::int64_t begin, std::int64_t end) { search(order_.data() + done + begin, end - begin, out); });
      done += count;
      if (progress && !progress(done)) throw Stopped("the search for nearest neighbours was stopped");
    }
    return out;
  }

 private:
  const float* row(std::int64_t i) const { return space_.rows.data() + i * space_.d; }

  void find_centres(std::uint64_t seed) {
    const std::int64_t cells = (n_ + kCellRows - 1) / kCellRows;
    std::vector<std::int64_t> sample = Random(seed, 0, 0, 0, kSample).permutation(n_);
    sample.resize(size(std::min(n_, cells * kSampleRows)));
    std::sort(sample.begin(), sample.end());
    std::vector<float> rows(sample.size() * size(space_.d));
    for (std::size_t s = 0; s < sample.size(); ++s) std::copy_n(row(sample[s]), space_.d, rows.begin() + static_cast<std::ptrdiff_t>(s) * space_.d);
    KMeansOptions options;
    options.clusters = cells;
    options.restarts = 1;
    options.max_iterations = kIterations;
    options.start = KMeansOptions::Start::random;  // as dense as the rows: k-means++ would give far ones cells of their own
    options.seed = seed;
    centres_ = kmeans(rows.data(), static_cast<std::int64_t>(sample.size()), space_.d, options).centres;
    cell_count_ = cells;
  }

  /// The nearest cells of each row, nearest first.
  void rank_cells() {
    ranked_ = std::min(cell_count_, kProbes * (compared_ / kCellRows + 1));
    nearest_.resize(size(n_ * ranked_));
    Centres packed;
    packed.pack(kernels_, centres_.data(), cell_count_, space_.d, std::vector<double>(size(space_.d), 0.0).data(), {});
    std::vector<std::int32_t> number(size(cell_count_));
    std::iota(number.begin(), number.end(), 0);
    parallel_chunks(n_, kBlock, [&](std::int64_t begin, std::int64_t end) {
      std::vector<Best> best(size(end - begin), Best(ranked_));
      std::vector<Query> queries;
      for (std::int64_t i = begin; i < end; ++i) queries.push_back({row(i), &best[size(i - begin)], -1});
      for (const Centres::Panel& panel : packed.panels())
        neighbors_detail::offer_panel(kernels_, panel, number.data() + panel.first, queries.data(), end - begin, space_.d);
      std::vector<Candidate> kept;
      for (std::int64_t i = begin; i < end; ++i) {
        kept = best[size(i - begin)].finish();
        std::sort(kept.begin(), kept.end());
        for (std::int64_t c = 0; c < ranked_; ++c) nearest_[size(i * ranked_ + c)] = kept[size(c)].index;
      }
    });
  }

  /// Each row into its nearest cell. A cell far larger than others (of equal rows, perhaps) is cut into pieces.
  void fill_cells() {
    std::vector<std::vector<std::int32_t>> rows(size(cell_count_));
    for (std::int64_t i = 0; i < n_; ++i) rows[size(nearest_[size(i * ranked_)])].push_back(static_cast<std::int32_t>(i));
    piece_of_.resize(size(n_));
    first_piece_.assign(1, 0);
    const auto most = static_cast<std::size_t>(kLargeCell * kCellRows);
    for (const std::vector<std::int32_t>& all : rows) {
      const std::size_t pieces = (all.size() + most - 1) / most;
      for (std::size_t p = 0; p < pieces; ++p) {
        const auto piece = static_cast<std::int32_t>(cells_.size());
        cells_.push_back({{all.begin() + static_cast<std::ptrdiff_t>(all.size() * p / pieces),
                           all.begin() + static_cast<std::ptrdiff_t>(all.size() * (p + 1) / pieces)},
                          {}});
        for (const std::int32_t i : cells_.back().rows) piece_of_[size(i)] = piece;
        order_.insert(order_.end(), cells_.back().rows.begin(), cells_.back().rows.end());
      }
      first_piece_.push_back(static_cast<std::int32_t>(cells_.size()));
    }
    parallel_chunks(static_cast<std::int64_t>(cells_.size()), 4, [&](std::int64_t begin, std::int64_t end) {
      const std::vector<double> zero(size(space_.d), 0.0);
      std::vector<float> copy;
      for (std::int64_t c = begin; c < end; ++c) {
        Cell& cell = cells_[size(c)];
        copy.clear();
        for (const std::int32_t i : cell.rows) copy.insert(copy.end(), row(i), row(i) + space_.d);
        cell.packed.pack(kernels_, copy.data(), static_cast<std::int64_t>(cell.rows.size()), space_.d, zero.data(), {});
      }
    });
  }

  /// Calls visit(cell) for those that row i is compared with, its own first, until they hold enough rows.
  template <class Visit>
  void visit_cells(std::int64_t i, const Visit& visit) const {
    std::int64_t met = -1;  // itself
    const auto enter = [&](std::int32_t c) {
      visit(c);
      met += static_cast<std::int64_t>(cells_[size(c)].rows.size());
    };
    const std::int32_t own = piece_of_[size(i)];
    enter(own);
    for (std::int64_t r = 0; r < ranked_ && met < compared_; ++r) {
      const std::int32_t cell = nearest_[size(i * ranked_ + r)];
      for (std::int32_t c = first_piece_[size(cell)]; c < first_piece_[size(cell) + 1] && met < compared_; ++c)
        if (c != own) enter(c);
    }
    if (met >= k_) return;
    // The nearest cells hold hardly any rows: all others, in no order of distance.
    const auto* ranked = nearest_.data() + i * ranked_;
    for (std::int32_t cell = 0; cell < cell_count_ && met < k_; ++cell) {
      if (std::find(ranked, ranked + ranked_, cell) != ranked + ranked_) continue;
      for (std::int32_t c = first_piece_[size(cell)]; c < first_piece_[size(cell) + 1]; ++c) enter(c);
    }
  }

  void search(const std::int32_t* block, std::int64_t count, Neighbors& out) const {
    std::vector<Best> best(size(count), Best(std::min(k_ + space_.spare, n_ - 1)));
    // Own cells first: what they hold leaves few of the others' rows worth keeping.
    std::vector<std::tuple<bool, std::int32_t, std::int32_t>> pairs;
    for (std::int64_t q = 0; q < count; ++q)
      visit_cells(block[q], [&](std::int32_t c) { pairs.emplace_back(c != piece_of_[size(block[q])], c, static_cast<std::int32_t>(q)); });
    std::sort(pairs.begin(), pairs.end());
    std::vector<Query> queries;
    for (std::size_t first = 0, last; first < pairs.size(); first = last) {
      const auto [other, c, unused] = pairs[first];
      queries.clear();
      for (last = first; last < pairs.size() && std::get<0>(pairs[last]) == other && std::get<1>(pairs[last]) == c; ++last) {
        const std::int32_t q = std::get<2>(pairs[last]);
        queries.push_back({row(block[q]), &best[size(q)], block[q]});
      }
      const Cell& cell = cells_[size(c)];
      for (const Centres::Panel& panel : cell.packed.panels())
        neighbors_detail::offer_panel(kernels_, panel, cell.rows.data() + panel.first, queries.data(), static_cast<std::int64_t>(queries.size()),
                                      space_.d);
    }
    std::vector<Candidate> ordered;
    std::vector<std::pair<double, std::int32_t>> exact;
    for (std::int64_t q = 0; q < count; ++q) {
      const std::int64_t i = block[q];
      const float* query = x_ + i * d_;
      const std::vector<Candidate>* candidates = &best[size(q)].finish();
      if (const auto enough = size(std::min(k_ + kSpare, n_ - 1)); candidates->size() > enough) {  // a projection's order is rough
        ordered.clear();
        for (const Candidate& c : *candidates) ordered.push_back({kernels_.square_distance(query, x_ + std::int64_t{c.index} * d_, d_), c.index});
        std::nth_element(ordered.begin(), ordered.begin() + static_cast<std::ptrdiff_t>(enough), ordered.end());
        ordered.resize(enough);
        candidates = &ordered;
      }
      exact.clear();
      for (const Candidate& c : *candidates) exact.emplace_back(rows::square_distance(query, x_ + std::int64_t{c.index} * d_, d_), c.index);
      std::partial_sort(exact.begin(), exact.begin() + k_, exact.end());
      for (std::int64_t j = 0; j < k_; ++j) {
        out.index[size(i * k_ + j)] = exact[size(j)].second;
        out.distance[size(i * k_ + j)] = static_cast<float>(std::sqrt(exact[size(j)].first));
      }
    }
  }

  const float* x_;
  std::int64_t n_, d_, k_, compared_;
  const Kernels& kernels_;
  Space space_;
  std::int64_t cell_count_ = 0, ranked_ = 0;
  std::vector<float> centres_;             ///< [cells, space's d]
  std::vector<std::int32_t> nearest_;      ///< [n, ranked]
  std::vector<Cell> cells_;                ///< pieces
  std::vector<std::int32_t> first_piece_;  ///< [cells + 1]
  std::vector<std::int32_t> piece_of_;     ///< [n]
  std::vector<std::int32_t> order_;        ///< [n] rows, cell by cell
};

}  // namespace

Neighbors approximate_neighbors(const float* x, std::int64_t n, std::int64_t d, const ApproximateNeighborsOptions& options,
                                const std::function<bool(std::int64_t)>& progress) {
  neighbors_detail::check_shape(n, d, options.k, n - 1);
  if (options.compared < 1)
    throw Error(fmt::format("a search for nearest neighbours compares each row with at least 1 other; compared = {}", options.compared));
  // Hardly less than all rows: then the exact search is no slower.
  if (n < options.exact_below || std::max(options.compared, options.k) >= n / 2)
    return nearest_neighbors(x, n, d, options.k, Distance::euclidean, progress);
  const kmeans_detail::Points points = kmeans_detail::describe_points(x, n, d, "nearest neighbours need");
  if (const double factor = neighbors_detail::enlarging_factor(points.longest_square); factor != 1) {
    Neighbors out = approximate_neighbors(neighbors_detail::multiplied(x, n, d, factor).data(), n, d, options, progress);
    for (float& length : out.distance) length = static_cast<float>(static_cast<double>(length) / factor);
    return out;
  }
  Neighbors found = CellSearch(x, n, d, options, points.mean).run(progress);
  // Where neighbours are so near, for how far the rows lie apart, that float32 products cannot tell them, cells and candidates are chosen by chance.
  std::int64_t doubtful = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto farthest = static_cast<double>(found.distance[size((i + 1) * options.k - 1)]);
    if (farthest > 0 && farthest * farthest < kmeans_detail::kClear * static_cast<double>(points.doubt[size(i)])) ++doubtful;
  }
  if (doubtful * 100 > n) return nearest_neighbors(x, n, d, options.k, Distance::euclidean, progress);
  return found;
}

}  // namespace cdc
