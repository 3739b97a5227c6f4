#include "numeric/clustering_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "cdc/parallel.hpp"
#include "numeric/assignment.hpp"

namespace cdc {
namespace {

__extension__ typedef __int128 Wide;

constexpr double kEps = std::numeric_limits<double>::epsilon();

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

double entropy_of(const std::vector<std::int64_t>& sizes, std::int64_t samples) {
  double sum = 0;
  const auto n = static_cast<double>(samples);
  for (const std::int64_t s : sizes)
    if (s > 0) sum -= static_cast<double>(s) / n * (std::log(static_cast<double>(s)) - std::log(n));
  return sum;
}

/// log(0) .. log(largest), the first being 0.
std::vector<double> logarithms(std::int64_t largest) {
  std::vector<double> out(size(largest + 1), 0.0);
  for (std::size_t i = 2; i < out.size(); ++i) out[i] = std::log(static_cast<double>(i));
  return out;
}

/// What a row of the table adds to the scores.
struct RowSums {
  double mutual_information = 0;
  std::int64_t squares = 0;  ///< sum of squared counts: below 2^62, since a table holds fewer than 2^31 samples
  std::int32_t majority = -1;
  std::int64_t majority_count = 0;
};

RowSums row_sums(const Contingency& table, std::int64_t i, const std::vector<double>& log_count, const std::vector<double>& log_class) {
  RowSums out;
  const std::int32_t* row = table.row(i);
  const std::int64_t cluster = table.cluster_sizes[size(i)];
  if (cluster == 0) return out;
  const auto n = static_cast<double>(table.samples);
  const double log_n = std::log(n), log_cluster = std::log(static_cast<double>(cluster));
  for (std::int64_t j = 0; j < table.classes; ++j) {
    const std::int64_t count = row[j];
    if (count == 0) continue;
    out.squares += count * count;
    if (count > out.majority_count) {
      out.majority_count = count;
      out.majority = static_cast<std::int32_t>(j);
    }
    const double p = static_cast<double>(count) / n;
    const double log_c = size(count) < log_count.size() ? log_count[size(count)] : std::log(static_cast<double>(count));
    const double term = p * (log_c - log_n) + p * (2 * log_n - log_cluster - log_class[size(j)]);
    if (std::abs(term) >= kEps) out.mutual_information += term;  // so that independence gives 0 and not 1e-17
  }
  return out;
}

double away_from_zero(double x) { return x < 0 ? std::min(x, -kEps) : std::max(x, kEps); }

double adjusted_rand(const Contingency& table, std::int64_t squares) {
  const std::int64_t n = table.samples;
  std::int64_t clusters = 0, classes = 0;
  for (const std::int64_t s : table.cluster_sizes) clusters += s * s;
  for (const std::int64_t s : table.class_sizes) classes += s * s;
  // Ordered pairs: together in both, in the clusters only, in the classes only, in neither.
  const Wide both = squares - n, cluster_only = clusters - squares, class_only = classes - squares;
  const Wide neither = Wide{n} * n - clusters - classes + squares;
  if (cluster_only == 0 && class_only == 0) return 1.0;
  // Factors are below 2^62, so that products, and sums of two, fit 128 bits; at a million samples they pass 64.
  const Wide difference = both * neither - cluster_only * class_only;
  const Wide scale = (both + class_only) * (class_only + neither) + (both + cluster_only) * (cluster_only + neither);
  return 2.0 * static_cast<double>(difference) / static_cast<double>(scale);
}

}  // namespace

double expected_mutual_information(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b, std::int64_t samples) {
  // Equal group sizes give equal terms: compute each pair of distinct sizes once.
  std::map<std::int64_t, std::int64_t> distinct_a, distinct_b;
  for (const std::int64_t s : a)
    if (s > 0) ++distinct_a[s];
  for (const std::int64_t s : b)
    if (s > 0) ++distinct_b[s];
  if (distinct_a.empty() || distinct_b.empty()) return 0;
  const std::vector<std::pair<std::int64_t, std::int64_t>> rows(distinct_a.begin(), distinct_a.end()), columns(distinct_b.begin(), distinct_b.end());
  const std::int64_t reach = std::min(rows.back().first, columns.back().first);
  const std::vector<double> log_of = logarithms(std::min<std::int64_t>(reach, 1 << 16));
  const auto log_at = [&](std::int64_t n) { return size(n) < log_of.size() ? log_of[size(n)] : std::log(static_cast<double>(n)); };
  const double log_n = std::log(static_cast<double>(samples));
  std::vector<double> log_column(columns.size());
  for (std::size_t j = 0; j < columns.size(); ++j) log_column[j] = std::log(static_cast<double>(columns[j].first));
  std::vector<double> sums(rows.size(), 0.0);
  parallel_chunks(static_cast<std::int64_t>(rows.size()), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t ra = rows[size(i)].first;
      const double log_a = std::log(static_cast<double>(ra));
      double sum = 0;
      for (std::size_t j = 0; j < columns.size(); ++j) {
        const std::int64_t cb = columns[j].first;
        const std::int64_t low = std::max<std::int64_t>(0, ra + cb - samples), high = std::min(ra, cb);
        // The overlap's distribution is hypergeometric. Its weights, 1 at the mode, follow from neighbours' ratios; dividing by their sum makes them
        // probabilities, so that no factorial is needed.
        const auto mode = std::clamp(
            static_cast<std::int64_t>(static_cast<double>(ra + 1) * static_cast<double>(cb + 1) / static_cast<double>(samples + 2)), low, high);
        const double constant = log_n - log_a - log_column[j];
        const auto da = static_cast<double>(ra), db = static_cast<double>(cb), rest = static_cast<double>(samples - ra - cb);
        double weights = 1, value = static_cast<double>(mode) * (mode > 0 ? log_at(mode) + constant : 0);
        double w = 1;
        for (std::int64_t n = mode; n < high; ++n) {
          const auto d = static_cast<double>(n);
          w *= (da - d) * (db - d) / ((d + 1) * (rest + d + 1));
          if (w < 1e-19) break;
          weights += w;
          value += w * (d + 1) * (log_at(n + 1) + constant);
        }
        w = 1;
        for (std::int64_t n = mode; n > low; --n) {
          const auto d = static_cast<double>(n);
          w *= d * (rest + d) / ((da - d + 1) * (db - d + 1));
          if (w < 1e-19) break;
          weights += w;
          if (n > 1) value += w * (d - 1) * (log_at(n - 1) + constant);
        }
        sum += static_cast<double>(columns[j].second) * value / weights;
      }
      sums[size(i)] = sum * static_cast<double>(rows[size(i)].second) / static_cast<double>(samples);
    }
  });
  double out = 0;
  for (const double s : sums) out += s;
  return out;
}

