#include "cdc/clustering_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "cdc/assignment.hpp"
#include "cdc/parallel.hpp"
#include "numeric/clones.hpp"

namespace cdc {
namespace {

__extension__ typedef __int128 Wide;

constexpr int kLanes = 8;
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
  std::int32_t majority_count = 0;
};

/// Sum over a cluster's classes of p log(p / (p_cluster p_class)); `cluster_term` is 2 log n - log cluster size. Terms below eps count as 0, so that
/// independence gives 0 and not 1e-17. Lane sums in fixed order.
CDC_CLONES double information_of(const std::int32_t* row, std::int64_t classes, double n, double log_n, double cluster_term, const double* log_of,
                                 const double* log_class) {
  double lanes[kLanes] = {};
  const auto term = [&](std::int64_t j) {
    const double p = static_cast<double>(row[j]) / n;
    const double t = p * (log_of[row[j]] - log_n) + p * (cluster_term - log_class[j]);
    return std::abs(t) >= kEps ? t : 0.0;
  };
  std::int64_t j = 0;
  for (; j + kLanes <= classes; j += kLanes)
    for (int l = 0; l < kLanes; ++l) lanes[l] += term(j + l);
  for (int l = 0; j < classes; ++j, ++l) lanes[l] += term(j);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

CDC_CLONES void count_sums(const std::int32_t* row, std::int64_t classes, std::int64_t* squares, std::int32_t* greatest) {
  std::int64_t sum = 0;
  std::int32_t most = 0;
  for (std::int64_t j = 0; j < classes; ++j) {
    sum += std::int64_t{row[j]} * row[j];
    most = row[j] > most ? row[j] : most;
  }
  *squares = sum;
  *greatest = most;
}

constexpr double kNegligible = 1e-18;  ///< of a weight beside the greatest

/// The mean of n log(samples n / (a b)) over overlaps n, times samples, for kLanes group sizes b at once. The overlap's distribution is
/// hypergeometric: its weights follow from neighbours' ratios, from 1 at n = 0 on, and dividing by their sum makes them probabilities, so that no
/// factorial is needed. For sizes whose overlap can be 0 and is small as a rule: weights grow like exp(mode).
CDC_CLONES void overlap_means(double a, const double* b, const double* constant, double samples, double mode, const double* log_of, double* mean) {
  typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));
  Lanes sizes, constants, w, weights, values;
  for (int l = 0; l < kLanes; ++l) {
    sizes[l] = b[l];
    constants[l] = constant[l];
    w[l] = weights[l] = 1;
    values[l] = 0;
  }
  const Lanes rest = samples - a - sizes;
  for (double n = 0; n < a;) {
    for (int step = 0; step < 4; ++step, n += 1) {
      const double log_next = log_of[static_cast<std::ptrdiff_t>(n) + 1];
      const Lanes ratio = (a - n) * (sizes - n) / ((n + 1) * (rest + (n + 1)));
      w *= ratio;
      w = w > 0 ? w : w - w;  // beyond the smaller group
      weights += w;
      values += w * ((n + 1) * (log_next + constants));
    }
    bool done = n > mode;
    for (int l = 0; l < kLanes; ++l) done &= w[l] <= kNegligible * weights[l];
    if (done) break;
  }
  values /= weights;
  for (int l = 0; l < kLanes; ++l) mean[l] = values[l];
}

