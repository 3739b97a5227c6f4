// Runs with a cache from which anything may have been deleted, or in which something else stands in its place.
#include <sys/stat.h>

#include <set>

#include "artifact/cache.hpp"
#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

class DamagedCache : public FakePipeline {
 protected:
  /// Every result is there and whole.
  void expect_whole(const std::string& after) const {
    const Cache cache(folder / "cache", Cache::Access::read);
    const std::vector<CachedResult> all = cache.list();
    EXPECT_EQ(all.size(), 4u) << after;
    for (const CachedResult& one : all) {
      try {
        cache.verify(one.key);
      } catch (const Error& e) {
        ADD_FAILURE() << after << ": " << e.what();
      }
    }
  }
};

TEST_F(DamagedCache, WhateverIsDeletedARunMakesItAnewAndSaysTheSame) {
  const Value scores = run().summary.at("scores");
  const fs::path cache = folder / "cache", whole = folder / "whole";
  fs::copy(cache, whole, fs::copy_options::recursive);
  std::set<fs::path> paths;
  for (const auto& one : fs::recursive_directory_iterator(whole)) paths.insert(one.path().lexically_relative(whole));
  ASSERT_GT(paths.size(), 30u);
  for (const fs::path& path : paths) {
    fs::remove_all(cache);
    fs::copy(whole, cache, fs::copy_options::recursive);
    fs::remove_all(cache / path);
    EXPECT_EQ(run().summary.at("scores"), scores) << path;
    EXPECT_EQ(run().summary.at("scores"), scores) << path;
    EXPECT_TRUE(listener.began.empty()) << path << ": computed in every run";
    EXPECT_TRUE(listener.warnings.empty()) << path << ": " << listener.warnings.at(0);
    expect_whole(path.string());
  }
}

TEST_F(DamagedCache, WithoutItsRecordAResultIsReplacedAlthoughItsFilesAreThere) {
  const Value scores = run().summary.at("scores");
  for (const fs::path& entry : cached_files("entry.json")) fs::remove(entry);
  for (const char* name : {"features.h5", "assignment.h5", "scores.h5"})
    for (const fs::path& file : cached_files(name)) write_file(file, "damaged");
  EXPECT_EQ(run().summary.at("scores"), scores);
  expect_whole("first run");
  EXPECT_EQ(run().summary.at("scores"), scores);
  EXPECT_TRUE(listener.began.empty());
}

TEST_F(DamagedCache, NamedPipesInItKeepNoRunWaiting) {
  const Value scores = run().summary.at("scores");
  for (const char* name : {"entry.json", "scores.h5", "p.kmeans", "p.other.json"})
    for (const fs::path& file : cached_files(name)) {
      fs::remove(file);
      ASSERT_EQ(::mkfifo(file.c_str(), 0666), 0);
    }
  EXPECT_EQ(run().summary.at("scores"), scores);
  EXPECT_EQ(run().summary.at("scores"), scores);
  EXPECT_TRUE(listener.began.empty());
  expect_whole("pipes");
}

TEST_F(DamagedCache, AFolderOfSomethingElseIsNoCacheAndNothingIsWritten) {
  fs::create_directories(folder / "cache/my");
  write_file(folder / "cache/my/thesis.tex", "precious");
  const std::string refused = (folder / "cache").string() +
                              " is no cache of cdc: it holds 'my'; name another folder with --cache or CDC_CACHE, a new or empty one, or a cache";
  EXPECT_EQ(error_of_run(), refused);
  try {
    status();
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), refused);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "cache"), {}), 1);
  EXPECT_FALSE(fs::exists(folder / "runs"));
}

}  // namespace
}  // namespace cdc::test