ClusteringScores clustering_scores(const Contingency& table) {
  ClusteringScores out;
  const auto n = static_cast<double>(table.samples);
  const std::int64_t largest = std::min(*std::max_element(table.cluster_sizes.begin(), table.cluster_sizes.end()),
                                        *std::max_element(table.class_sizes.begin(), table.class_sizes.end()));
  const std::vector<double> log_count = logarithms(std::min<std::int64_t>(largest, 1 << 16));
  std::vector<double> log_class(table.class_sizes.size(), 0.0);
  for (std::size_t j = 0; j < log_class.size(); ++j)
    if (table.class_sizes[j] > 0) log_class[j] = std::log(static_cast<double>(table.class_sizes[j]));
  std::vector<RowSums> rows(size(table.clusters));
  parallel_chunks(table.clusters, std::max<std::int64_t>(1, 65536 / table.classes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) rows[size(i)] = row_sums(table, i, log_count, log_class);
  });

  double mutual_information = 0;
  std::int64_t squares = 0;
  std::int64_t in_majority = 0;
  for (const RowSums& row : rows) {
    mutual_information += row.mutual_information;
    squares += row.squares;
    in_majority += row.majority_count;
    out.majority.push_back(row.majority);
  }
  const auto used = [](const std::vector<std::int64_t>& sizes) {
    return std::count_if(sizes.begin(), sizes.end(), [](std::int64_t s) { return s > 0; });
  };
  const auto clusters = used(table.cluster_sizes), classes = used(table.class_sizes);
  if (clusters == 1 || classes == 1) mutual_information = 0;
  mutual_information = std::max(mutual_information, 0.0);

  out.purity = static_cast<double>(in_majority) / n;
  out.matching = linear_assignment(table.counts.data(), table.clusters, table.classes, Objective::maximise);
  std::int64_t matched = 0;
  for (std::int64_t i = 0; i < table.clusters; ++i)
    if (out.matching[size(i)] >= 0) matched += table.row(i)[out.matching[size(i)]];
  out.accuracy = static_cast<double>(matched) / n;

  const double cluster_entropy = entropy_of(table.cluster_sizes, table.samples), class_entropy = entropy_of(table.class_sizes, table.samples);
  const double mean_entropy = (cluster_entropy + class_entropy) / 2;
  out.homogeneity = classes > 1 ? mutual_information / class_entropy : 1.0;
  out.completeness = clusters > 1 ? mutual_information / cluster_entropy : 1.0;
  const double sum = out.homogeneity + out.completeness;
  out.v_measure = sum > 0 ? 2 * out.homogeneity * out.completeness / sum : 0.0;
  out.ari = adjusted_rand(table, squares);
  if (clusters == 1 && classes == 1) {
    out.nmi = out.ami = 1;
  } else if (clusters > 1 && classes > 1) {
    out.nmi = mutual_information > 0 ? mutual_information / mean_entropy : 0.0;
    const double expected = expected_mutual_information(table.cluster_sizes, table.class_sizes, table.samples);
    out.ami = away_from_zero(mutual_information - expected) / away_from_zero(mean_entropy - expected);
  }
  return out;
}

ClusterSpread cluster_spread(const std::vector<std::int64_t>& sizes) {
  ClusterSpread out;
  std::int64_t samples = 0, largest = 0;
  for (const std::int64_t s : sizes) {
    samples += s;
    largest = std::max(largest, s);
    if (s == 0) ++out.empty;
  }
  if (samples == 0) return out;
  out.entropy_nats = std::max(0.0, entropy_of(sizes, samples));
  out.entropy = sizes.size() > 1 ? out.entropy_nats / std::log(static_cast<double>(sizes.size())) : 0.0;
  out.largest_share = static_cast<double>(largest) / static_cast<double>(samples);
  return out;
}

}  // namespace cdc
