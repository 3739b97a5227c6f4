// cdc-sweep as its user calls it, on stages that only count and wait.
#include <dirent.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "cdc/random.hpp"
#include "fake_sweep.hpp"

namespace cdc::test {
namespace {

class SweepTest : public FakeSweep {
 protected:
  /// Both runs are at their kmeans and have something to save; nothing else has a checkpoint.
  bool both_can_go_on() const {
    const int others = lines_with(trace_text(), "begin other") - lines_with(trace_text(), "end other");
    return began("kmeans") >= 2 && others == 0 && checkpoints() >= 2;
  }
};

TEST_F(SweepTest, RunsEachCellOnceAndMakesTheTable) {
  const ProcessResult r = sweep(kSweep);
  ASSERT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_NE(r.out.find("clusters  runs"), std::string::npos) << r.out;
  EXPECT_EQ(lines_with(r.out, ": done in"), 4) << r.out;
  EXPECT_EQ(began("features"), 1);  // shared by all: 'fake.features' draws no random numbers
  EXPECT_EQ(began("kmeans"), 4);
  EXPECT_EQ(began("other"), 2);  // the same for both numbers of clusters
  EXPECT_EQ(lines_with(read("cells.csv"), ",done,"), 4) << read("cells.csv");
  EXPECT_EQ(lines_with(read("table.csv"), ",2,2,"), 2) << read("table.csv");
  EXPECT_NE(read("table.md").find("| clusters | runs |"), std::string::npos);
  EXPECT_NE(read("table.tex").find("\\begin{tabular}"), std::string::npos);
  const std::string plot = read("plots/kmeans.acc_by_clusters.svg");
  EXPECT_EQ(lines_with(plot, "<circle"), 2) << plot;
  // A cell's run directory explains it, as any other's.
  for (const auto& entry : fs::directory_iterator(folder / "sweeps/s/cells")) {
    if (!entry.is_directory()) continue;
    for (const char* file : {"run.json", "pipeline.toml", "metrics.jsonl", "summary.json", "log.txt"})
      EXPECT_TRUE(fs::exists(entry.path() / file)) << file;
  }

  const ProcessResult again = sweep(kSweep);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(lines_with(again.out, "["), 0) << again.out;
  EXPECT_EQ(began("kmeans"), 4);
  EXPECT_EQ(again.out, r.out.substr(r.out.find("\nclusters")));
}

TEST_F(SweepTest, TheTableIsThatOfTheRunsOwnFiles) {
  ASSERT_EQ(sweep(kSweep).code, 0);
  std::map<std::string, std::vector<double>> accs;
  for (const auto& entry : fs::directory_iterator(folder / "sweeps/s/cells")) {
    if (!entry.is_directory()) continue;
    const Value summary = Value::from_json(read_file(entry.path() / "summary.json"));
    accs[entry.path().filename().string().substr(0, 10)].push_back(summary.at("scores").at("kmeans").at("acc").as_real());
  }
  ASSERT_EQ(accs.size(), 2u);
  for (const auto& [name, two] : accs) {
    ASSERT_EQ(two.size(), 2u);
    const double mean = (two[0] + two[1]) / 2;
    EXPECT_NE(read("table.csv").find("\n" + name.substr(9) + ",2,2," + Value(mean).to_json() + ","), std::string::npos) << read("table.csv");
  }
}

TEST_F(SweepTest, AFolderWithSomebodysFilesIsRefusedAndLeftAsItIs) {
  fs::create_directories(folder / "sweeps/s/cells");
  write_file(folder / "sweeps/s/cells/hela.csv", "mine");
  write_file(folder / "sweeps/s/table.csv", "mine");
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{{}, {"--table"}}) {
    const ProcessResult r = sweep(kSweep, more);
    EXPECT_EQ(r.code, 4) << r.out;
    EXPECT_EQ(
        r.err,
        "cdc-sweep: sweeps/s holds 'cells', which is not of a sweep: a sweep there could overwrite it; give --dir a folder of its own, a new or "
        "empty one\n");
  }
  EXPECT_EQ(read("table.csv"), "mine");
  EXPECT_EQ(std::distance(fs::recursive_directory_iterator(folder / "sweeps"), {}), 4);
  EXPECT_EQ(trace_text(), "");
}

TEST_F(SweepTest, InItsOwnFolderItReplacesWhatItWroteAndNothingElse) {
  ASSERT_EQ(sweep(kSweep).code, 0);
  const std::string table = read("table.csv");
  fs::remove(folder / "sweeps/s/sweep.json");  // as before there was a mark
  write_file(folder / "sweeps/s/plots/mine.svg", "mine");
  write_file(folder / "sweeps/s/plots/kmeans.acc_by_nothing.svg", "of an earlier form of the sweep");
  write_file(folder / "sweeps/s/table.csv", "");
  const ProcessResult again = sweep(kSweep);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(read("table.csv"), table);
  EXPECT_EQ(read("plots/mine.svg"), "mine");
  EXPECT_FALSE(fs::exists(folder / "sweeps/s/plots/kmeans.acc_by_nothing.svg"));
  EXPECT_EQ(read("sweep.json"), "{\n  \"sweep\": \"s\"\n}\n");
}

TEST_F(SweepTest, ACellThatFailsIsToldAndTheRestGoesOn) {
  const std::string head = "[sweep]\nbase = \"p.toml\"\nseeds = [0]\n";
  const ProcessResult r = sweep(head + "[variants.good]\n[variants.bad]\nstage.kmeans.fail = \"error\"\nstage.kmeans.clusters = 5\n");
  EXPECT_EQ(r.code, 4);
  EXPECT_EQ(lines_with(r.err, "failed: bad,seed=0-"), 1) << r.err;
  EXPECT_NE(r.err.find("the clusters are too heavy; take fewer"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("(exit code 4)"), std::string::npos) << r.err;
  EXPECT_NE(r.out.find("1 failed"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("0 of 1"), std::string::npos) << r.out;
  EXPECT_EQ(lines_with(r.out, ": done in"), 1) << r.out;
  const ProcessResult mended = sweep(head + "[variants.good]\n[variants.bad]\nstage.kmeans.clusters = 5\n");
  EXPECT_EQ(mended.code, 0) << mended.err;
  EXPECT_EQ(lines_with(mended.out, ": done in"), 1) << mended.out;
}

TEST_F(SweepTest, WhatIsWrongInAnyCellIsToldBeforeAnythingRuns) {
  const ProcessResult r = sweep("[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\n[axes]\nstage.kmeans.clusters = [2, 0]\nstage.kmeans.stepps = [1]\n");
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.err.find("s.toml:5:29: error: 'clusters' of 'fake.cluster' must be at least 1, found 0"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("s.toml:6:14: error: "), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("did you mean 'steps'?"), std::string::npos) << r.err;
  EXPECT_EQ(lines_with(r.err, "error"), 2) << r.err;
  EXPECT_FALSE(fs::exists(folder / "trace"));
  EXPECT_FALSE(fs::exists(folder / "sweeps"));
}

TEST_F(SweepTest, ADryRunSaysWhatIsDoneWhatIsSharedAndRunsNothing) {
  const ProcessResult before = sweep(kSweep, {"--dry-run"});
  ASSERT_EQ(before.code, 0) << before.err;
  EXPECT_FALSE(fs::exists(folder / "trace"));
  EXPECT_EQ(lines_with(before.out, "runs features, kmeans, other, scores"), 1) << before.out;
  EXPECT_EQ(lines_with(before.out, "features (shared with clusters=2,seed=0-"), 3) << before.out;
  EXPECT_NE(before.out.find("4 runs: 0 done; 11 stages to compute"), std::string::npos) << before.out;
  ASSERT_EQ(sweep(kSweep).code, 0);
  const ProcessResult after = sweep(kSweep, {"--dry-run"});
  EXPECT_EQ(lines_with(after.out, "  done"), 4) << after.out;
  fs::remove_all(folder / "sweeps");
  EXPECT_EQ(lines_with(sweep(kSweep, {"--dry-run"}).out, "  cached"), 4);
  // Cached cells need no process.
  const int kmeans = began("kmeans");
  const ProcessResult cached = sweep(kSweep);
  EXPECT_EQ(cached.code, 0);
  EXPECT_EQ(lines_with(cached.out, ": cached"), 4) << cached.out;
  EXPECT_EQ(began("kmeans"), kmeans);
}

TEST_F(SweepTest, CheckRunsNothing) {
  const ProcessResult r = sweep(kSweep, {"--check"});
  EXPECT_EQ(r.out, "s.toml: ok, 4 runs\n") << r.err;
  EXPECT_FALSE(fs::exists(folder / "sweeps"));
}

TEST_F(SweepTest, EverySweepOfTheProjectIsRight) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(source_folder() / "pipelines/sweeps")) {
    if (entry.path().extension() != ".toml") continue;
    ++files;
    const ProcessResult r = run_process({binary_folder() / "bin/cdc-sweep", entry.path(), "--check"}, folder, {{"CDC_CACHE", "cache"}}, folder);
    EXPECT_EQ(r.code, 0) << r.err;
  }
  EXPECT_GE(files, 4);
}

TEST_F(SweepTest, AScoreOrAStageThatThereIsNotIsToldBeforeAnythingRuns) {
  const std::string asks =
      "[sweep]\nbase = \"p.toml\"\nseeds = [0]\nscores = [\"kmeans.ac\", \"nothing.at_all\", \"kmeans.acc\"]\n"
      "stop = { stage = \"kmean\", score = \"value\" }\n";
  for (const char* how : {"--check", "--dry-run", "--jobs=1"}) {
    const ProcessResult r = sweep(asks, {how});
    EXPECT_EQ(r.code, 2) << how;
    EXPECT_EQ(r.err,
              "s.toml:4:11: error: no stage gives the score 'kmeans.ac'; did you mean 'kmeans.acc'?\n"
              "s.toml:4:24: error: no stage gives the score 'nothing.at_all'; there are 'kmeans.acc' and 'other.acc'\n"
              "s.toml:5:18: error: there is no stage 'kmean'; did you mean 'kmeans'?\n");
  }
  EXPECT_FALSE(fs::exists(folder / "trace"));
}

TEST_F(SweepTest, AStopWhoseNumberNoRunReportsEndsTheSweep) {
  const auto asks = [](const std::string& score, const std::string& more) {
    return "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1, 2]\nstop = { stage = \"kmeans\", score = \"" + score + "\", grace = 2 }\n[set]\n" + more;
  };
  // At epoch 2 of the first run; the second is not begun.
  const ProcessResult r = sweep(asks("vaule", "stage.kmeans.steps = 20\nstage.kmeans.ms = 500\n"), {"--jobs", "1"});
  EXPECT_EQ(r.code, 2) << r.out;
  EXPECT_EQ(
      r.err,
      "s.toml:4:36: error: stage 'kmeans' has reported no 'vaule' by epoch 2; did you mean 'value'?; where it comes with later epochs, set 'grace' "
      "to the first of them\n");
  EXPECT_EQ(began("kmeans"), 1);
  // Runs that are done, in the cache or not, say so too.
  ASSERT_EQ(sweep(asks("value", "stage.kmeans.steps = 2\n"), {"--jobs", "1"}).code, 0);
  const ProcessResult later = sweep(asks("vaule", "stage.kmeans.steps = 2\n"), {"--jobs", "1"});
  EXPECT_EQ(later.code, 2);
  EXPECT_NE(later.err.find("has reported no 'vaule'"), std::string::npos) << later.err;
  // A stage without epochs.
  const ProcessResult none =
      sweep("[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\nstop = { stage = \"features\", score = \"value\" }\n", {"--jobs", "1"});
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("s.toml:4:38: error: stage 'features' reports nothing with epochs, so that 'stop' would never stop a run"),
            std::string::npos)
      << none.err;
}

