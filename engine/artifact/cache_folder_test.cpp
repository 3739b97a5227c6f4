// Which folders are caches, what of one is removed, and that anything in it may be missing.
#include <sys/stat.h>

#include <set>

#include "artifact/array_file.hpp"
#include "support/cache_fixture.hpp"

namespace cdc::test {
namespace {

class CacheFolderTest : public CacheTest {
 protected:
  void SetUp() override {
    CacheTest::SetUp();
    fs::remove_all(outside());
    fs::create_directories(outside());
  }
  void TearDown() override {
    fs::remove_all(outside());
    CacheTest::TearDown();
  }
  fs::path outside() const { return folder.string() + "_outside"; }
  std::string refusal(Cache::Access access = Cache::Access::write) const {
    return error_of([&] { Cache cache(folder, access); });
  }
  std::string no_cache(const std::string& what) const {
    return folder.string() + " is no cache of cdc: " + what + "; name another folder with --cache or CDC_CACHE, a new or empty one, or a cache";
  }
  /// Every path below a folder, relative to it.
  static std::set<std::string> all_below(const fs::path& of) {
    std::set<std::string> out;
    for (const auto& one : fs::recursive_directory_iterator(of)) out.insert(one.path().lexically_relative(of).string());
    return out;
  }
  void write(const fs::path& relative, const std::string& text = "somebody's") const {
    fs::create_directories((folder / relative).parent_path());
    write_file(folder / relative, text, Durable::nothing);
  }
  /// As caches were before there was a mark.
  void unmark() const {
    fs::remove(folder / "cdc-cache.json");
    fs::remove(folder / "CACHEDIR.TAG");
  }
};

TEST_F(CacheFolderTest, ANewOneIsMarkedForUsAndForBackups) {
  EXPECT_FALSE(Cache::is_cache(folder));
  fs::create_directories(folder);
  EXPECT_FALSE(Cache::is_cache(folder));  // empty
  const Cache cache(folder);
  EXPECT_TRUE(Cache::is_cache(folder));
  EXPECT_EQ(read_file(folder / "cdc-cache.json"), "{\"cdc_cache\":1}\n");
  EXPECT_EQ(read_file(folder / "CACHEDIR.TAG").rfind("Signature: 8a477f597d28d172789f06886806bc55\n", 0), 0u);
}

TEST_F(CacheFolderTest, ToReadOneMakesNothing) {
  const Cache none(folder, Cache::Access::read);
  EXPECT_FALSE(none.contains(kKey));
  EXPECT_TRUE(none.list().empty());
  EXPECT_TRUE(none.memo_folder().empty());
  EXPECT_FALSE(fs::exists(folder));
  fs::create_directories(folder);
  EXPECT_TRUE(Cache(folder, Cache::Access::read).list().empty());
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(CacheFolderTest, AFolderOfSomethingElseIsRefusedAndLeftAlone) {
  for (const char* file : {"my/mydata/entry.json", "notes.txt", "tmp/scratch.txt", "ab/cd/entry.json", "last/words.txt", "uses/of-it", "ab/x.h5"}) {
    fs::remove_all(folder);
    write(file);
    const std::string top = fs::path(file).begin()->string();
    for (const Cache::Access access : {Cache::Access::read, Cache::Access::write})
      EXPECT_EQ(refusal(access), no_cache("it holds '" + top + "'")) << file;
    EXPECT_EQ(read_file(folder / file), "somebody's");
    EXPECT_FALSE(fs::exists(folder / "locks")) << file;
  }
  fs::remove_all(folder);
  write_file(folder, "a file");
  EXPECT_EQ(refusal(), no_cache("it is not a folder"));
}

TEST_F(CacheFolderTest, WhatEarlierProgramsMadeOfAFolderByLookingIsNoCache) {
  for (const char* part : {"tmp", "locks", "checkpoints", "last", "memo", "uses"}) fs::create_directories(folder / part);
  write("my/mydata/entry.json");
  EXPECT_EQ(refusal(), no_cache("it holds 'my'"));
}

TEST_F(CacheFolderTest, ACacheOfBeforeTheMarkIsTakenOver) {
  {
    Cache cache(folder);
    fill(cache);
  }
  unmark();
  EXPECT_TRUE(Cache::is_cache(folder));
  EXPECT_EQ(Cache(folder, Cache::Access::read).list().size(), 1u);
  EXPECT_FALSE(fs::exists(folder / "cdc-cache.json"));
  write("README", "where this comes from");
  write("my/mydata/entry.json");
  Cache cache(folder);
  EXPECT_TRUE(fs::exists(folder / "cdc-cache.json"));
  cache.verify(kKey);
  EXPECT_EQ(cache.list().size(), 1u);
  EXPECT_EQ(cache.collect({{}, 0}, false).removed.size(), 1u);
  EXPECT_EQ(read_file(folder / "README"), "where this comes from");
  EXPECT_EQ(read_file(folder / "my/mydata/entry.json"), "somebody's");
}

TEST_F(CacheFolderTest, ADamagedMarkIsMadeAnew) {
  {
    Cache cache(folder);
    fill(cache);
  }
  write_file(folder / "cdc-cache.json", "");
  Cache(folder).verify(kKey);
  EXPECT_EQ(read_file(folder / "cdc-cache.json"), "{\"cdc_cache\":1}\n");
}

TEST_F(CacheFolderTest, ACacheOfALaterFormIsLeftToLaterPrograms) {
  write("cdc-cache.json", "{\"cdc_cache\": 2}");
  EXPECT_EQ(refusal(),
            "the cache " + folder.string() +
                " was made by a later cdc (its format is 2, this program knows 1): use that one, or another cache with --cache or CDC_CACHE");
}

TEST_F(CacheFolderTest, NothingIsRemovedThatCdcDidNotWrite) {
  Cache cache(folder);
  fill(cache);
  cache.mark(kKey, "p", "s");
  const std::string entry = "01/" + kKey;
  const std::set<std::string> own = all_below(folder);
  for (const std::string& file : {entry + "/notes.txt", entry + "/stages/q.s", entry + "/sub/x.h5", std::string("01/other/entry.json"),
                                  "tmp/" + kKey + ".mine/x.h5", std::string("checkpoints/my.h5"), std::string("memo/diary.json"),
                                  std::string("last/words.json"), std::string("locks/door.lock"), std::string("zz/x"), "02/" + kKey + "/entry.json"})
    write(file);
  std::set<std::string> foreign;
  for (const std::string& path : all_below(folder))
    if (own.count(path) == 0 && fs::is_regular_file(folder / path)) foreign.insert(path);
  ASSERT_EQ(foreign.size(), 11u);
  for (const std::string& path : foreign) fs::last_write_time(folder / path, fs::file_time_type::clock::now() - std::chrono::hours(1000));
  const Cache::Collection done = cache.collect({0, 0, 0}, false);
  EXPECT_FALSE(cache.contains(kKey));
  ASSERT_EQ(done.stuck.size(), 1u);
  EXPECT_EQ(done.stuck[0], folder / entry);
  for (const std::string& path : foreign) EXPECT_TRUE(fs::exists(folder / path)) << path;
  for (const char* file : {"entry.json", "features.h5", "assignment.h5", "scores.h5", "stages/p.s"})
    EXPECT_FALSE(fs::exists(folder / entry / file)) << file;
  fill(cache);  // beside what is there
  cache.verify(kKey);
  for (const std::string& path : foreign) EXPECT_EQ(read_file(folder / path), "somebody's") << path;
}

TEST_F(CacheFolderTest, NoLinkIsFollowedToRemoveAnything) {
  Cache cache(folder), other(outside());
  fill(other);
  const std::string second = "fedcba9876543210fedcba9876543210", third = "11111111111111111111111111111111",
                    fourth = "22222222222222222222222222222222";
  for (const std::string& key : {second, third, fourth}) fill(other, key);
  fs::create_directory_symlink(outside() / "01", folder / "01");  // a shelf
  fs::create_directories(folder / "fe");
  fs::create_directory_symlink(outside() / "fe" / second, folder / "fe" / second);  // an entry
  fs::create_directories(folder / "tmp");
  fs::create_directory_symlink(outside() / "11" / third, folder / "tmp" / (third + ".1-0"));
  fs::create_directories(folder / "22" / fourth);
  fs::create_directory_symlink(outside(), folder / "22" / fourth / "stages");
  fs::remove(folder / "memo");
  fs::create_directory_symlink(outside() / "11", folder / "memo");
  const std::set<std::string> before = all_below(outside());
  const Cache::Collection done = cache.collect({0, 0, 0}, false);
  EXPECT_FALSE(cache.remove(kKey));
  EXPECT_FALSE(cache.remove(second));
  EXPECT_EQ(all_below(outside()), before);
  cache.verify(kKey);  // to read through one is fine
  EXPECT_TRUE(fs::is_symlink(folder / "01"));
  EXPECT_EQ(done.removed.size(), 0u);
}

/// The folder's own name may be a link: caches lie on large disks.
TEST_F(CacheFolderTest, TheCacheItselfMayBeALink) {
  fs::create_directory_symlink(outside(), folder);
  Cache cache(folder);
  fill(cache);
  EXPECT_EQ(cache.list().size(), 1u);
  EXPECT_EQ(cache.collect({{}, 0}, false).removed.size(), 1u);
  EXPECT_FALSE(fs::exists(outside() / "01" / kKey));
}

TEST_F(CacheFolderTest, WhateverIsDeletedOfAnEntryItIsMadeAnew) {
  {
    Cache cache(folder);
    fill(cache);
    cache.mark(kKey, "p", "s");
  }
  const fs::path whole = outside() / "whole";
  fs::copy(folder, whole, fs::copy_options::recursive);
  for (const std::string& path : all_below(whole)) {
    fs::remove_all(folder);
    fs::copy(whole, folder, fs::copy_options::recursive);
    fs::remove_all(folder / path);
    Cache cache(folder);
    const std::string problem = error_of([&] { cache.verify(kKey); });
    if (!problem.empty()) {
      EXPECT_TRUE(!cache.contains(kKey) || cache.remove(kKey)) << path;
      fill(cache);
    }
    EXPECT_EQ(error_of([&] { cache.verify(kKey); }), "") << path;
    EXPECT_EQ(cache.list().size(), 1u) << path;
  }
}

TEST_F(CacheFolderTest, AnEntryThatLostItsRecordIsReplacedWhateverElseIsThere) {
  Cache cache(folder);
  fill(cache);
  const fs::path entry = folder / "01" / kKey;
  fs::remove(entry / "entry.json");
  write_file(entry / "features.h5", "damaged");
  EXPECT_EQ(cache.list().at(0).plugin, "");
  EXPECT_EQ(error_of([&] { cache.verify(kKey); }),
            "cannot read " + (entry / "entry.json").string() + ": No such file or directory; remove its folder, and the result is computed again");
  fill(cache);
  cache.verify(kKey);
  EXPECT_EQ(cache.list().at(0).plugin, "stage.fake");
  // What is no folder is not the cache's to replace.
  cache.remove(kKey);
  write_file(entry, "a file");
  EXPECT_EQ(error_of([&] { fill(cache); }),
            "cannot write " + entry.string() + ": what stands there is no folder of the cache; move it away, or choose another cache with --cache");
}

/// Whoever opens a named pipe to read waits for who writes it: for ever.
TEST_F(CacheFolderTest, NamedPipesAndFoldersInPlaceOfFilesAreDamage) {
  const auto pipe_at = [](const fs::path& path) {
    fs::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0666), 0);
  };
  Cache cache(folder);
  fill(cache);
  cache.mark(kKey, "p", "s");
  const fs::path entry = folder / "01" / kKey;
  pipe_at(entry / "stages/p.s");
  cache.mark(kKey, "p", "s");
  pipe_at(folder / "uses/1-0");
  pipe_at(folder / "checkpoints" / (kKey + ".h5"));
  EXPECT_EQ(cache.list().size(), 1u);
  pipe_at(entry / "features.h5");
  EXPECT_EQ(error_of([&] { cache.verify(kKey); }),
            "cannot read " + (entry / "features.h5").string() + ": it is not a file; remove it, and what it held is computed again");
  EXPECT_EQ(error_of([&] { cache.read(kKey, "features", PortType::features); }),
            "cannot read " + (entry / "features.h5").string() + ": it is not a file");
  pipe_at(entry / "entry.json");
  EXPECT_EQ(error_of([&] { cache.verify(kKey); }),
            "cannot read " + (entry / "entry.json").string() + ": it is not a file; remove its folder, and the result is computed again");
  fill(cache);
  cache.verify(kKey);
  pipe_at(folder / "cdc-cache.json");
  EXPECT_EQ(Cache(folder, Cache::Access::read).list().size(), 1u);
}

}  // namespace
}  // namespace cdc::test
