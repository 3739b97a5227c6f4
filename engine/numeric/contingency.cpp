#include "cdc/contingency.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <limits>

#include "cdc/error.hpp"
#include "cdc/parallel.hpp"

namespace cdc {
namespace {

constexpr std::int64_t kLargestTable = std::int64_t{1} << 28;

void check_size(std::int64_t n, std::int64_t values, const char* what) {
  if (n <= 0) throw Error("there are no samples to score");
  if (n > std::numeric_limits<std::int32_t>::max()) throw Error(fmt::format("{} samples are too many to score: the counts hold up to 2147483647", n));
  if (values <= 0) throw Error(fmt::format("the number of {} must be positive, and is {}", what, values));
}

[[noreturn]] void out_of_range(const char* what, const char* all, std::int64_t sample, std::int32_t value, std::int64_t end) {
  throw Error(fmt::format("sample {} has {} {}: {} must lie in 0 .. {}", sample, what, value, all, end - 1));
}

// Every part counts a run of samples into a table of its own; few parts, since each table has to be cleared and added up.
std::int64_t part_length(std::int64_t n, std::int64_t cells) {
  const std::int64_t shortest = std::max<std::int64_t>(65536, cells);
  const std::int64_t parts = std::clamp<std::int64_t>(n / shortest, 1, thread_count());
  return (n + parts - 1) / parts;
}

}  // namespace

Contingency contingency(const std::int32_t* predictions, const std::int32_t* labels, std::int64_t n, std::int64_t clusters, std::int64_t classes) {
  check_size(n, clusters, "clusters");
  check_size(n, classes, "classes");
  if (clusters > kLargestTable / classes)
    throw Error(fmt::format("{} clusters against {} classes make a table too large to score: lower the number of clusters", clusters, classes));
  Contingency out;
  out.samples = n;
  out.clusters = clusters;
  out.classes = classes;
  const std::int64_t cells = clusters * classes;
  const std::int64_t length = part_length(n, cells);
  const std::int64_t parts = (n + length - 1) / length;
  std::vector<std::vector<std::int32_t>> tables(static_cast<std::size_t>(parts));
  std::vector<std::int64_t> bad(static_cast<std::size_t>(parts), -1);
  const auto k = static_cast<std::uint64_t>(clusters), c = static_cast<std::uint64_t>(classes);
  parallel_chunks(n, length, [&](std::int64_t begin, std::int64_t end) {
    const auto part = static_cast<std::size_t>(begin / length);
    tables[part].assign(static_cast<std::size_t>(cells), 0);
    std::int32_t* table = tables[part].data();
    for (std::int64_t i = begin; i < end; ++i) {
      const auto p = static_cast<std::uint64_t>(static_cast<std::int64_t>(predictions[i]));
      const auto l = static_cast<std::uint64_t>(static_cast<std::int64_t>(labels[i]));
      if (p >= k || l >= c) {  // negative values are huge as unsigned ones
        bad[part] = i;
        return;
      }
      ++table[p * c + l];
    }
  });
  for (const std::int64_t i : bad) {
    if (i < 0) continue;
    if (predictions[i] < 0 || predictions[i] >= clusters) out_of_range("cluster", "clusters", i, predictions[i], clusters);
    out_of_range("label", "labels", i, labels[i], classes);
  }
  out.counts = std::move(tables[0]);
  for (std::size_t part = 1; part < tables.size(); ++part)
    for (std::size_t i = 0; i < out.counts.size(); ++i) out.counts[i] += tables[part][i];
  out.cluster_sizes.assign(static_cast<std::size_t>(clusters), 0);
  out.class_sizes.assign(static_cast<std::size_t>(classes), 0);
  for (std::int64_t i = 0; i < clusters; ++i) {
    const std::int32_t* row = out.row(i);
    std::int64_t sum = 0;
    for (std::int64_t j = 0; j < classes; ++j) {
      sum += row[j];
      out.class_sizes[static_cast<std::size_t>(j)] += row[j];
    }
    out.cluster_sizes[static_cast<std::size_t>(i)] = sum;
  }
  return out;
}

std::vector<std::int64_t> cluster_sizes(const std::int32_t* predictions, std::int64_t n, std::int64_t clusters) {
  check_size(n, clusters, "clusters");
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(clusters), 0);
  for (std::int64_t i = 0; i < n; ++i) {
    if (predictions[i] < 0 || predictions[i] >= clusters) out_of_range("cluster", "clusters", i, predictions[i], clusters);
    ++sizes[static_cast<std::size_t>(predictions[i])];
  }
  return sizes;
}

}  // namespace cdc
