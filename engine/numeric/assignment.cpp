#include "cdc/assignment.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <limits>

#include "cdc/error.hpp"
#include "numeric/clones.hpp"

namespace cdc {
namespace {

constexpr std::int64_t kInfinity = std::numeric_limits<std::int64_t>::max() / 2;
constexpr std::int64_t kLargestCost = std::int64_t{1} << 40;

/// The least reduced cost of a row and the least but one; the first column that has the least.
struct TwoLeast {
  std::int64_t least, second;
  std::int64_t column;
};

CDC_CLONES TwoLeast two_least(const std::int64_t* row, const std::int64_t* v, std::int64_t n) {
  std::int64_t least = kInfinity, second = kInfinity;
  for (std::int64_t j = 0; j < n; ++j) {
    const std::int64_t h = row[j] - v[j];
    const std::int64_t larger = h > least ? h : least;
    second = larger < second ? larger : second;
    least = h < least ? h : least;
  }
  std::int64_t column = 0;
  for (; column + 32 <= n; column += 32) {
    std::int64_t hits = 0;
    for (std::int64_t l = 0; l < 32; ++l) hits |= static_cast<std::int64_t>(row[column + l] - v[column + l] == least);
    if (hits != 0) break;
  }
  while (row[column] - v[column] != least) ++column;
  return {least, second, column};
}

/// One step of Dijkstra's: paths to the open columns (closed[j] = 0; else kInfinity) through row i. key[j] orders the columns by distance, among
/// equals those first that no row has (taken[j] = 0; else 1). Returns the least key. Reduced costs are never negative here.
CDC_CLONES std::int64_t relax(const std::int64_t* row, const std::int64_t* v, const std::int64_t* closed, const std::int64_t* taken,
                              std::int64_t offset, std::int64_t i, std::int64_t n, std::int64_t* distance, std::int64_t* from, std::int64_t* key) {
  std::int64_t least = kInfinity;
  for (std::int64_t j = 0; j < n; ++j) {
    const std::int64_t h = (row[j] - v[j] + offset) | closed[j];  // of a closed column: never shorter
    const bool shorter = h < distance[j];
    distance[j] = shorter ? h : distance[j];
    from[j] = shorter ? i : from[j];
    key[j] = (distance[j] << 1 | taken[j]) | closed[j];
    least = key[j] < least ? key[j] : least;
  }
  return least;
}

/// The first column with that key; there is one.
CDC_CLONES std::int64_t find_key(const std::int64_t* key, std::int64_t least, std::int64_t n) {
  std::int64_t j = 0;
  for (; j + 32 <= n; j += 32) {
    std::int64_t hits = 0;
    for (std::int64_t l = 0; l < 32; ++l) hits |= static_cast<std::int64_t>(key[j + l] == least);
    if (hits != 0) break;
  }
  while (key[j] != least) ++j;
  return j;
}

/// Solves the minimum for rows <= columns and costs >= 0. Potentials v stay <= 0 and are 0 at free columns, which is what makes leaving columns over
/// right.
class Solver {
 public:
  Solver(std::vector<std::int64_t> cost, std::int64_t rows, std::int64_t columns)
      : cost_(std::move(cost)), rows_(rows), columns_(columns), v_(size(columns), 0), column_of_(size(rows), -1), row_of_(size(columns), -1) {}

  std::vector<std::int32_t> solve() {
    if (rows_ == columns_) reduce_columns();
    std::vector<std::int64_t> free;
    for (std::int64_t i = 0; i < rows_; ++i)
      if (column_of_[size(i)] < 0) free.push_back(i);
    for (int round = 0; round < 2 && !free.empty(); ++round) free = reduce_rows(std::move(free));
    distance_.resize(size(columns_));
    from_.resize(size(columns_));
    closed_.resize(size(columns_));
    key_.resize(size(columns_));
    taken_.resize(size(columns_));
    for (std::int64_t j = 0; j < columns_; ++j) taken_[size(j)] = row_of_[size(j)] >= 0 ? 1 : 0;
    for (const std::int64_t i : free) augment(i);
    return column_of_;
  }

 private:
  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
  const std::int64_t* row(std::int64_t i) const { return cost_.data() + i * columns_; }

  void assign(std::int64_t i, std::int64_t j) {
    column_of_[size(i)] = static_cast<std::int32_t>(j);
    row_of_[size(j)] = static_cast<std::int32_t>(i);
  }

  // Column reduction: every column's least cost becomes its potential, and its row takes it if still free. Only where no column is left over.
  void reduce_columns() {
    std::vector<std::int64_t> where(size(columns_), 0);
    std::copy(row(0), row(0) + columns_, v_.begin());
    for (std::int64_t i = 1; i < rows_; ++i)
      for (std::int64_t j = 0; j < columns_; ++j)
        if (row(i)[j] < v_[size(j)]) {
          v_[size(j)] = row(i)[j];
          where[size(j)] = i;
        }
    for (std::int64_t j = columns_ - 1; j >= 0; --j)
      if (column_of_[size(where[size(j)])] < 0) assign(where[size(j)], j);
  }