TEST_F(SweepTest, APipelineThatIsNotThereIsToldWhereItIsNamed) {
  const ProcessResult r = sweep("[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\n[variants.a]\n[variants.b]\nbase = \"nothing.toml\"\n", {"--check"});
  EXPECT_EQ(r.code, 2);
  EXPECT_EQ(r.err.find("s.toml:6:8: error: the pipeline nothing.toml "), 0u) << r.err;
  EXPECT_EQ(lines_with(r.err, "error"), 1) << r.err;
}

TEST_F(SweepTest, RunsThatResolveToOnePipelineAreRefused) {
  const ProcessResult variants =
      sweep("[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[variants.a]\n[variants.b]\nstage.kmeans.clusters = 2\n", {"--check"});
  EXPECT_EQ(variants.code, 2);
  EXPECT_EQ(
      variants.err,
      "s.toml:5:11: error: with this the run is the same as 'a,seed=0': both resolve to one pipeline and seed, which is no repetition and no other "
      "point; take one of them out\n");
  const ProcessResult axes = sweep(
      "[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[axes]\nstage.features.part = [{ plugin = \"fake.part\" }, { plugin = \"fake.part\", "
      "rate = 0.25 }, { rate = 0.25, plugin = \"fake.part\" }]\n",
      {"--check"});
  EXPECT_EQ(axes.code, 2);
  EXPECT_EQ(lines_with(axes.err, "s.toml:5:"), 1) << axes.err;
}

