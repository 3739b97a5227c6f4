// cdc-cache as its user calls it.
#include <fstream>

#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

class CacheProgram : public FakePipeline {
 protected:
  ProcessResult cdc_cache(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{binary_folder() / "bin/cdc-cache"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_process(all, folder, {{"CDC_CACHE", "cache"}}, folder);
  }
};

TEST_F(CacheProgram, ListsResults) {
  run();
  const ProcessResult r = cdc_cache({"ls"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("  fake.features "), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("4 results, "), std::string::npos) << r.out;
}

TEST_F(CacheProgram, VerifyNamesWhatIsDamagedAndRemovesIt) {
  run();
  EXPECT_EQ(cdc_cache({"verify"}).out, "4 results read, 0 damaged\n");
  for (const auto& file : fs::recursive_directory_iterator(folder / "cache"))
    if (file.path().filename() == "features.h5") std::fstream(file.path(), std::ios::in | std::ios::out | std::ios::binary).seekp(200).put('?');
  const ProcessResult r = cdc_cache({"verify"});
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.out.find("features.h5 is damaged (its checksum)"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("4 results read, 1 damaged; runs find them and compute them again; --remove takes them out"), std::string::npos) << r.out;
  EXPECT_EQ(cdc_cache({"verify", "--remove"}).code, 0);
  EXPECT_EQ(cdc_cache({"verify"}).out, "3 results read, 0 damaged\n");
}

TEST_F(CacheProgram, CollectsButNothingThatARunUses) {
  run();
  run({"stage.kmeans.clusters=3"});
  const ProcessResult dry = cdc_cache({"gc", "--keep-last", "1", "--dry-run"});
  EXPECT_NE(dry.out.find(" would go, "), std::string::npos) << dry.out;
  EXPECT_NE(cdc_cache({"ls"}).out.find("6 results, "), std::string::npos);
  // A run at work: it has its features from the cache, and will read them when it is done with something slow.
  write_file(folder / "p.toml", text);
  Process slow({binary_folder() / "bin/cdc-run", "p.toml", "--plugin", plugin(), "stage.other.steps=400", "stage.other.ms=10"}, folder,
               {{"CDC_CACHE", "cache"}, {"CDC_PLUGIN_PATH", ""}}, folder);
  while (trace_text().find("begin other") == trace_text().rfind("begin other")) ASSERT_FALSE(slow.ended_within(std::chrono::milliseconds(10)));
  const ProcessResult gc = cdc_cache({"gc", "--max-size", "0"});
  EXPECT_EQ(gc.code, 0) << gc.err;
  const ProcessResult left = cdc_cache({"ls"});
  EXPECT_NE(left.out.find("fake.features"), std::string::npos) << gc.out << left.out;
  EXPECT_NE(left.out.find("in use"), std::string::npos) << left.out;
  const ProcessResult ended = slow.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(cdc_cache({"gc", "--max-size", "0"}).code, 0);
  EXPECT_NE(cdc_cache({"ls"}).out.find("0 results, 0 B"), std::string::npos);
}

TEST_F(CacheProgram, KeepsTheLastOfEachStageAndNotOfThePlugin) {
  run();
  run({"stage.kmeans.clusters=3", "stage.other.steps=6"});
  run({"pipeline.name=q", "stage.kmeans.clusters=4"});
  // Of 'fake.cluster' there are five results: p.kmeans 2, 3; p.other 5, 6; and for q a kmeans of its own and the first other.
  const ProcessResult all = cdc_cache({"ls"});
  EXPECT_NE(all.out.find("last used         for PIPELINE.STAGE\n"), std::string::npos) << all.out;
  EXPECT_NE(all.out.find("  p.features, q.features\n"), std::string::npos) << all.out;
  EXPECT_NE(all.out.find("9 results, "), std::string::npos) << all.out;
  const ProcessResult gc = cdc_cache({"gc", "--keep-last", "1"});
  EXPECT_NE(gc.out.find("2 results removed, "), std::string::npos) << gc.out;
  const std::string left = cdc_cache({"ls"}).out;
  for (const char* stages :
       {"  p.features, q.features\n", "  p.kmeans\n", "  p.other\n", "  q.kmeans\n", "  p.other, q.other\n", "  p.scores\n", "  q.scores\n"})
    EXPECT_NE(left.find(stages), std::string::npos) << stages << left;
  // Taking one from the cache is a use.
  run({"stage.kmeans.clusters=2"});
  run({"stage.kmeans.clusters=3", "stage.other.steps=6"});
  run({"stage.kmeans.clusters=2"});
  EXPECT_EQ(cdc_cache({"gc", "--keep-last", "1"}).code, 0);
  const std::map<std::string, std::string> now = status({"stage.kmeans.clusters=2"});
  EXPECT_EQ(now.at("kmeans"), "cached");
  EXPECT_NE(status({"stage.kmeans.clusters=3"}).at("kmeans"), "cached");
}

TEST_F(CacheProgram, SaysWhatIsWrong) {
  const ProcessResult none = cdc_cache({"ls"});
  EXPECT_EQ(none.code, 4);
  EXPECT_EQ(none.err, "cdc-cache: there is no cache at cache: name one with --cache\n");
  const ProcessResult gc = cdc_cache({"gc"});
  EXPECT_EQ(gc.code, 2);
  EXPECT_EQ(gc.err, "cdc-cache: gc needs --keep-last N or --max-size SIZE, so that it knows what may go; --help lists the options\n");
  EXPECT_EQ(cdc_cache({"rm"}).code, 2);
}

}  // namespace
}  // namespace cdc::test
