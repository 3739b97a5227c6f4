// Nearest neighbours' times, for tests/bench/neighbors.py. Reads a raw float32 file, prints one JSON line. BENCH_THREADS threads (2).
//   bench_neighbors DATA N D K COSINE INDICES    each row's K nearest others; their numbers go to the file INDICES as int32: seconds
#include <oneapi/tbb/global_control.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "cdc/neighbors.hpp"

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "see the head of bench_neighbors.cpp\n");
    return 2;
  }
  const char* threads = std::getenv("BENCH_THREADS");
  const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism,
                                          static_cast<std::size_t>(threads ? std::atoi(threads) : 2));
  const std::int64_t n = std::atoll(argv[2]), d = std::atoll(argv[3]), k = std::atoll(argv[4]);
  std::vector<float> x(static_cast<std::size_t>(n * d));
  std::ifstream(argv[1], std::ios::binary).read(reinterpret_cast<char*>(x.data()), static_cast<std::streamsize>(x.size() * sizeof(float)));
  const auto start = std::chrono::steady_clock::now();
  const cdc::Neighbors r = cdc::nearest_neighbors(x.data(), n, d, k, std::atoi(argv[5]) != 0 ? cdc::Distance::cosine : cdc::Distance::euclidean);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::ofstream(argv[6], std::ios::binary)
      .write(reinterpret_cast<const char*>(r.index.data()), static_cast<std::streamsize>(r.index.size() * sizeof(std::int32_t)));
  std::printf("{\"seconds\": %.6f}\n", seconds);
  return 0;
}
