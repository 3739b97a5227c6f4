// k-means' times, for tests/bench/kmeans.py. Reads raw float32 files, prints one JSON line. BENCH_THREADS threads (2); with BENCH_CPU=1 processor
// time instead of the clock's, which on one thread holds on a machine that others use too.
//   bench_kmeans lloyd DATA N D CENTRES K ITERATIONS PRUNE    iterations from given centres, tolerance 0: seconds of the whole call, inertia
//   bench_kmeans seed  DATA N D K SEED                        greedy k-means++: seconds, inertia of the rows chosen
#include <oneapi/tbb/global_control.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "cdc/kmeans.hpp"

namespace {

std::vector<float> read_floats(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<float> out(static_cast<std::size_t>(file.tellg()) / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size() * sizeof(float)));
  return out;
}

double now() {
  static const bool processor = std::getenv("BENCH_CPU") != nullptr;
  if (processor) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char** argv) {
  const char* threads = std::getenv("BENCH_THREADS");
  const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism,
                                          static_cast<std::size_t>(threads ? std::atoi(threads) : 2));
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "lloyd" && argc == 9) {
    const auto x = read_floats(argv[2]), centres = read_floats(argv[5]);
    const std::int64_t n = std::atoll(argv[3]), d = std::atoll(argv[4]);
    cdc::KMeansOptions options;
    options.clusters = std::atoll(argv[6]);
    options.centres = centres.data();
    options.max_iterations = std::atoi(argv[7]);
    options.prune = std::atoi(argv[8]) != 0;
    options.tolerance = 0;
    std::vector<double> at, changed;
    const double start = now();
    const cdc::KMeansResult r = cdc::kmeans(x.data(), n, d, options, [&](const cdc::KMeansProgress& p) {
      at.push_back(now() - start);
      changed.push_back(p.changed);
      return true;
    });
    std::printf("{\"seconds\": %.6f, \"inertia\": %.17g, \"iterations\": %d, \"at\": [", now() - start, r.inertia, r.iterations);
    for (std::size_t i = 0; i < at.size(); ++i) std::printf("%s%.6f", i ? ", " : "", at[i]);
    std::printf("], \"changed\": [");
    for (std::size_t i = 0; i < changed.size(); ++i) std::printf("%s%.5f", i ? ", " : "", changed[i]);
    std::printf("]}\n");
    return 0;
  }
  if (what == "seed" && argc == 7) {
    const auto x = read_floats(argv[2]);
    const std::int64_t n = std::atoll(argv[3]), d = std::atoll(argv[4]), k = std::atoll(argv[5]);
    const double start = now();
    const auto rows = cdc::kmeans_plus_plus(x.data(), n, d, k, static_cast<std::uint64_t>(std::atoll(argv[6])));
    const double seconds = now() - start;
    std::printf("{\"seconds\": %.6f, \"rows\": [", seconds);
    for (std::size_t i = 0; i < rows.size(); ++i) std::printf("%s%lld", i ? ", " : "", static_cast<long long>(rows[i]));
    std::printf("]}\n");
    return 0;
  }
  std::fprintf(stderr, "see the head of bench_kmeans.cpp\n");
  return 2;
}
