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
  Process slow({binary_folder() / "bin/cdc-run", "p.toml", "--plugin", plugin(), "stage.other.steps=100", "stage.other.ms=10"}, folder,
               {{"CDC_CACHE", "cache"}, {"CDC_PLUGIN_PATH", ""}}, folder);
  while (trace_text().find("begin other") == trace_text().rfind("begin other")) ASSERT_FALSE(slow.ended_within(std::chrono::milliseconds(10)));
  slow.signal(SIGSTOP);  // at work, however long what follows takes
  const ProcessResult gc = cdc_cache({"gc", "--max-size", "0"});
  EXPECT_EQ(gc.code, 0) << gc.err;
  const ProcessResult left = cdc_cache({"ls"});
  EXPECT_NE(left.out.find("fake.features"), std::string::npos) << gc.out << left.out;
  EXPECT_NE(left.out.find("in use"), std::string::npos) << left.out;
  slow.signal(SIGCONT);
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
  EXPECT_EQ(gc.err,
            "cdc-cache: gc needs --keep-last N, --max-size SIZE or --older-than TIME, so that it knows what may go; --help lists the options\n");
  const ProcessResult old = cdc_cache({"gc", "--older-than", "3 weeks"});
  EXPECT_EQ(old.code, 2);
  EXPECT_EQ(old.err, "cdc-cache: --older-than: '3 weeks' is no time: 30d, 12h, 45m, 90s; --help lists the options\n");
  const ProcessResult rm = cdc_cache({"rm"});
  EXPECT_EQ(rm.code, 2);
  EXPECT_EQ(rm.err, "cdc-cache: rm needs --key KEY, --plugin ID or --stage [PIPELINE.]STAGE, so that it knows what goes; --help lists the options\n");
  EXPECT_EQ(cdc_cache({"frob"}).code, 2);
}

TEST_F(CacheProgram, AFolderOfSomethingElseIsRefusedAndLeftAsItIs) {
  fs::create_directories(folder / "home/my/mydata");
  write_file(folder / "home/my/mydata/entry.json", "{}");
  write_file(folder / "home/my/mydata/thesis.tex", "precious");
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"ls"}, {"verify"}, {"verify", "--remove"}, {"gc", "--max-size", "0"}, {"gc", "--max-size", "0", "--dry-run"}, {"rm", "--stage", "x"}}) {
    std::vector<std::string> all{"--cache", "home"};
    all.insert(all.end(), command.begin(), command.end());
    const ProcessResult r = cdc_cache(all);
    EXPECT_EQ(r.code, 4) << command[0];
    EXPECT_EQ(r.err,
              "cdc-cache: home is no cache of cdc: it holds 'my'; name another folder with --cache or CDC_CACHE, a new or empty one, or a cache\n");
    EXPECT_EQ(r.out, "");
  }
  EXPECT_EQ(std::distance(fs::recursive_directory_iterator(folder / "home"), {}), 4);
  fs::create_directories(folder / "empty");
  EXPECT_EQ(cdc_cache({"ls", "--cache", "empty"}).err, "cdc-cache: there is no cache at empty: name one with --cache\n");
  EXPECT_TRUE(fs::is_empty(folder / "empty"));
}

TEST_F(CacheProgram, AResultThatLostItsRecordIsDamaged) {
  run();
  fs::remove(cached_files("scores.h5").at(0).parent_path() / "entry.json");
  const ProcessResult r = cdc_cache({"verify"});
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.out.find("entry.json: No such file or directory; remove its folder, and the result is computed again"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("4 results read, 1 damaged; "), std::string::npos) << r.out;
  EXPECT_EQ(cdc_cache({"verify", "--remove"}).code, 0);
  EXPECT_EQ(cdc_cache({"verify"}).out, "3 results read, 0 damaged\n");
}