TEST_F(SweepTest, NamesCannotDriveTheTerminal) {
  const ProcessResult r =
      sweep("[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[variants.a]\ntitle = \"x\\u001B[2Jy\"\n[variants.b]\nstage.kmeans.clusters = 3\n");
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out.find('\x1b'), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("x\\u001b[2Jy"), std::string::npos) << r.out;
  write_file(folder / "a\x1b[31m.toml", "[sweep]\nbse = 1\n");
  const ProcessResult file = run_process({binary_folder() / "bin/cdc-sweep", "a\x1b[31m.toml"}, folder, environment_, folder);
  EXPECT_EQ(file.code, 2);
  EXPECT_EQ(file.err.find('\x1b'), std::string::npos) << file.err;
  EXPECT_NE(file.err.find("a\\u001b[31m.toml:2:1: error: there is no key 'bse'"), std::string::npos) << file.err;
}

TEST_F(SweepTest, StatisticsAreAddedByFileOrCommandLine) {
  const ProcessResult r = sweep(kSweep, {"--statistics", "interval"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("95 % interval"), std::string::npos) << r.out;
  EXPECT_EQ(r.out.find("difference"), std::string::npos) << r.out;
  EXPECT_NE(read("table.csv").find(",kmeans.acc low,kmeans.acc high,"), std::string::npos) << read("table.csv");
  const ProcessResult file = sweep("[sweep]\nstatistics = [\"difference\"]\n" + kSweep.substr(8), {"--table"});
  EXPECT_NE(file.out.find("difference to the highest"), std::string::npos) << file.out << file.err;
  EXPECT_EQ(sweep(kSweep, {"--statistics", "mode"}).code, 2);
}

TEST_F(SweepTest, ADamagedFileOfEpochsIsNamed) {
  ASSERT_EQ(sweep(kSweep).code, 0);
  fs::path damaged;
  for (const auto& entry : fs::directory_iterator(folder / "sweeps/s/cells"))
    if (entry.is_directory()) damaged = entry.path() / "metrics.jsonl";
  write_file(damaged, read_file(damaged).substr(0, 40) + "\n");
  const ProcessResult r = sweep(kSweep);
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(r.err.find("metrics.jsonl, line 1 is damaged ("), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("remove that folder, and the same command makes it again"), std::string::npos) << r.err;
}

TEST_F(SweepTest, ACommandLineThatIsWrongIsTold) {
  const ProcessResult r = sweep(kSweep, {"--jobz"});
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.err.find("cdc-sweep: "), std::string::npos);
  EXPECT_NE(r.err.find("--help lists the options"), std::string::npos) << r.err;
}

