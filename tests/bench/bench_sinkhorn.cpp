// Milliseconds of one Sinkhorn iteration: the engine's kernel beside the log domain and the exp form (as SwAV's code writes it) in LibTorch's
// operators, in one process, interleaved. An iteration's time is the slope between 3 and 13 iterations, so set-up is left out; the whole call is
// printed too.
//   bench_sinkhorn [THREADS=2] [REPEATS=5]
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/rand.h>
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <vector>

#include "cdc/sinkhorn.hpp"

namespace {

at::Tensor log_domain(const at::Tensor& scores, int iterations) {
  at::Tensor q = scores / 0.05;
  for (int i = 0; i < iterations; ++i) {
    q = q - at::logsumexp(q, 0, true) - std::log(static_cast<double>(q.size(1)));
    q = q - at::logsumexp(q, 1, true) - std::log(static_cast<double>(q.size(0)));
  }
  return (q + std::log(static_cast<double>(q.size(0)))).exp();
}

at::Tensor exp_form(const at::Tensor& scores, int iterations) {
  at::Tensor q = ((scores - scores.max()) / 0.05).exp().t();
  q /= q.sum();
  for (int i = 0; i < iterations; ++i) {
    q /= q.sum(1, true) * static_cast<double>(q.size(0));
    q /= q.sum(0, true) * static_cast<double>(q.size(1));
  }
  return (q * static_cast<double>(q.size(1))).t();
}

/// With one thread the processor time, so that other programs do not count; otherwise the time on the wall.
double now(int threads) {
  timespec t{};
  clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}
double milliseconds(int threads, const std::function<void()>& body) {
  const double start = now(threads);
  body();
  return now(threads) - start;
}
double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2, repeats = argc > 2 ? std::atoi(argv[2]) : 5;
  at::set_num_threads(threads);
  const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads));
  const at::NoGradGuard guard;
  std::printf("%d threads, medians of %d; ms an iteration (whole call with 3 iterations)\n", threads, repeats);
  for (const auto& [rows, columns] : {std::pair<std::int64_t, std::int64_t>{256, 10}, {4096, 1000}, {16384, 3000}}) {
    const at::Tensor scores = at::rand({rows, columns}) * 2 - 1;
    at::Tensor codes = at::empty_like(scores);
    const auto ours = [&](int iterations) {
      cdc::SinkhornOptions options;
      options.iterations = iterations;
      cdc::sinkhorn(scores.data_ptr<float>(), rows, columns, rows, options, codes.data_ptr<float>());
    };
    const std::vector<std::function<void(int)>> all{ours, [&](int n) { log_domain(scores, n); }, [&](int n) { exp_form(scores, n); }};
    std::vector<std::vector<double>> slope(3), call(3);
    for (int r = 0; r < repeats + 1; ++r)
      for (std::size_t k = 0; k < all.size(); ++k) {
        const double three = milliseconds(threads, [&] { all[k](3); }), thirteen = milliseconds(threads, [&] { all[k](13); });
        if (r == 0) continue;  // pages and clocks warm up
        slope[k].push_back((thirteen - three) / 10);
        call[k].push_back(three);
      }
    std::printf("%6lld x %4lld  ours %.4f (%.3f)  LibTorch log domain %.4f (%.3f), ratio %.1f  LibTorch exp %.4f (%.3f), ratio %.1f\n",
                static_cast<long long>(rows), static_cast<long long>(columns), median(slope[0]), median(call[0]), median(slope[1]), median(call[1]),
                median(slope[1]) / median(slope[0]), median(slope[2]), median(call[2]), median(slope[2]) / median(slope[0]));
    std::fflush(stdout);
  }
}
