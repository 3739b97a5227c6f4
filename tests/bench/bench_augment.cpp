// Views a second of one thread, for the settings that papers use. `bench_augment [FOLDER OF JPEG IMAGES]`; with a folder, decoding is measured too.
// CDC_BINARY_DIR names the build whose plugins are measured (the folder above this program's by default).
#include <oneapi/tbb/task_arena.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cdc/augment.hpp"
#include "cdc/random.hpp"
#include "support/stage_harness.hpp"

namespace {

cdc::Image noise(int height, int width, int channels) {
  const std::size_t n = static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
  std::shared_ptr<std::uint8_t> p(new std::uint8_t[n], std::default_delete<std::uint8_t[]>());
  cdc::Random random(3);
  for (std::size_t i = 0; i < n; ++i) p.get()[i] = static_cast<std::uint8_t>(random.next32());
  return {height, width, channels, p};
}

/// Per second of processor time (a machine that others use as well gives about the same), the best of five runs of at least 0.3 s.
double per_second(const std::function<void(std::int64_t)>& once) {
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    const std::clock_t begin = std::clock();
    std::int64_t done = 0;
    double seconds = 0;
    do {
      for (int i = 0; i < 8; ++i) once(done++);
      seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    } while (seconds < 0.3);
    best = std::max(best, static_cast<double>(done) / seconds);
  }
  return best;
}

void views(const char* what, const cdc::Value::Table& parameters, const cdc::Image& image, int size) {
  const auto augment = cdc::test::make<cdc::Augment>("augment.contrastive", parameters);
  std::vector<float> out(static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3);
  const double rate = per_second([&](std::int64_t i) { augment->render(image, {1, 0, i, static_cast<int>(i % 2)}, size, size, out.data()); });
  std::printf("%-62s %10.0f views/s\n", what, rate);
}

}  // namespace

int main(int argc, char** argv) {
  if (!std::getenv("CDC_BINARY_DIR")) {
    setenv("CDC_BINARY_DIR", (std::filesystem::canonical("/proc/self/exe").parent_path().parent_path()).c_str(), 0);
  }
  using Table = cdc::Value::Table;
  const Table simclr224{{"size", 224}, {"blur_p", 0.5}};
  views("28 x 28 grey: crop, flip, jitter", {}, noise(28, 28, 1), 28);
  views("32 x 32 colour: crop, flip, jitter, grey (SimCLR on CIFAR)", {}, noise(32, 32, 3), 32);
  views("224 from 500 x 375: crop, flip, jitter, grey", {{"size", 224}}, noise(375, 500, 3), 224);
  views("224 from 500 x 375: the same and blur, p 0.5 (MoCo v2)", simclr224, noise(375, 500, 3), 224);
  views("224 from 500 x 375: blur alone, always", {{"size", 224}, {"jitter_p", 0.0}, {"grey_p", 0.0}, {"blur_p", 1.0}}, noise(375, 500, 3), 224);
  if (argc < 2) return 0;
  oneapi::tbb::task_arena one(1);
  one.execute([&] {
    cdc::test::StageHarness harness;
    cdc::test::make<cdc::Stage>("dataset.image_folder", Table{{"root", argv[1]}})->run(harness);
    const auto data = std::static_pointer_cast<const cdc::Dataset>(harness.outputs.at("data"));
    std::printf("%-62s %10.0f images/s\n", "JPEG of that folder: decode", per_second([&](std::int64_t i) { data->image(i % data->size()); }));
    const auto augment = cdc::test::make<cdc::Augment>("augment.contrastive", simclr224);
    std::vector<float> out(224 * 224 * 3);
    const double rate = per_second([&](std::int64_t i) {
      const cdc::Image image = data->image(i % data->size());
      for (int v = 0; v < 2; ++v) augment->render(image, {1, 0, i, v}, 224, 224, out.data());
    });
    std::printf("%-62s %10.0f views/s\n", "JPEG of that folder: decode and two views of MoCo v2", 2 * rate);
  });
}
