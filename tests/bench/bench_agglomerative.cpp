// Ward's agglomerative clustering, for tests/bench/agglomerative.py. Reads a raw float32 file, prints one JSON line. BENCH_THREADS threads (2).
//   bench_agglomerative DATA N D K MAX_BYTES LABELS    the rows' clusters go to the file LABELS as int32: seconds, the last merge's height
#include <oneapi/tbb/global_control.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "cdc/agglomerative.hpp"

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "see the head of bench_agglomerative.cpp\n");
    return 2;
  }
  const char* threads = std::getenv("BENCH_THREADS");
  const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism,
                                          static_cast<std::size_t>(threads ? std::atoi(threads) : 2));
  const std::int64_t n = std::atoll(argv[2]), d = std::atoll(argv[3]);
  cdc::AgglomerativeOptions options;
  options.clusters = std::atoll(argv[4]);
  options.max_bytes = std::atof(argv[5]);
  std::vector<float> x(static_cast<std::size_t>(n * d));
  std::ifstream(argv[1], std::ios::binary).read(reinterpret_cast<char*>(x.data()), static_cast<std::streamsize>(x.size() * sizeof(float)));
  const auto start = std::chrono::steady_clock::now();
  const cdc::AgglomerativeResult r = cdc::agglomerative_clustering(x.data(), n, d, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::ofstream(argv[6], std::ios::binary)
      .write(reinterpret_cast<const char*>(r.labels.data()), static_cast<std::streamsize>(r.labels.size() * sizeof(std::int32_t)));
  std::printf("{\"seconds\": %.6f, \"height\": %.12g}\n", seconds, r.merges.back().height);
  return 0;
}
