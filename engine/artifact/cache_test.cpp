#include "artifact/cache.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "artifact/array_file.hpp"
#include "support/cache_fixture.hpp"

namespace cdc::test {
namespace {

TEST_F(CacheTest, GivesBackEveryKindOfResult) {
  Cache cache(folder);
  EXPECT_FALSE(cache.contains(kKey));
  fill(cache);
  ASSERT_TRUE(cache.contains(kKey));
  EXPECT_EQ(cache.entry(kKey).at("plugin").as_string(), "stage.fake");
  const auto f = std::static_pointer_cast<const Features>(cache.read(kKey, "features", PortType::features));
  EXPECT_EQ(f->rows, 2);
  EXPECT_EQ(f->columns, 3);
  EXPECT_EQ(f->data.get()[5], 6.0F);
  EXPECT_EQ(f->protocol.at("split").as_string(), "train");
  const auto a = std::static_pointer_cast<const Assignment>(cache.read(kKey, "assignment", PortType::assignment));
  EXPECT_EQ(a->cluster, (std::vector<std::int32_t>{2, 0, 1}));
  EXPECT_EQ(a->clusters, 3);
  EXPECT_EQ(a->collection, "3 images, a to c (00)");
  EXPECT_EQ(f->collection, "") << "unknown, as in files from before collections were written";
  const auto s = std::static_pointer_cast<const Scores>(cache.read(kKey, "scores", PortType::scores));
  EXPECT_EQ(s->values.at("kmeans").at("acc").as_real(), 0.1 + 0.2);
  cache.verify(kKey);
  cache.remove(kKey);
  EXPECT_FALSE(cache.contains(kKey));
  EXPECT_EQ(f->data.get()[5], 6.0F);  // what is mapped stays
}

TEST_F(CacheTest, AnEntryAppearsWholeOrNotAtAll) {
  Cache cache(folder);
  {
    const auto pending = cache.begin(kKey);
    pending->put("features", PortType::features, features());
    EXPECT_FALSE(cache.contains(kKey));
  }
  EXPECT_FALSE(cache.contains(kKey));
  EXPECT_TRUE(fs::is_empty(folder / "tmp"));
}

TEST_F(CacheTest, TheFasterOfTwoStays) {
  Cache cache(folder);
  const auto slow = cache.begin(kKey);
  fill(cache);
  Value entry = Value::table();
  entry["plugin"] = "stage.slow";
  slow->commit(entry);
  EXPECT_EQ(cache.entry(kKey).at("plugin").as_string(), "stage.fake");
}

TEST_F(CacheTest, DamageIsNamed) {
  Cache cache(folder);
  fill(cache);
  const fs::path features_file = cache.file(kKey, "features");
  fs::resize_file(features_file, fs::file_size(features_file) - 1);
  EXPECT_NE(error_of([&] { cache.verify(kKey, 0); }).find(features_file.string() + " is damaged or cut off"), std::string::npos);
  EXPECT_NE(error_of([&] { cache.read(kKey, "features", PortType::features); }).find(features_file.string()), std::string::npos);
  fs::remove(features_file);
  EXPECT_EQ(error_of([&] { cache.verify(kKey); }), "cannot read " + features_file.string() + ": No such file or directory");
}

TEST_F(CacheTest, AFlippedBitAnywhereIsFoundByVerify) {
  Cache cache(folder);
  fill(cache);
  const fs::path file = cache.file(kKey, "features");
  const std::size_t size = fs::file_size(file);
  for (std::size_t i = 0; i < size; i += 7) {
    flip(file, i);
    EXPECT_EQ(error_of([&] { cache.verify(kKey); }), file.string() + " is damaged (its checksum); remove it, and what it held is computed again")
        << i;
    flip(file, i);
  }
  cache.verify(kKey);
}

TEST_F(CacheTest, AFileThatWasReadWholeIsReadAgainOnceItIsWrittenTo) {
  Cache cache(folder);
  fill(cache);
  age(cache, kKey, 5);
  cache.verify(kKey);
  const fs::path file = cache.file(kKey, "features");
  const auto time = fs::last_write_time(file);
  flip(file, 100);
  EXPECT_NE(error_of([&] { cache.verify(kKey); }).find("is damaged (its checksum)"), std::string::npos);
  fs::last_write_time(file, time);  // nothing tells the file from the one that was right
  EXPECT_EQ(error_of([&] { cache.verify(kKey); }), "");
}

std::string key_of(char letter) { return std::string(32, letter); }

std::string keys(const std::vector<CachedResult>& all) {
  std::string out;
  for (const CachedResult& one : all) out += one.key[0];
  return out;
}

class CollectTest : public CacheTest {
 protected:
  /// Five results, 'a' used last.
  void SetUp() override {
    CacheTest::SetUp();
    cache = std::make_unique<Cache>(folder);
    for (const char c : std::string("abcde")) {
      fill(*cache, key_of(c));
      age(*cache, key_of(c), c - 'a' + 1);
    }
    bytes = cache->list()[0].bytes;
  }
  std::unique_ptr<Cache> cache;
  std::uint64_t bytes = 0;
};

TEST_F(CollectTest, ListsWhatThereIsTheLastUsedFirst) {
  const std::vector<CachedResult> all = cache->list();
  EXPECT_EQ(keys(all), "abcde");
  EXPECT_EQ(all[0].plugin, "stage.fake");
  EXPECT_EQ(all[0].seconds, 1.5);
  EXPECT_GT(all[0].bytes, 1000u);
  EXPECT_FALSE(all[0].in_use);
  flip(cache->file(key_of('b'), "features").parent_path() / "entry.json", 3);
  age(*cache, key_of('b'), 2);
  EXPECT_EQ(cache->list()[1].plugin, "");
}

TEST_F(CollectTest, KeepsTheLastOfEachPlugin) {
  EXPECT_EQ(keys(cache->collect({2}, true).removed), "cde");
  EXPECT_EQ(keys(cache->list()), "abcde");  // dry
  EXPECT_EQ(keys(cache->collect({2}, false).removed), "cde");
  EXPECT_EQ(keys(cache->list()), "ab");
}

/// When a result was last used for a stage.
void age_for(const Cache& cache, char key, const std::string& stage, int minutes) {
  fs::last_write_time(cache.file(key_of(key), "features").parent_path() / "stages" / stage,
                      fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
}

TEST_F(CollectTest, KeepsTheLastOfEachStageOfAPipeline) {
  for (const char key : std::string("abc")) cache->mark(key_of(key), "one", "kmeans");
  for (const char key : std::string("cd")) cache->mark(key_of(key), "two", "kmeans");
  cache->mark(key_of('x'), "one", "kmeans");  // not there
  int minutes = 0;
  for (const char key : std::string("bac")) age_for(*cache, key, "one.kmeans", ++minutes);
  for (const char key : std::string("cd")) age_for(*cache, key, "two.kmeans", ++minutes);
  const std::vector<CachedResult> all = cache->list();
  EXPECT_EQ(keys(all), "abcde");
  ASSERT_EQ(all[2].stages.size(), 2u);
  EXPECT_EQ(all[2].stages[0].first, "one.kmeans");
  EXPECT_EQ(all[2].stages[1].first, "two.kmeans");
  EXPECT_GT(all[2].stages[0].second, all[2].stages[1].second);
  EXPECT_TRUE(all[4].stages.empty());
  // 'c' is the last of two, 'b' of one; 'e', of which no stage is known, of its plugin.
  EXPECT_EQ(keys(cache->collect({1}, true).removed), "ad");
  EXPECT_EQ(keys(cache->collect({2}, true).removed), "");
  age_for(*cache, 'c', "two.kmeans", 60);
  EXPECT_EQ(keys(cache->collect({1}, true).removed), "ac");
  cache->verify(key_of('b'));
}

TEST_F(CollectTest, RemovesTheLongestUnusedUntilTheRestIsSmallEnough) {
  EXPECT_EQ(keys(cache->collect({{}, 3 * bytes}, false).removed), "de");
  EXPECT_EQ(keys(cache->list()), "abc");
  EXPECT_EQ(keys(cache->collect({{}, 3 * bytes}, false).removed), "");
  EXPECT_EQ(keys(cache->collect({{}, 0}, false).removed), "abc");
}

TEST_F(CollectTest, LeavesAloneWhatARunUses) {
  {
    const auto use = cache->use({key_of('d'), key_of('x')});
    const std::vector<CachedResult> all = cache->list();
    EXPECT_EQ(keys(all), "dabce");  // used now
    EXPECT_TRUE(all[0].in_use);
    EXPECT_EQ(keys(cache->collect({{}, 0}, false).removed), "abce");
    EXPECT_EQ(keys(cache->collect({0}, false).kept), "d");
  }
  EXPECT_TRUE(fs::is_empty(folder / "uses"));
  EXPECT_EQ(keys(cache->collect({0}, false).removed), "d");
}

TEST_F(CollectTest, AUseThatAKilledRunLeftIsNone) {
  std::ofstream(folder / "uses" / "1-0") << key_of('a') << "\n";
  EXPECT_FALSE(cache->list()[0].in_use);
  EXPECT_EQ(keys(cache->collect({0}, false).removed), "abcde");
  EXPECT_TRUE(fs::is_empty(folder / "uses"));
}

TEST_F(CacheTest, AFlippedBitOfTheEntryIsFound) {
  Cache cache(folder);
  fill(cache);
  const fs::path file = folder / "01" / kKey / "entry.json";
  const std::size_t size = fs::file_size(file);
  std::size_t found = 0;
  for (std::size_t i = 0; i < size; ++i) {
    flip(file, i);
    const std::string error = error_of([&] { cache.entry(kKey); });
    if (error.empty()) {
      EXPECT_EQ(cache.entry(kKey).at("plugin").as_string(), "stage.fake");
    } else {
      ++found;
      EXPECT_NE(error.find(file.string()), std::string::npos);
    }
    flip(file, i);
  }
  EXPECT_GT(found, size / 2);  // a blank that became another blank is harmless
}

TEST_F(CacheTest, AResultWithoutACodecIsRefused) {
  Cache cache(folder);
  EXPECT_EQ(error_of([&] { cache.begin(kKey)->put("data", PortType::dataset, features()); }),
            "results of type Dataset cannot be kept in the cache: declare the stage that makes them uncached");
}

TEST_F(CacheTest, ALockExcludesAndItsWaiterIsTold) {
  Cache cache(folder);
  std::atomic<int> inside{0}, most{0}, told{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 5; ++j) {
        const auto lock = cache.lock(kKey, [&] { ++told; }, {});
        const int now = ++inside;
        if (now > most) most = now;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        --inside;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
  EXPECT_GT(told, 0);
  EXPECT_TRUE(fs::is_empty(folder / "locks"));
}

TEST_F(CacheTest, AWaiterStopsWhenAsked) {
  Cache cache(folder);
  const auto lock = cache.lock(kKey, {}, {});
  EXPECT_EQ(cache.lock(kKey, {}, [] { return true; }), nullptr);
}

TEST_F(CacheTest, AKilledProcessFreesItsLockAndItsLeavingsAreRemoved) {
  Cache cache(folder);
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = cache.lock(kKey, {}, {});
    const auto pending = cache.begin(kKey);
    std::ofstream(folder / "checkpoints" / ("." + kKey + ".h5.tmp-1-0")) << "half";
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(cache.lock(kKey, {}, [] { return true; }), nullptr);
  EXPECT_FALSE(fs::is_empty(folder / "tmp"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto lock = cache.lock(kKey, {}, {});
  ASSERT_NE(lock, nullptr);
  EXPECT_TRUE(fs::is_empty(folder / "tmp"));
  EXPECT_TRUE(fs::is_empty(folder / "checkpoints"));
}

}  // namespace
}  // namespace cdc::test
