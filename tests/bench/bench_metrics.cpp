// Times of the scores, for tests/bench/metrics.py: reads a file of int32 pairs, prints one JSON line.
//   bench_metrics scores PREDICTIONS LABELS CLUSTERS CLASSES REPEATS    (two files of int32)
//   bench_metrics assignment COSTS ROWS COLUMNS REPEATS                 (a file of int64, minimised)
#include <oneapi/tbb/global_control.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "cdc/assignment.hpp"
#include "cdc/clustering_metrics.hpp"

namespace {

template <class T>
std::vector<T> read_array(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<T> out(static_cast<std::size_t>(file.tellg()) / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size() * sizeof(T)));
  return out;
}

template <class F>
std::vector<double> times(int repeats, F body) {
  std::vector<double> out;
  for (int r = 0; r < repeats; ++r) {
    const std::clock_t start = std::clock();  // processor time, all threads: holds on a machine that others use too
    body();
    out.push_back(static_cast<double>(std::clock() - start) * 1e3 / CLOCKS_PER_SEC);
  }
  std::sort(out.begin(), out.end());
  return out;
}

void print_times(const char* name, const std::vector<double>& t) {
  std::printf("\"%s\": {\"min\": %.4f, \"median\": %.4f}, ", name, t.front(), t[t.size() / 2]);
}

}  // namespace

int main(int argc, char** argv) {
  const char* threads = std::getenv("BENCH_THREADS");
  const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism,
                                          static_cast<std::size_t>(threads ? std::atoi(threads) : 1));
  if (argc == 7 && std::string(argv[1]) == "scores") {
    const auto predictions = read_array<std::int32_t>(argv[2]), labels = read_array<std::int32_t>(argv[3]);
    const std::int64_t clusters = std::atoll(argv[4]), classes = std::atoll(argv[5]);
    const auto n = static_cast<std::int64_t>(labels.size());
    const int repeats = std::atoi(argv[6]);
    cdc::Contingency table;
    cdc::ClusteringScores s;
    double expected = 0;
    std::printf("{");
    print_times("all",
                times(repeats, [&] { s = cdc::clustering_scores(cdc::contingency(predictions.data(), labels.data(), n, clusters, classes)); }));
    print_times("contingency", times(repeats, [&] { table = cdc::contingency(predictions.data(), labels.data(), n, clusters, classes); }));
    print_times("assignment", times(repeats, [&] { cdc::linear_assignment(table.counts.data(), clusters, classes, cdc::Objective::maximise); }));
    print_times("emi", times(repeats, [&] { expected = cdc::expected_mutual_information(table.cluster_sizes, table.class_sizes, n); }));
    std::printf("\"expected\": %.17g, \"acc\": %.17g, \"nmi\": %.17g, \"ari\": %.17g, \"ami\": %.17g}\n", expected, s.accuracy, s.nmi, s.ari, s.ami);
    return 0;
  }
  if (argc == 6 && std::string(argv[1]) == "assignment") {
    const auto cost = read_array<std::int64_t>(argv[2]);
    const std::int64_t rows = std::atoll(argv[3]), columns = std::atoll(argv[4]);
    std::vector<std::int32_t> column_of;
    std::printf("{");
    print_times("assignment",
                times(std::atoi(argv[5]), [&] { column_of = cdc::linear_assignment(cost.data(), rows, columns, cdc::Objective::minimise); }));
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < rows; ++i)
      if (column_of[static_cast<std::size_t>(i)] >= 0) sum += cost[static_cast<std::size_t>(i * columns + column_of[static_cast<std::size_t>(i)])];
    std::printf("\"total\": %lld}\n", static_cast<long long>(sum));
    return 0;
  }
  std::fprintf(stderr, "see the head of bench_metrics.cpp\n");
  return 2;
}