TEST_F(CacheProgram, RemovesWhatIsNamed) {
  run();
  run({"pipeline.name=q", "stage.kmeans.clusters=3"});
  // p: features, kmeans, other, scores; q has a kmeans and scores of its own.
  EXPECT_NE(cdc_cache({"ls"}).out.find("6 results, "), std::string::npos);
  const ProcessResult dry = cdc_cache({"rm", "--stage", "kmeans", "--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_NE(dry.out.find("2 results would go, "), std::string::npos) << dry.out;
  const ProcessResult one = cdc_cache({"rm", "--stage", "q.kmeans"});
  EXPECT_NE(one.out.find("1 result removed, "), std::string::npos) << one.out;
  EXPECT_EQ(status()["kmeans"], "cached");
  EXPECT_NE(cdc_cache({"rm", "--plugin", "fake.score"}).out.find("2 results removed, "), std::string::npos);
  EXPECT_NE(cdc_cache({"rm", "--plugin", "fake.cluster", "--stage", "p.kmeans"}).out.find("1 result removed, "), std::string::npos);
  std::string key;
  for (const StageStatus& s : stage_status(plan(), registry(), options(listener)))
    if (s.name == "features") key = s.key;
  EXPECT_NE(cdc_cache({"rm", "--key", key.substr(0, 12)}).out.find(key), std::string::npos);
  EXPECT_NE(cdc_cache({"ls"}).out.find("\n1 result, "), std::string::npos);
  const ProcessResult none = cdc_cache({"rm", "--plugin", "fake.score"});
  EXPECT_EQ(none.code, 4);
  EXPECT_EQ(none.err, "cdc-cache: nothing in the cache is of that key, plugin and stage: 'cdc-cache ls' lists what there is\n");
}

TEST_F(CacheProgram, LeavesARunAtWorkWhatItUsesAndTakesWhatAStoppedOneLeft) {
  run();
  write_file(folder / "p.toml", text);
  Process slow({binary_folder() / "bin/cdc-run", "p.toml", "--plugin", plugin(), "stage.other.steps=100000", "stage.other.ms=10"}, folder,
               {{"CDC_CACHE", "cache"}, {"CDC_PLUGIN_PATH", ""}}, folder);
  while (cached_files("stages").empty() || checkpoints() == 0) ASSERT_FALSE(slow.ended_within(std::chrono::milliseconds(10)));
  const ProcessResult rm = cdc_cache({"rm", "--plugin", "fake.features"});
  EXPECT_EQ(rm.code, 4);
  EXPECT_EQ(rm.err, "cdc-cache: 1 of them in use by a run at work: kept; call it again when that has ended\n");
  EXPECT_NE(rm.out.find("0 results removed, "), std::string::npos) << rm.out;
  const ProcessResult gc = cdc_cache({"gc", "--max-size", "0"});
  EXPECT_EQ(gc.out.find("(checkpoint)"), std::string::npos) << gc.out;
  slow.signal(SIGTERM);
  EXPECT_EQ(slow.wait().code, 5);
  // Stopped, it is listed and counted, and goes as what is longest unused does.
  const ProcessResult ls = cdc_cache({"ls"});
  EXPECT_NE(ls.out.find("  (checkpoint)  "), std::string::npos) << ls.out;
  EXPECT_NE(ls.out.find(" and 1 checkpoint, "), std::string::npos) << ls.out;
  EXPECT_NE(cdc_cache({"gc", "--older-than", "1h"}).out.find("0 results removed, 0 B; "), std::string::npos);
  const ProcessResult all = cdc_cache({"gc", "--max-size", "0"});
  EXPECT_NE(all.out.find(" and 1 checkpoint removed, "), std::string::npos) << all.out;
  EXPECT_TRUE(fs::is_empty(folder / "cache/checkpoints"));
}

/// With SIGXFSZ as it is, a program would end without a word.
TEST_F(CacheProgram, ALimitOnTheSizeOfFilesIsToldWithTheRemedy) {
  write_file(folder / "p.toml", text);
  const std::string run = "'" + (binary_folder() / "bin/cdc-run").string() + "' p.toml --plugin '" + plugin().string() + "'";
  for (const char* blocks : {"0", "1", "2"}) {  // of 1024 bytes: too low for this file or that
    const ProcessResult r =
        run_process({"/bin/bash", "-c", std::string("(ulimit -f ") + blocks + "; " + run + " 2>&1 >/dev/null; echo code $?) | cat"}, folder,
                    {{"CDC_PLUGIN_PATH", ""}}, folder);
    EXPECT_NE(r.out.find("File too large; the limit on the size of files (ulimit -f) is too low"), std::string::npos) << blocks << r.out;
    EXPECT_NE(r.out.find("code 4\n"), std::string::npos) << blocks << r.out;
    EXPECT_NE(r.out.find("cdc-run: "), std::string::npos) << blocks << r.out;
  }
}

}  // namespace
}  // namespace cdc::test