/// Runs of fifteen seconds: the second begins when the first has computed what both need, and that one must not end before the sweep is asked to
/// stop.
const std::string kSlow = "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\n[set]\nstage.kmeans.steps = 30\nstage.kmeans.ms = 500\n";

TEST_F(SweepTest, StopsCleanlyWhenAskedAndGoesOn) {
  write_file(folder / "s.toml", kSlow);
  Process p(command({"--jobs", "2"}), folder, environment_, folder);
  ASSERT_TRUE(p.reaches([&] { return both_can_go_on(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));  // should one have been the checkpoint of 'other', which goes now
  p.signal(SIGINT);
  const ProcessResult r = p.wait();
  EXPECT_EQ(r.code, 5) << r.out << r.err;
  EXPECT_NE(r.out.find("stopping; 2 runs at work save what they have (Ctrl-C again: at once)"), std::string::npos) << r.out;
  EXPECT_NE(r.err.find("stopped; the same command goes on where it stopped"), std::string::npos) << r.err;
  EXPECT_EQ(r.err.find("failed"), std::string::npos) << r.err;
  EXPECT_NE(r.out.find("2 not run"), std::string::npos) << r.out;
  const ProcessResult rest = run_process(command({"--jobs", "2"}), folder, environment_, folder);
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_GE(lines_with(read_file(folder / "trace"), "resume kmeans"), 2);  // from their checkpoints
}

TEST_F(SweepTest, ABatchSystemATerminalAndAReaderThatGoStopItCleanlyToo) {
  std::signal(SIGHUP, SIG_DFL);  // it is ignored where the tests are run by nohup
  write_file(folder / "s.toml", kSlow);
  int resumed = 0;
  for (const int number : {SIGTERM, SIGHUP, SIGPIPE}) {
    fs::remove(folder / "trace");
    Process p(command({"--jobs", "2"}), folder, environment_, folder);
    ASSERT_TRUE(p.reaches([&] { return both_can_go_on(); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(1200));
    p.signal(number);
    p.signal(number);  // as batch systems do, which tell a program and its parent: one wish, not two
    const ProcessResult r = p.wait();
    resumed += lines_with(trace_text(), "resume kmeans");
    EXPECT_EQ(r.code, 5) << r.out << r.err;
    EXPECT_NE(r.err.find("stopped; the same command goes on where it stopped"), std::string::npos) << r.err;
    EXPECT_EQ(r.err.find("failed"), std::string::npos) << r.err;
  }
  EXPECT_GE(resumed, 2);  // the later ones went on from what the earlier ones saved
}

TEST_F(SweepTest, AReaderThatGoesAwayStopsItCleanly) {
  write_file(folder / "s.toml", kSweep);
  std::string words;
  for (const std::string& word : command({"--jobs", "1"})) words += "'" + word + "' ";
  // One run after the other: what is said at the latest of the first, before the others, finds no reader.
  const ProcessResult r = run_process({"/bin/sh", "-c", "{ " + words + "; echo code $? >&2; } | head -n 1"}, folder, environment_, folder);
  EXPECT_NE(r.err.find("code 5"), std::string::npos) << r.err;
  EXPECT_LT(began("kmeans"), 4);
  EXPECT_EQ(run_process(command({"--jobs", "1"}), folder, environment_, folder).code, 0);
  EXPECT_EQ(lines_with(read("cells.csv"), ",done,"), 4);
}

TEST_F(SweepTest, AskedTwiceItStopsAtOnce) {
  write_file(folder / "s.toml", "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\n[set]\nstage.kmeans.ms = 60000\n");
  Process p(command({"--jobs", "2"}), folder, environment_, folder);
  ASSERT_TRUE(p.reaches([&] { return began("kmeans") >= 2; }));
  p.signal(SIGINT);
  p.signal(SIGINT);
  EXPECT_EQ(p.wait().code, 5);
}

TEST_F(SweepTest, EndsEarlyWhatTheRuleGivesUp) {
  // One after the other, and the seed of the least values first: which of several side by side gets to an epoch first is a matter of luck.
  const std::string asks =
      "[sweep]\nbase = \"p.toml\"\nseeds = [4, 3, 0]\nstop = { rule = \"halving\", stage = \"kmeans\", score = \"value\", goal = \"least\", "
      "grace = 2, factor = 2 }\n"
      "[set]\nstage.kmeans.steps = 6\nstage.kmeans.ms = 500\n";
  const ProcessResult r = sweep(asks, {"--jobs", "1"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(lines_with(r.out, ": stopped early: after epoch 2 "), 2) << r.out;
  EXPECT_EQ(lines_with(r.out, ": done in"), 1) << r.out;
  EXPECT_EQ(lines_with(read("cells.csv"), ",stopped early,"), 2);
  EXPECT_NE(r.out.find("; 2 stopped early"), std::string::npos) << r.out;
  const int began_before = began("kmeans");
  const ProcessResult again = sweep(asks, {"--jobs", "1"});
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(began("kmeans"), began_before);  // they are left alone
  EXPECT_EQ(lines_with(sweep(asks, {"--dry-run"}).out, "  stopped early"), 2);
  // Without the rule they go on where they were.
  const ProcessResult whole = sweep(asks.substr(0, asks.find("stop =")) + asks.substr(asks.find("[set]")), {"--jobs", "3"});
  EXPECT_EQ(whole.code, 0);
  EXPECT_EQ(lines_with(read("cells.csv"), ",done,"), 3);
}

/// The processes that a process started.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> out;
  DIR* proc = ::opendir("/proc");
  while (const dirent* entry = ::readdir(proc)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    std::ifstream in("/proc/" + std::string(entry->d_name) + "/stat");
    std::string text;
    std::getline(in, text);
    const std::size_t close = text.rfind(')');
    if (close != std::string::npos && text.size() > close + 4 && std::atoi(text.c_str() + close + 4) == parent) out.push_back(pid);
  }
  ::closedir(proc);
  return out;
}

int number(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : otherwise;
}

TEST_F(SweepTest, KilledAgainAndAgainEveryCellIsDoneOnceAndTheTableIsTheSame) {
  const int cells = number("CDC_CELLS", 16), kills = number("CDC_KILLS", 4);
  const std::string asks =
      "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\n[axes]\nstage.kmeans.clusters = { from = 2, to = " + std::to_string(1 + cells / 2) +
      ", step = 1 }\n[set]\nstage.kmeans.ms = 5\nstage.images.samples = 50\n";
  write_file(folder / "s.toml", asks);
  std::string out;
  Random random(static_cast<std::uint64_t>(::getpid()));
  // All kills fall into the time that the sweep needs: about a quarter of a second a cell, and half a second to start.
  for (int i = 0; i < kills; ++i) {
    Process p(command({}), folder, environment_, folder);
    ASSERT_FALSE(p.ended_within(std::chrono::milliseconds(static_cast<std::int64_t>(random.uniform(400, 600 + 100.0 * cells / kills)))))
        << "the sweep ended before kill " << i + 1;
    for (const pid_t child : children_of(p.pid())) ::kill(child, SIGKILL);
    p.signal(SIGKILL);
    out += p.wait().out;
  }
  // Two calls at once.
  Process one(command({"--jobs", "1"}), folder, environment_, folder), two(command({"--jobs", "1"}), folder, environment_, folder);
  const ProcessResult a = one.wait(), b = two.wait();
  EXPECT_EQ(a.code, 0) << a.err;
  EXPECT_EQ(b.code, 0) << b.err;
  EXPECT_EQ(lines_with(read("cells.csv"), ",done,"), cells);
  std::map<std::string, int> done;
  std::istringstream lines(out + a.out + b.out);
  for (std::string line; std::getline(lines, line);)
    if (line.find(": done in") != std::string::npos || line.find(": cached") != std::string::npos)
      ++done[line.substr(line.find(' '), line.rfind(':') - line.find(' '))];
  for (const auto& [cell, times] : done) EXPECT_EQ(times, 1) << cell;
  const std::string table = read("table.csv"), all = read("cells.csv");
  fs::remove_all(folder / "sweeps");
  fs::remove_all(folder / "cache");
  const ProcessResult whole = run_process(command({}), folder, environment_, folder);
  EXPECT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(lines_with(whole.out, ": done in"), cells);
  EXPECT_EQ(read("table.csv"), table);
  EXPECT_EQ(read("cells.csv"), all);
}

}  // namespace
}  // namespace cdc::test
