// What can be read is read, by a user who may write neither the cache nor the runs.
#include "support/fake_pipeline.hpp"
#include "support/user.hpp"

namespace cdc::test {
namespace {

class ReadOnly : public FakePipeline {
 protected:
  void SetUp() override {
    FakePipeline::SetUp();
    if (as_plain_user({"true"}).empty()) GTEST_SKIP() << kNoUser;
    write_file(folder / "p.toml", text);
    fs::permissions(folder, fs::perms::all);
    fs::create_directories(folder / "own");
    fs::permissions(folder / "own", fs::perms::all);
    ASSERT_EQ(call("cdc-run", {"p.toml", "--plugin", plugin()}, false).code, 0);
    write_file(folder / "trace", "");
    fs::permissions(folder / "trace", fs::perms::all);
    for (const char* part : {"cache", "runs"}) set_writable(folder / part, false);
  }
  void TearDown() override {
    for (const char* part : {"cache", "runs"})
      if (fs::exists(folder / part)) set_writable(folder / part, true);
    FakePipeline::TearDown();
  }
  ProcessResult call(const std::string& program, const std::vector<std::string>& arguments, bool plain = true) const {
    std::vector<std::string> all{binary_folder() / "bin" / program};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_process(plain ? as_plain_user(all) : all, folder, {{"CDC_CACHE", "cache"}, {"CDC_PLUGIN_PATH", ""}}, folder);
  }
  static bool has(const std::string& all, const std::string& part) { return all.find(part) != std::string::npos; }
};

TEST_F(ReadOnly, TheCacheIsListedAndVerifiedButNotChanged) {
  const ProcessResult ls = call("cdc-cache", {"ls"});
  EXPECT_EQ(ls.code, 0) << ls.err;
  EXPECT_TRUE(has(ls.out, "4 results, ")) << ls.out;
  EXPECT_EQ(call("cdc-cache", {"verify"}).out, "4 results read, 0 damaged\n");
  const ProcessResult dry = call("cdc-cache", {"gc", "--max-size", "0", "--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_TRUE(has(dry.out, "4 results would go, ")) << dry.out;
  for (const char* command : {"gc", "rm"}) {
    const ProcessResult r = call("cdc-cache", command == std::string("gc") ? std::vector<std::string>{"gc", "--max-size", "0"}
                                                                           : std::vector<std::string>{"rm", "--stage", "kmeans"});
    EXPECT_EQ(r.code, 4);
    EXPECT_EQ(r.err, "cdc-cache: cannot write the cache cache: Permission denied; choose another with --cache or CDC_CACHE\n");
    EXPECT_EQ(r.out, "");
  }
  EXPECT_EQ(call("cdc-cache", {"verify"}).out, "4 results read, 0 damaged\n");
}

TEST_F(ReadOnly, ARunTakesAllFromIt) {
  const ProcessResult dry = call("cdc-run", {"p.toml", "--plugin", plugin(), "--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_TRUE(has(dry.out, "kmeans    cached\n")) << dry.out;
  const ProcessResult r = call("cdc-run", {"p.toml", "--plugin", plugin(), "--run-dir", "own/run"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.err, "");
  EXPECT_TRUE(has(r.out, "scores           cached\n")) << r.out;
  const auto scores = [](const fs::path& run) { return Value::from_json(read_file(run / "summary.json")).at("scores"); };
  EXPECT_EQ(scores(folder / "own/run"), scores(latest()));
  EXPECT_EQ(trace_text(), "");
}

TEST_F(ReadOnly, WhatHasToBeComputedIsToldBeforeAnythingRuns) {
  for (const std::vector<std::string>& change : std::vector<std::vector<std::string>>{{"stage.kmeans.clusters=3"}, {"--fresh"}}) {
    std::vector<std::string> all{"p.toml", "--plugin", plugin(), "--run-dir", "own/run"};
    all.insert(all.end(), change.begin(), change.end());
    const ProcessResult r = call("cdc-run", all);
    EXPECT_EQ(r.code, 4) << r.out;
    EXPECT_EQ(r.err, change[0] == "--fresh"
                         ? "cdc-run: stage 'features' has to run (--fresh), and its result could not be kept: cannot write the cache "
                           "cache: Permission denied; choose another with --cache or CDC_CACHE\n"
                         : "cdc-run: stage 'kmeans' has to run (parameter 'clusters' changed: 2 -> 3), and its result could not be "
                           "kept: cannot write the cache cache: Permission denied; choose another with --cache or CDC_CACHE\n");
    EXPECT_FALSE(fs::exists(folder / "own/run"));
  }
  EXPECT_EQ(trace_text(), "");
}

TEST_F(ReadOnly, RunsAreListedAndReported) {
  const ProcessResult ls = call("cdc-runs", {"ls"});
  EXPECT_EQ(ls.code, 0) << ls.err;
  EXPECT_TRUE(has(ls.out, "#1   p ")) << ls.out;
  EXPECT_TRUE(has(ls.out, "1 run\n")) << ls.out;
  EXPECT_EQ(call("cdc-runs", {"show", "1"}).code, 0);
  const ProcessResult there = call("cdc-report", {"runs/p", "--plugin", plugin()});
  EXPECT_EQ(there.code, 4);
  EXPECT_TRUE(has(there.err, "report.html: Permission denied; name another place for the page with -o FILE\n")) << there.err;
  const ProcessResult page = call("cdc-report", {"runs/p", "--plugin", plugin(), "-o", "own/page.html"});
  EXPECT_EQ(page.code, 0) << page.err;
  EXPECT_FALSE(has(page.out, "cache")) << page.out;  // nothing is missing
  EXPECT_TRUE(fs::exists(folder / "own/page.html"));
}

TEST_F(ReadOnly, ASweepsTableIsPrinted) {
  write_file(folder / "s.toml", "[sweep]\nbase = \"p.toml\"\n[axes]\nstage.kmeans.clusters = [2, 3]\n");
  ASSERT_EQ(call("cdc-sweep", {"s.toml", "--plugin", plugin(), "--cache", "other"}, false).code, 0);
  for (const char* part : {"sweeps", "other"}) set_writable(folder / part, false);
  const ProcessResult table = call("cdc-sweep", {"s.toml", "--plugin", plugin(), "--cache", "other", "--table"});
  EXPECT_EQ(table.code, 0);
  EXPECT_EQ(table.err, "cdc-sweep: sweeps/s may not be written to: the table is printed alone\n");
  EXPECT_TRUE(has(table.out, "clusters  runs")) << table.out;
  const ProcessResult dry = call("cdc-sweep", {"s.toml", "--plugin", plugin(), "--cache", "other", "--dry-run"});
  EXPECT_TRUE(has(dry.out, "2 runs: 2 done; 0 stages to compute\n")) << dry.out << dry.err;
  for (const char* part : {"sweeps", "other"}) set_writable(folder / part, true);
}

/// Numbers of runs stay those of the index that is there.
TEST_F(ReadOnly, AnIndexThatIsThereKeepsItsNumbers) {
  set_writable(folder / "runs", true);
  write_file(folder / "p.toml", text);
  ASSERT_EQ(call("cdc-run", {"p.toml", "stage.kmeans.clusters=3", "--plugin", plugin(), "--cache", "other"}, false).code, 0);
  ASSERT_TRUE(has(call("cdc-runs", {"ls"}, false).out, "#2   p "));
  const fs::path second = fs::canonical(latest());
  for (const auto& one : fs::directory_iterator(folder / "runs/p"))
    if (!one.is_symlink() && fs::canonical(one.path()) != second) fs::remove_all(one.path());
  set_writable(folder / "runs", false);
  const ProcessResult ls = call("cdc-runs", {"ls"});
  EXPECT_EQ(ls.code, 0) << ls.err;
  EXPECT_TRUE(has(ls.out, "#2   p ")) << ls.out;
  EXPECT_TRUE(has(ls.out, "1 run\n")) << ls.out;
}

}  // namespace
}  // namespace cdc::test