/// The same for one pair of sizes of any kind, from the mode outwards.
template <class LogAt>
double overlap_mean(std::int64_t a, std::int64_t b, double constant, std::int64_t samples, const LogAt& log_at) {
  const std::int64_t low = std::max<std::int64_t>(0, a + b - samples), high = std::min(a, b);
  const auto guess = static_cast<std::int64_t>(static_cast<double>(a + 1) * static_cast<double>(b + 1) / static_cast<double>(samples + 2));
  const std::int64_t mode = std::clamp(guess, low, high);
  const auto da = static_cast<double>(a), db = static_cast<double>(b), rest = static_cast<double>(samples - a - b);
  double weights = 1, value = mode > 0 ? static_cast<double>(mode) * (log_at(mode) + constant) : 0;
  double w = 1;
  for (std::int64_t n = mode; n < high; ++n) {
    const auto d = static_cast<double>(n);
    w *= (da - d) * (db - d) / ((d + 1) * (rest + d + 1));
    if (w < kNegligible) break;
    weights += w;
    value += w * (d + 1) * (log_at(n + 1) + constant);
  }
  w = 1;
  for (std::int64_t n = mode; n > low; --n) {
    const auto d = static_cast<double>(n);
    w *= d * (rest + d) / ((da - d + 1) * (db - d + 1));
    if (w < kNegligible) break;
    weights += w;
    if (n > 1) value += w * (d - 1) * (log_at(n - 1) + constant);
  }
  return value / weights;
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

/// What a table says of each row, and of both sides together.
struct Information {
  std::int64_t clusters = 0, classes = 0;  ///< that a sample has
  double mutual = 0, cluster_entropy = 0, class_entropy = 0;
  std::vector<RowSums> rows;

  double normalised() const {
    if (clusters == 1 && classes == 1) return 1;
    return mutual > 0 ? 2 * mutual / (cluster_entropy + class_entropy) : 0.0;
  }
};

Information information_of(const Contingency& table) {
  Information out;
  const auto n = static_cast<double>(table.samples);
  const auto used = [](const std::vector<std::int64_t>& sizes) {
    return std::count_if(sizes.begin(), sizes.end(), [](std::int64_t s) { return s > 0; });
  };
  out.clusters = used(table.cluster_sizes);
  out.classes = used(table.class_sizes);
  const bool informative = out.clusters > 1 && out.classes > 1;  // else the mutual information is 0
  std::vector<double> log_of, log_class;
  if (informative) {
    log_of = logarithms(std::min(*std::max_element(table.cluster_sizes.begin(), table.cluster_sizes.end()),
                                 *std::max_element(table.class_sizes.begin(), table.class_sizes.end())));
    for (const std::int64_t s : table.class_sizes) log_class.push_back(s > 0 ? std::log(static_cast<double>(s)) : 0.0);
  }
  const double log_n = std::log(n);
  out.rows.resize(size(table.clusters));
  parallel_chunks(table.clusters, std::max<std::int64_t>(1, 65536 / table.classes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t cluster = table.cluster_sizes[size(i)];
      if (cluster == 0) continue;
      const std::int32_t* row = table.row(i);
      RowSums& sums = out.rows[size(i)];
      count_sums(row, table.classes, &sums.squares, &sums.majority_count);
      sums.majority = static_cast<std::int32_t>(std::find(row, row + table.classes, sums.majority_count) - row);
      if (informative)
        sums.mutual_information =
            information_of(row, table.classes, n, log_n, 2 * log_n - std::log(static_cast<double>(cluster)), log_of.data(), log_class.data());
    }
  });
  for (const RowSums& row : out.rows) out.mutual += row.mutual_information;
  out.mutual = std::max(out.mutual, 0.0);
  out.cluster_entropy = entropy_of(table.cluster_sizes, table.samples);
  out.class_entropy = entropy_of(table.class_sizes, table.samples);
  return out;
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
  const std::vector<double> log_of = logarithms(std::clamp<std::int64_t>(std::min(rows.back().first, columns.back().first) + 4, 1024, 1 << 16));
  const auto log_at = [&](std::int64_t n) { return size(n) < log_of.size() ? log_of[size(n)] : std::log(static_cast<double>(n)); };
  const double log_n = std::log(static_cast<double>(samples));
  std::vector<double> log_column(columns.size());
  for (std::size_t j = 0; j < columns.size(); ++j) log_column[j] = std::log(static_cast<double>(columns[j].first));
  std::vector<double> sums(rows.size(), 0.0);
  parallel_chunks(static_cast<std::int64_t>(rows.size()), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t a_size = rows[size(i)].first;
      const double log_a = std::log(static_cast<double>(a_size));
      double sum = 0;
      for (std::size_t j = 0; j < columns.size();) {
        const std::size_t last = std::min(j + kLanes, columns.size()) - 1;  // sizes ascend
        const double mode = static_cast<double>(a_size + 1) * static_cast<double>(columns[last].first + 1) / static_cast<double>(samples + 2);
        const bool near_zero = mode < 64 && a_size + columns[last].first <= samples && a_size + 8 < static_cast<std::int64_t>(log_of.size());
        if (!near_zero) {
          sum += static_cast<double>(columns[j].second) * overlap_mean(a_size, columns[j].first, log_n - log_a - log_column[j], samples, log_at);
          ++j;
          continue;
        }
        double sizes[kLanes], constants[kLanes], means[kLanes];
        for (std::size_t l = 0; l < kLanes; ++l) {
          const std::size_t c = std::min(j + l, last);
          sizes[l] = static_cast<double>(columns[c].first);
          constants[l] = log_n - log_a - log_column[c];
        }
        overlap_means(static_cast<double>(a_size), sizes, constants, static_cast<double>(samples), mode, log_of.data(), means);
        for (std::size_t l = 0; j <= last; ++j, ++l) sum += static_cast<double>(columns[j].second) * means[l];
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
  const Information information = information_of(table);
  const auto& [clusters, classes, mutual_information, cluster_entropy, class_entropy, rows] = information;
  const double mean_entropy = (cluster_entropy + class_entropy) / 2;

  std::int64_t squares = 0, in_majority = 0;
  for (const RowSums& row : rows) {
    squares += row.squares;
    in_majority += row.majority_count;
    out.majority.push_back(row.majority);
  }
  out.purity = static_cast<double>(in_majority) / n;
  out.matching = linear_assignment(table.counts.data(), table.clusters, table.classes, Objective::maximise);
  std::int64_t matched = 0;
  for (std::int64_t i = 0; i < table.clusters; ++i)
    if (out.matching[size(i)] >= 0) matched += table.row(i)[out.matching[size(i)]];
  out.accuracy = static_cast<double>(matched) / n;

  out.homogeneity = classes > 1 ? mutual_information / class_entropy : 1.0;
  out.completeness = clusters > 1 ? mutual_information / cluster_entropy : 1.0;
  const double sum = out.homogeneity + out.completeness;
  out.v_measure = sum > 0 ? 2 * out.homogeneity * out.completeness / sum : 0.0;
  out.ari = adjusted_rand(table, squares);
  out.nmi = information.normalised();
  if (clusters == 1 && classes == 1) {
    out.ami = 1;
  } else if (clusters > 1 && classes > 1) {
    const double expected = expected_mutual_information(table.cluster_sizes, table.class_sizes, table.samples);
    out.ami = away_from_zero(mutual_information - expected) / away_from_zero(mean_entropy - expected);
  }
  return out;
}

double normalised_mutual_information(const Contingency& table) { return information_of(table).normalised(); }

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
