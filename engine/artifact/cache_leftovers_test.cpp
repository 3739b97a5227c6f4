// What stages that were stopped and runs that were killed left, and what becomes of it.
#include "artifact/array_file.hpp"
#include "artifact/hash.hpp"
#include "support/cache_fixture.hpp"

namespace cdc::test {
namespace {

class CacheLeftoversTest : public CacheTest {
 protected:
  void SetUp() override {
    CacheTest::SetUp();
    cache = std::make_unique<Cache>(folder);
  }
  static std::string key_of(char letter) { return std::string(32, letter); }
  static void set_age(const fs::path& file, int minutes) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
  }
  /// As a training leaves it.
  fs::path checkpoint(char key, const std::string& stage, std::int64_t epoch, int minutes) const {
    Value header = Value::table();
    header["header"]["pipeline"] = "p";
    header["header"]["stage"] = stage;
    header["header"]["epoch"] = epoch;
    header["header"]["epochs"] = 20;
    const std::vector<float> weights(1000, 0.5F);
    ArrayFileWriter file(cache->checkpoint_path(key_of(key)), "checkpoint");
    file.header(header);
    file.write({"w", ElementType::float32, {1000}}, weights.data());
    file.commit();
    set_age(cache->checkpoint_path(key_of(key)), minutes);
    return cache->checkpoint_path(key_of(key));
  }
  void leave(const fs::path& relative, const std::string& text = "left") const {
    fs::create_directories((folder / relative).parent_path());
    write_file(folder / relative, text);
    set_age(folder / relative, 600);
  }
  bool there(const fs::path& relative) const { return fs::exists(fs::symlink_status(folder / relative)); }
  std::unique_ptr<Cache> cache;
};

TEST_F(CacheLeftoversTest, ACheckpointIsListedWithItsStageAndHowFarItGot) {
  fill(*cache, key_of('a'));
  age(*cache, key_of('a'), 5);
  const fs::path file = checkpoint('b', "train", 3, 2);
  leave("checkpoints/" + key_of('c') + ".h5", "some stage's own form");
  const std::vector<CachedResult> all = cache->list();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_TRUE(all[0].checkpoint);
  EXPECT_EQ(all[0].key, key_of('b'));
  EXPECT_EQ(all[0].bytes, fs::file_size(file));
  ASSERT_EQ(all[0].stages.size(), 1u);
  EXPECT_EQ(all[0].stages[0].first, "p.train");
  EXPECT_EQ(all[0].epoch, 3);
  EXPECT_EQ(all[0].epochs, 20);
  EXPECT_FALSE(all[1].checkpoint);
  EXPECT_TRUE(all[2].checkpoint);
  EXPECT_TRUE(all[2].stages.empty());
  EXPECT_EQ(all[2].epoch, -1);
  EXPECT_EQ(all[2].bytes, 21u);
}

TEST_F(CacheLeftoversTest, CheckpointsAreCollectedByNumberAgeAndSizeButNoneInUse) {
  const auto left = [&] {
    std::string out;
    for (const CachedResult& one : cache->list()) out += one.checkpoint ? static_cast<char>(std::toupper(one.key[0])) : one.key[0];
    return out;
  };
  fill(*cache, key_of('a'));
  age(*cache, key_of('a'), 1);
  checkpoint('b', "train", 1, 2);
  checkpoint('c', "train", 2, 3);
  checkpoint('d', "other", 3, 4);
  const std::uint64_t bytes = fs::file_size(checkpoint('e', "other", 4, 50));
  EXPECT_EQ(left(), "aBCDE");
  EXPECT_EQ(cache->collect({1}, true).removed.size(), 2u);  // C and E
  EXPECT_EQ(cache->collect({{}, {}, 30 * 60}, false).removed.size(), 1u);
  EXPECT_EQ(left(), "aBCD");
  {
    const auto use = cache->use({key_of('d')});
    EXPECT_EQ(cache->collect({{}, 0}, true).removed.size(), 3u);
    EXPECT_EQ(cache->remove_some([](const CachedResult&) { return true; }, true).removed.size(), 3u);
    EXPECT_EQ(cache->collect({{}, cache->list()[0].bytes + 2 * bytes}, false).removed.size(), 1u);
    EXPECT_EQ(left(), "aBD");
  }
  EXPECT_EQ(cache->collect({1}, false).removed.size(), 0u);
  // With its result there a checkpoint is of no use.
  fill(*cache, key_of('b'));
  age(*cache, key_of('b'), 3);
  EXPECT_EQ(cache->collect({10}, false).removed.size(), 1u);
  EXPECT_EQ(left(), "abD");
  EXPECT_EQ(cache->remove_some([](const CachedResult& one) { return one.checkpoint; }, false).removed.size(), 1u);
  EXPECT_EQ(left(), "ab");
}

TEST_F(CacheLeftoversTest, WhatKilledRunsLeftGoesAndNothingOfARunAtWork) {
  fill(*cache, key_of('a'));
  cache->mark(key_of('a'), "p.with.dots", "train");
  const std::string gone = key_of('b'), used = key_of('c');
  for (const std::string& key : {gone, used}) {
    leave("tmp/" + key + ".1-0/features.h5");
    leave("locks/" + key + ".lock", "");
    leave("checkpoints/." + key + ".h5.tmp-1-0");
  }
  leave("uses/1-0", gone + "\n");
  leave("last/.p.x.json.tmp-1-0");
  leave("memo/." + gone + ".json.tmp-1-0");
  leave(".cdc-cache.json.tmp-1-0");
  fs::create_directories(folder / "bb");
  fs::create_directories(folder / "cc");
  // Records: of a pipeline that has results, and of one that has none.
  leave("last/p.with.dots.data.json", "{\"plugin\":\"x\"}");
  leave("last/q.train.json", "{\"plugin\":\"x\"}");
  leave("last/r.train.json", "{\"plugin\":\"x\"}");
  set_age(folder / "last/r.train.json", 1);  // perhaps of a run at work
  // Hashes: of a file as it is, of one that changed, and of one that is gone.
  std::string memos[3];
  for (const int i : {0, 1, 2}) {
    const fs::path file = folder.string() + "_data" + std::to_string(i);
    write_file(file, "data");
    set_age(file, 60);
    fingerprint(file, cache->memo_folder());
    memos[i] = "memo/" + hash_text(file.string()) + ".json";
    ASSERT_TRUE(there(memos[i]));
  }
  write_file(folder.string() + "_data1", "changed");
  fs::remove(folder.string() + "_data2");

  const auto use = cache->use({used});
  const Cache::Collection dry = cache->collect({{}, {}, 3600}, true);
  EXPECT_EQ(dry.leftover_files, 9u);
  EXPECT_TRUE(there("locks/" + gone + ".lock"));
  const Cache::Collection done = cache->collect({{}, {}, 3600}, false);
  EXPECT_EQ(done.leftover_files, 9u);
  EXPECT_EQ(done.leftover_bytes, dry.leftover_bytes);
  EXPECT_TRUE(done.removed.empty());
  for (const std::string& path : {"tmp/" + gone + ".1-0", "locks/" + gone + ".lock", "checkpoints/." + gone + ".h5.tmp-1-0", std::string("uses/1-0"),
                                  std::string("last/.p.x.json.tmp-1-0"), "memo/." + gone + ".json.tmp-1-0", std::string(".cdc-cache.json.tmp-1-0"),
                                  std::string("last/q.train.json"), memos[1], memos[2], std::string("bb")})
    EXPECT_FALSE(there(path)) << path;
  for (const std::string& path : {"tmp/" + used + ".1-0/features.h5", "locks/" + used + ".lock", "checkpoints/." + used + ".h5.tmp-1-0",
                                  std::string("last/p.with.dots.data.json"), std::string("last/r.train.json"), memos[0], std::string("cc")})
    EXPECT_TRUE(there(path)) << path;
  cache->verify(key_of('a'));
  for (const char* i : {"0", "1"}) fs::remove(folder.string() + "_data" + i);
}

}  // namespace
}  // namespace cdc::test
