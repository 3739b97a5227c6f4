// cdc-runs as its user calls it.
#include <sqlite3.h>

#include <fstream>

#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

class RunsProgram : public FakePipeline {
 protected:
  ProcessResult cdc_runs(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{binary_folder() / "bin/cdc-runs"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_process(all, folder, {}, folder);
  }
  static bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
};

TEST_F(RunsProgram, ListsRunsTheLatestFirst) {
  const fs::path one = run().directory, two = run({"stage.kmeans.clusters=3"}).directory;
  const ProcessResult r = cdc_runs({"ls"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(has(r.out, "2 runs\n")) << r.out;
  EXPECT_TRUE(has(r.out, "kmeans 0.")) << r.out;
  EXPECT_LT(r.out.find(two.filename().string() + " "), r.out.find(one.filename().string() + " ")) << r.out;
  EXPECT_TRUE(has(cdc_runs({"ls", "--pipeline", "q"}).out, "0 runs\n"));
}

TEST_F(RunsProgram, SeesWhatIsNewWhatChangedAndWhatIsGone) {
  const fs::path one = run().directory;
  EXPECT_TRUE(has(cdc_runs({"ls"}).out, "1 run\n"));
  const std::string summary = read_file(one / "summary.json");
  fs::remove(one / "summary.json");
  EXPECT_TRUE(has(cdc_runs({"ls"}).out, "not done"));
  write_file(one / "summary.json", summary);
  EXPECT_FALSE(has(cdc_runs({"ls"}).out, "not done"));
  run({"stage.kmeans.clusters=3"});
  EXPECT_TRUE(has(cdc_runs({"ls"}).out, "2 runs\n"));
  fs::remove_all(one);
  EXPECT_TRUE(has(cdc_runs({"ls"}).out, "1 run\n"));
}

TEST_F(RunsProgram, ShowsOneByNumberNameOrLink) {
  const fs::path one = run().directory;
  run({"stage.kmeans.clusters=3"});
  for (const std::string& name : {std::string("#1"), std::string("1"), one.lexically_relative(folder).string()}) {
    const ProcessResult r = cdc_runs({"show", name});
    EXPECT_EQ(r.code, 0) << name << r.err;
    EXPECT_TRUE(has(r.out, "#1  p, seed 7, took ")) << r.out;
    EXPECT_TRUE(has(r.out, "kmeans.acc")) << r.out;
  }
  EXPECT_TRUE(has(cdc_runs({"show", "runs/p/latest"}).out, "#2  p"));
}

TEST_F(RunsProgram, ComparesSettingsAndScores) {
  run();
  run({"stage.kmeans.clusters=3"});
  const ProcessResult r = cdc_runs({"diff", "1", "2"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(has(r.out, "stage.kmeans.clusters  2")) << r.out;
  EXPECT_TRUE(has(r.out, "kmeans.acc")) << r.out;
  EXPECT_FALSE(has(r.out, "stage.other")) << r.out;
  EXPECT_EQ(cdc_runs({"diff", "1", "1"}).out, "they differ in nothing\n");
}

TEST_F(RunsProgram, FindsTheBest) {
  double low = 2, high = -1;
  for (const char* clusters : {"2", "3", "5"}) {
    const double acc = run({std::string("stage.kmeans.clusters=") + clusters}).summary.at("scores").at("kmeans").at("acc").as_real();
    low = std::min(low, acc);
    high = std::max(high, acc);
  }
  const ProcessResult r = cdc_runs({"best", "kmeans.acc", "-n", "1"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(has(r.out, std::to_string(high).substr(0, 6))) << r.out;
  const ProcessResult wrong = cdc_runs({"best", "kmeans.ac"});
  EXPECT_EQ(wrong.code, 4);
  EXPECT_EQ(wrong.err, "cdc-runs: no run has the score 'kmeans.ac'; did you mean 'kmeans.acc'?\n");
}

TEST_F(RunsProgram, AnswersQueriesAndChangesNothing) {
  run();
  const ProcessResult r = cdc_runs({"sql", "SELECT key, value FROM setting WHERE key = 'stage.kmeans.clusters'"});
  EXPECT_EQ(r.out, "key                    value\nstage.kmeans.clusters  2\n") << r.err;
  const ProcessResult drop = cdc_runs({"sql", "DELETE FROM run"});
  EXPECT_EQ(drop.code, 4);
  EXPECT_TRUE(has(drop.err, "only SELECT is possible")) << drop.err;
  EXPECT_TRUE(has(cdc_runs({"sql", "SELEC"}).err, "syntax error"));
  EXPECT_TRUE(has(cdc_runs({"sql", ""}).err, "this is no SQL statement"));
  EXPECT_TRUE(has(cdc_runs({"ls"}).out, "1 run\n"));
}

TEST_F(RunsProgram, AnotherProgramsDatabaseIsNoIndex) {
  run();
  for (const char* sql : {"CREATE TABLE people (name TEXT)", "CREATE TABLE run (distance REAL)"}) {
    fs::remove(folder / "mine.sqlite");
    sqlite3* mine = nullptr;
    ASSERT_EQ(sqlite3_open((folder / "mine.sqlite").c_str(), &mine), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(mine, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(mine);
    const std::string before = read_file(folder / "mine.sqlite");
    const ProcessResult r = cdc_runs({"--store", "mine.sqlite", "ls"});
    EXPECT_EQ(r.code, 4);
    EXPECT_EQ(r.err, std::string("cdc-runs: mine.sqlite is no index of runs, but another program's: it has a table '") +
                         (std::string(sql).find("people") != std::string::npos ? "people" : "run") + "'; name another file with --store\n");
    EXPECT_EQ(read_file(folder / "mine.sqlite"), before);
  }
}

TEST_F(RunsProgram, ADamagedSummaryIsNamedAndItsScoresAreNotUsed) {
  const fs::path one = run().directory, file = one / "summary.json";
  run({"stage.kmeans.clusters=3"});
  const std::string good = read_file(file);
  std::string flipped = good;
  char& digit = flipped[flipped.find("\"acc\": ") + 9];  // 0.x: another number, right JSON
  digit = static_cast<char>(digit ^ 1);
  std::string bare = good;
  bare.replace(bare.rfind("\"self\""), 6, "\"sekf\"");
  Value without = Value::table();
  const Value summary = Value::from_json(good);
  for (const auto& [key, value] : summary.as_table())
    if (key != "checksum") without[key] = value;
  for (const std::string& damaged : {flipped, bare, without.to_json(2) + "\n"}) {
    write_file(file, damaged);
    const ProcessResult r = cdc_runs({"ls"});
    EXPECT_TRUE(has(r.out, "1 run\n")) << r.out;
    EXPECT_TRUE(has(r.err, "warning: ") && has(r.err, file.lexically_relative(folder).string()) &&
                has(r.err, "it was damaged or edited after the run wrote it"))
        << r.err;
    EXPECT_TRUE(has(r.err, "--run-dir " + one.lexically_relative(folder).string() + "` writes it anew")) << r.err;
  }
  // A run from before there were checksums.
  Value old = Value::table();
  const Value record = Value::from_json(read_file(one / "run.json"));
  for (const auto& [key, value] : record.as_table())
    if (key != "checksum") old[key] = value;
  write_file(one / "run.json", old.to_json(2) + "\n");
  write_file(file, without.to_json(2) + "\n");
  const ProcessResult r = cdc_runs({"ls"});
  EXPECT_TRUE(has(r.out, "2 runs\n")) << r.out;
  EXPECT_EQ(r.err, "");
}

TEST_F(RunsProgram, ADamagedIndexGivesNoWrongList) {
  run();
  run({"stage.kmeans.clusters=3"});
  const std::vector<std::string> query = {
      "sql", "SELECT directory, pipeline, seed, done, name, value FROM run JOIN score ON run = id ORDER BY directory, place"};
  const std::string right = cdc_runs(query).out;
  const fs::path file = folder / "runs/runs.sqlite";
  const std::string bytes = read_file(file);
  unsigned state = 7;
  const auto random = [&] { return state = state * 1664525u + 1013904223u, state >> 8; };
  int told = 0;
  for (int i = 0; i < 60; ++i) {
    std::string damaged = bytes;
    char& byte = damaged[random() % damaged.size()];
    byte = static_cast<char>(byte ^ (1 << random() % 8));
    write_file(file, damaged);
    const ProcessResult r = cdc_runs(query);
    EXPECT_EQ(r.code == 0 ? r.out : right, right) << "damage " << i << ": " << r.err;
    told += r.err.empty() ? 0 : 1;
  }
  EXPECT_GT(told, 0);
}

TEST_F(RunsProgram, SaysWhatIsWrong) {
  EXPECT_TRUE(has(cdc_runs({"ls"}).err, "there are no runs here: call it where cdc-run was called, or name a folder with --in"));
  run();
  run({"stage.kmeans.clusters=3"});
  EXPECT_TRUE(has(cdc_runs({"show", "nothing"}).err, "there is no run 'nothing': 'cdc-runs ls' lists those there are"));
  EXPECT_TRUE(has(cdc_runs({"show", "runs/p"}).err, "'runs/p' may be one of 2 runs: ")) << cdc_runs({"show", "runs/p"}).err;
  write_file(folder / "broken.sqlite", std::string(4096, 'x'));
  const ProcessResult broken = cdc_runs({"--store", "broken.sqlite", "ls"});
  EXPECT_EQ(broken.code, 4);
  EXPECT_TRUE(has(broken.err, "the store broken.sqlite cannot be used: ")) << broken.err;
  EXPECT_TRUE(has(broken.err, "delete it: it is an index, and is made anew")) << broken.err;
  EXPECT_TRUE(has(cdc_runs({"--store", "runs", "ls"}).err, "choose a place that you may write to (--store)"));
  write_file(latest() / "run.json", "{");
  const ProcessResult damaged = cdc_runs({"ls"});
  EXPECT_EQ(damaged.code, 0);
  EXPECT_TRUE(has(damaged.err, "warning: ")) << damaged.err;
  EXPECT_EQ(cdc_runs({"frob"}).code, 2);
}

}  // namespace
}  // namespace cdc::test
