#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "cdc/random.hpp"
#include "cdc/value.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

namespace cdc::test {

namespace fs = std::filesystem;

/// 512 + 64 grey images of 28 x 28 in four classes (stripes across, stripes down, a disc, a frame) with noise, in the layout of the MNIST family.
inline void write_small_set(const fs::path& folder) {
  fs::create_directories(folder);
  const auto number = [](std::uint32_t n) {
    return std::string{static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8), static_cast<char>(n)};
  };
  for (const auto& [name, count] : {std::pair("train", 512), std::pair("t10k", 64)}) {
    std::string images = number(0x803) + number(static_cast<std::uint32_t>(count)) + number(28) + number(28);
    std::string labels = number(0x801) + number(static_cast<std::uint32_t>(count));
    for (int i = 0; i < count; ++i) {
      Random random(1, static_cast<std::uint64_t>(count), static_cast<std::uint64_t>(i));
      const auto kind = static_cast<int>(random.below(4));
      const double phase = random.uniform(0, 4), size = random.uniform(6, 10);
      labels += static_cast<char>(kind);
      for (int y = 0; y < 28; ++y)
        for (int x = 0; x < 28; ++x) {
          const double r = std::max(std::abs(x - 13.5), std::abs(y - 13.5)), d = std::hypot(x - 13.5, y - 13.5);
          const bool on = kind == 0   ? std::fmod(y + phase, 6) < 3
                          : kind == 1 ? std::fmod(x + phase, 6) < 3
                          : kind == 2 ? d < size
                                      : r > size && r < size + 3;
          images += static_cast<char>(static_cast<int>((on ? 180 : 20) + random.uniform(0, 40)));
        }
    }
    write_file(folder / (std::string(name) + "-images-idx3-ubyte"), images);
    write_file(folder / (std::string(name) + "-labels-idx1-ubyte"), labels);
  }
}

inline std::string small_pipeline(const fs::path& data) {
  return R"([pipeline]
name = "small"
seed = 1

[stage.images]
plugin = "dataset.idx"
root = ")" +
         data.string() + R"("
split = "train+test"

[stage.cdc]
plugin = "stage.train"
in.data = "images"
epochs = 4
batch_size = 64
loss = "loss"
prediction = "head.cluster"
checkpoint_seconds = 0.02
optimizer = { plugin = "optimizer.adam", lr = 3e-3 }
schedule = { plugin = "schedule.cosine", warmup_steps = 4 }

[stage.cdc.graph.views]
plugin = "augment.contrastive"
min_area = 0.5

[stage.cdc.graph.encoder]
plugin = "backbone.convnet"
in.images = "views"
channels = [4, 8, 16]
kernels = [3, 3, 3]
strides = [2, 2, 2]

[stage.cdc.graph.head]
plugin = "head.cdc"
in.features = "encoder"
clusters = 4
instance_dim = 8
hidden = 32

[stage.cdc.graph.codes]
plugin = "assign.sinkhorn"
in.logits = "head.cluster"
normalise = "softmax"
queue_size = 128

[stage.cdc.graph.loss]
plugin = "loss.cdc"
in.cluster = "head.cluster"
in.instance = "head.instance"
in.codes = "codes"

[stage.features]
plugin = "stage.extract"
in.data = "images"
in.model = "cdc"
node = "encoder"

[stage.kmeans]
plugin = "cluster.kmeans"
in.features = "features"
clusters = 4

[stage.scores]
plugin = "metric.clustering"
in.prediction = ["cdc", "kmeans"]
in.data = "images"
)";
}

/// A folder with the small data set and its pipeline, and ways to run programs in it.
class SmallPipeline : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("cdc_e2e_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write_small_set(folder_ / "data");
    file_ = folder_ / "small.toml";
    write_file(file_, small_pipeline(folder_ / "data"));
  }
  void TearDown() override {
    if (!HasFailure()) fs::remove_all(folder_);
  }

  std::vector<std::string> command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(),
                     {(binary_folder() / "bin/cdc-run").string(), file_.string(), "--cache", (folder_ / cache_).string(), "--threads", "1"});
    return arguments;
  }
  ProcessResult cdc_run(std::vector<std::string> arguments = {}) const {
    return run_process(command(std::move(arguments)), folder_, environment_, folder_);
  }
  Value summary() const { return Value::from_json(read_file(folder_ / "runs" / "small" / "latest" / "summary.json")); }

  /// summary.json without what is a time or follows one, and without what a start before a kill had left in the cache.
  static std::string without_times(Value v) {
    strip(v);
    return v.to_json(1);
  }

  fs::path folder_, file_;
  std::string cache_ = "cache";
  std::vector<std::pair<std::string, std::string>> environment_ = {{"OMP_WAIT_POLICY", "passive"}};

 private:
  static void strip(Value& v) {
    if (v.is_array())
      for (Value& e : v.as_array()) strip(e);
    if (!v.is_table()) return;
    Value kept = Value::table();
    for (auto& [key, value] : v.as_table()) {
      if (key == "seconds" || key == "started" || key == "finished" || key == "checksum" || key == "cached") continue;
      strip(value);
      kept[key] = value;
    }
    v = kept;
  }
};

}  // namespace cdc::test
