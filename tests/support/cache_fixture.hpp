#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "artifact/cache.hpp"
#include "cdc/artifact.hpp"
#include "cdc/error.hpp"

namespace cdc::test {

namespace fs = std::filesystem;
inline const std::string kKey = "0123456789abcdef0123456789abcdef";

/// A folder for a cache, and results to put into it.
class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("cdc_cache_" + std::to_string(::getpid()));
    fs::remove_all(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  static std::shared_ptr<const void> features() {
    auto out = std::make_shared<Features>();
    out->rows = 2;
    out->columns = 3;
    out->data = std::shared_ptr<const float>(new float[6]{1, 2, 3, 4, 5, 6}, std::default_delete<float[]>());
    out->protocol["split"] = "train";
    return out;
  }
  static void fill(Cache& cache, const std::string& key = kKey) {
    auto assignment = std::make_shared<Assignment>();
    assignment->cluster = {2, 0, 1};
    assignment->clusters = 3;
    assignment->protocol["method"] = "k-means";
    assignment->collection = "3 images, a to c (00)";
    auto scores = std::make_shared<Scores>();
    scores->values["kmeans"]["acc"] = 0.1 + 0.2;
    Value entry = Value::table();
    entry["plugin"] = "stage.fake";
    entry["seconds"] = 1.5;
    const auto pending = cache.begin(key);
    pending->put("features", PortType::features, features());
    pending->put("assignment", PortType::assignment, assignment);
    pending->put("scores", PortType::scores, scores);
    pending->commit(entry);
  }
  template <class F>
  static std::string error_of(F action) {
    try {
      action();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  static void flip(const fs::path& file, std::size_t at) {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(static_cast<std::streamoff>(at));
    const char c = static_cast<char>(f.get() ^ 1);
    f.seekp(static_cast<std::streamoff>(at));
    f.put(c);
  }
  fs::path folder;
};

/// As if a run had used it so many minutes ago.
inline void age(const Cache& cache, const std::string& key, int minutes) {
  const fs::path folder = cache.file(key, "features").parent_path();
  for (const auto& file : fs::directory_iterator(folder)) fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
}

}  // namespace cdc::test
