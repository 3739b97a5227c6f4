// Times of UMAP and of its neighbours, for tests/bench/embedding.py. Reads a raw float32 file, prints one JSON line: seconds, processor time.
// BENCH_THREADS threads (2).
//   bench_umap neighbors DATA N D K COMPARED INDICES    approximate neighbours of each row; their numbers go to INDICES as int32
//   bench_umap embed DATA N D POINTS INDICES            the embedding, to POINTS as float32, and its neighbours; also the seconds until those were
//                                                       found and until the first epoch was done
#include <oneapi/tbb/global_control.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <vector>

#include "numeric/approximate_neighbors.hpp"
#include "numeric/umap.hpp"

namespace {

template <class T>
void write(const char* path, const std::vector<T>& values) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
}

}  // namespace

int main(int argc, char** argv) {
  const bool neighbors = argc == 8 && std::strcmp(argv[1], "neighbors") == 0, embed = argc == 7 && std::strcmp(argv[1], "embed") == 0;
  if (!neighbors && !embed) {
    std::fprintf(stderr, "see the head of bench_umap.cpp\n");
    return 2;
  }
  const char* threads = std::getenv("BENCH_THREADS");
  const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism,
                                          static_cast<std::size_t>(threads ? std::atoi(threads) : 2));
  const std::int64_t n = std::atoll(argv[3]), d = std::atoll(argv[4]);
  std::vector<float> x(static_cast<std::size_t>(n * d));
  std::ifstream(argv[2], std::ios::binary).read(reinterpret_cast<char*>(x.data()), static_cast<std::streamsize>(x.size() * sizeof(float)));
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t before = std::clock();
  const auto cpu_seconds = [&] { return static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC; };
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  if (neighbors) {
    cdc::ApproximateNeighborsOptions options;
    options.k = std::atoll(argv[5]);
    options.compared = std::atoll(argv[6]);
    const cdc::Neighbors r = cdc::approximate_neighbors(x.data(), n, d, options);
    std::printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", seconds(), cpu_seconds());
    write(argv[7], r.index);
    return 0;
  }
  double found = 0, first = 0;
  const cdc::Umap r = cdc::umap_embedding(x.data(), n, d, {}, [&](const cdc::UmapProgress& p) {
    if (std::strcmp(p.step, "neighbours") == 0) found = seconds();
    if (std::strcmp(p.step, "epochs") == 0 && first == 0) first = seconds();
    return true;
  });
  std::printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"neighbors\": %.6f, \"first_epoch\": %.6f}\n", seconds(), cpu_seconds(), found, first);
  write(argv[5], r.points);
  write(argv[6], r.neighbors.index);
  return 0;
}