  // Augmenting row reduction: a free row takes its best column, whose potential falls by what the second best is worse; the row that had it looks
  // again. Bounded, since with near-equal costs such price wars are long: what stays free goes to augment().
  std::vector<std::int64_t> reduce_rows(std::vector<std::int64_t> free) {
    std::vector<std::int64_t> still_free;
    std::int64_t budget = 4 * rows_ + 64;
    while (!free.empty()) {
      const std::int64_t i = free.back();
      free.pop_back();
      if (columns_ < 2 || --budget < 0) {
        still_free.push_back(i);
        continue;
      }
      const TwoLeast best = two_least(row(i), v_.data(), columns_);
      std::int64_t j = best.column;
      const bool strict = best.least < best.second;
      if (!strict && row_of_[size(j)] >= 0) {  // a tie: another column as good may be free
        for (std::int64_t other = j + 1; other < columns_; ++other)
          if (row(i)[other] - v_[size(other)] == best.least && row_of_[size(other)] < 0) {
            j = other;
            break;
          }
      }
      const std::int64_t loser = row_of_[size(j)];
      if (loser >= 0 && !strict) {
        still_free.push_back(i);  // nothing gained by changing places
        continue;
      }
      if (strict) v_[size(j)] -= best.second - best.least;
      if (loser >= 0) {
        column_of_[size(loser)] = -1;
        free.push_back(loser);
      }
      assign(i, j);
    }
    return still_free;
  }

  // The shortest augmenting path from a free row to a free column, then the potentials that keep every reduced cost right.
  void augment(std::int64_t start) {
    std::fill(distance_.begin(), distance_.end(), kInfinity);
    std::fill(closed_.begin(), closed_.end(), 0);
    scanned_.clear();
    std::int64_t i = start, reached = 0, end = -1, offset = 0;
    for (;;) {
      const std::int64_t least =
          relax(row(i), v_.data(), closed_.data(), taken_.data(), offset, i, columns_, distance_.data(), from_.data(), key_.data());
      const std::int64_t next = find_key(key_.data(), least, columns_);
      reached = distance_[size(next)];
      if (row_of_[size(next)] < 0) {
        end = next;
        break;
      }
      closed_[size(next)] = kInfinity;
      scanned_.push_back(next);
      i = row_of_[size(next)];
      offset = reached - (row(i)[next] - v_[size(next)]);
    }
    taken_[size(end)] = 1;
    for (const std::int64_t j : scanned_) v_[size(j)] += distance_[size(j)] - reached;
    for (std::int64_t j = end;;) {
      const std::int64_t r = from_[size(j)];
      const std::int64_t previous = column_of_[size(r)];
      assign(r, j);
      if (r == start) break;
      j = previous;
    }
  }

  std::vector<std::int64_t> cost_;
  std::int64_t rows_, columns_;
  std::vector<std::int64_t> v_;
  std::vector<std::int32_t> column_of_, row_of_;
  std::vector<std::int64_t> distance_, from_, closed_, key_, taken_, scanned_;
};

template <class T>
std::vector<std::int32_t> solve(const T* cost, std::int64_t rows, std::int64_t columns, Objective objective) {
  if (rows < 0 || columns < 0) throw Error(fmt::format("an assignment problem cannot have {} rows and {} columns", rows, columns));
  std::vector<std::int32_t> out(static_cast<std::size_t>(rows), -1);
  if (rows == 0 || columns == 0) return out;
  const bool transposed = rows > columns;
  const std::int64_t sign = objective == Objective::maximise ? -1 : 1;
  const std::int64_t all = rows * columns;
  const auto [least, greatest] = std::minmax_element(cost, cost + all);
  if (std::int64_t{*least} < -kLargestCost || std::int64_t{*greatest} > kLargestCost)
    throw Error(fmt::format("an assignment problem's costs must lie within -2^40 .. 2^40; they reach from {} to {}", *least, *greatest));
  const std::int64_t shift = sign > 0 ? -std::int64_t{*least} : std::int64_t{*greatest};  // makes every cost >= 0
  std::vector<std::int64_t> copy(static_cast<std::size_t>(all));
  if (transposed) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) copy[static_cast<std::size_t>(j * rows + i)] = sign * std::int64_t{cost[i * columns + j]} + shift;
    const std::vector<std::int32_t> row_of = Solver(std::move(copy), columns, rows).solve();
    for (std::size_t j = 0; j < row_of.size(); ++j) out[static_cast<std::size_t>(row_of[j])] = static_cast<std::int32_t>(j);
    return out;
  }
  for (std::int64_t i = 0; i < all; ++i) copy[static_cast<std::size_t>(i)] = sign * std::int64_t{cost[i]} + shift;
  return Solver(std::move(copy), rows, columns).solve();
}

}  // namespace

std::vector<std::int32_t> linear_assignment(const std::int64_t* cost, std::int64_t rows, std::int64_t columns, Objective objective) {
  return solve(cost, rows, columns, objective);
}
std::vector<std::int32_t> linear_assignment(const std::int32_t* cost, std::int64_t rows, std::int64_t columns, Objective objective) {
  return solve(cost, rows, columns, objective);
}

}  // namespace cdc
