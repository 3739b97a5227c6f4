// cdc-sweep --executor slurm as its user calls it, with made-up sbatch, squeue and scontrol that keep a queue in a file.
// daemons.
#include <sys/file.h>

#include <set>

#include "fake_sweep.hpp"

namespace cdc::test {
namespace {

void write_program(const fs::path& file, const std::string& text) {
  write_file(file, "#!/bin/bash\n" + text);
  fs::permissions(file, fs::perms::owner_all);
}

/// A Slurm that only keeps a queue, in `queue`: JOB|INDEX|STATE|SCRIPT a line. What sbatch is to refuse is in `refuse`, from job `from` on.
class SlurmTest : public FakeSweep {
 protected:
  void SetUp() override {
    FakeSweep::SetUp();
    const fs::path bin = folder / "slurm";
    fs::create_directories(bin);
    const std::string in = "cd '" + folder.string() + "'\n";
    write_program(bin / "sbatch", in + R"sh(script=${!#}
echo "$*" >>calls
job=$(($(cat job 2>/dev/null || echo 0) + 1))
if [ -e refuse ] && [ "$job" -ge "$(cat from 2>/dev/null || echo 1)" ]; then cat refuse >&2; exit 1; fi
echo $job >job
last=$(sed -n 's/^#SBATCH --array=0-\([0-9]*\).*/\1/p' "$script")
for ((i = 0; i <= last; i++)); do echo "$job|$i|PD|$script" >>queue; done
echo "$job;cluster"
)sh");
    write_program(bin / "squeue", in + "if [ -e broken ]; then cat broken >&2; exit 1; fi\ncat queue 2>/dev/null || true\n");
    write_program(bin / "scontrol", in + "echo \"MaxArraySize            = $(cat most 2>/dev/null || echo 1001)\"\n");
    environment_.emplace_back("PATH", bin.string() + ":/usr/bin:/bin");
  }

  ProcessResult slurm(const std::string& asks, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--executor", "slurm"});
    return sweep(asks, more);
  }
  std::vector<std::string> queue() const {
    std::vector<std::string> out;
    std::istringstream in(fs::exists(folder / "queue") ? read_file(folder / "queue") : "");
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  /// Runs what is first in the queue, or another script's task, as Slurm does.
  ProcessResult run_task(const std::string& line) {
    const std::string index = line.substr(line.find('|') + 1, line.find("|PD") - line.find('|') - 1), script = line.substr(line.rfind('|') + 1);
    auto environment = environment_;
    environment.emplace_back("SLURM_ARRAY_TASK_ID", index);
    return run_process({"/bin/bash", script}, folder, environment, "/");
  }
  /// Runs all tasks that are queued, one after the other; what they printed.
  std::string run_queue() {
    std::string out;
    for (std::vector<std::string> all = queue(); !all.empty(); all = queue()) {
      const ProcessResult r = run_task(all.front());
      EXPECT_EQ(r.code, 0) << r.err;
      out += r.out;
      std::string rest;
      for (std::size_t i = 1; i < all.size(); ++i) rest += all[i] + "\n";
      write_file(folder / "queue", rest);
    }
    return out;
  }
  std::string calls() const { return fs::exists(folder / "calls") ? read_file(folder / "calls") : ""; }
  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder / "sweeps/s/cells"))
      if (entry.path().extension() == ".toml") out.push_back(entry.path().stem());
    return sorted(out);
  }
};

TEST_F(SlurmTest, TasksComputeEachResultOnceAndTheTableIsTheLocalOne) {
  const ProcessResult r = slurm(kSweep);
  ASSERT_EQ(r.code, 0) << r.err;
  // All need the features: one task computes them. Both numbers of clusters need 'other', once a seed.
  EXPECT_NE(r.out.find("submitted 1 run as job 1: "), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("submitted 2 runs as job 2, after 1: "), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("submitted 1 run as job 3, after 1 and 2: "), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("scancel 1 2 3 stops what is not done; the same command goes on\n"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("0 of 4 runs done; --table instead of --executor"), std::string::npos) << r.out;
  const std::string scripts = fs::canonical(folder).string() + "/sweeps/s/slurm/";
  EXPECT_EQ(calls(), "--parsable " + scripts + "1-1.sh\n--parsable --dependency=afterany:1 " + scripts +
                         "1-2.sh\n--parsable --dependency=afterany:1:2 " + scripts + "1-3.sh\n");
  EXPECT_FALSE(fs::exists(folder / "trace"));
  EXPECT_EQ(lines_with(sweep(kSweep, {"--table"}).out, "4 not run"), 1);
  EXPECT_EQ(lines_with(run_queue(), ": done in"), 4);
  EXPECT_EQ(began("features"), 1);
  EXPECT_EQ(began("other"), 2);
  EXPECT_EQ(began("kmeans"), 4);
  const ProcessResult after = slurm(kSweep);
  EXPECT_EQ(after.code, 0) << after.err;
  EXPECT_EQ(lines_with(after.out, "submitted"), 0) << after.out;
  const std::string table = read("table.csv"), cells = read("cells.csv");
  const Value run = Value::from_json(read_file(folder / "sweeps/s/cells" / ids()[0] / "run.json"));
  fs::remove_all(folder / "sweeps");
  fs::remove_all(folder / "cache");
  const ProcessResult local = sweep(kSweep);
  ASSERT_EQ(local.code, 0) << local.err;
  EXPECT_EQ(after.out, local.out.substr(local.out.find("\nclusters")));
  EXPECT_EQ(read("table.csv"), table);
  EXPECT_EQ(read("cells.csv"), cells);
  EXPECT_EQ(Value::from_json(read_file(folder / "sweeps/s/cells" / ids()[0] / "run.json")).at("command_line"), run.at("command_line"));
}

TEST_F(SlurmTest, TheScriptHasWhatATaskNeeds) {
  fs::create_directories(folder / "some where");
  environment_.emplace_back("CDC_PLUGIN_PATH", folder / "some where");
  const ProcessResult r = slurm(kSweep, {"--threads", "2", "--jobs", "3", "--slurm", "--partition=gpu --time=4:00:00", "--slurm", "--comment='a b'"});
  ASSERT_EQ(r.code, 0) << r.err;
  const std::string script = read("slurm/1-2.sh");
  const std::string slurm_folder = fs::canonical(folder).string() + "/sweeps/s/slurm";
  for (const std::string& line :
       {std::string("#SBATCH --job-name=cdc-s"), std::string("#SBATCH --array=0-1%3"), std::string("#SBATCH --cpus-per-task=2"),
        "#SBATCH --output=\"" + slurm_folder + "/1-2-%a.out\" --open-mode=append", std::string("#SBATCH --signal=B:TERM@60"),
        std::string("#SBATCH --partition=gpu --time=4:00:00"), std::string("#SBATCH --comment='a b'"),
        "export CDC_PLUGIN_PATH='" + (folder / "some where").string() + "'", "#   sbatch '" + slurm_folder + "/1-2.sh'     all of them"})
    EXPECT_NE(script.find(line), std::string::npos) << line << "\n" << script;
  // By hand.
  const ProcessResult task = run_process({"/bin/bash", slurm_folder + "/1-2.sh", ids()[0]}, folder, environment_, "/");
  EXPECT_EQ(task.code, 0) << task.err;
  EXPECT_NE(task.out.find(ids()[0] + ": done in "), std::string::npos) << task.out;
}

TEST_F(SlurmTest, WhatIsQueuedIsNotSubmittedAgain) {
  ASSERT_EQ(slurm(kSweep).code, 0);
  const std::string before = calls();
  const ProcessResult again = slurm(kSweep);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(
      again.out.find("1 run queued or at work already: job 1\n2 runs queued or at work already: job 2\n1 run queued or at work already: job 3\n"),
      std::string::npos)
      << again.out;
  EXPECT_EQ(calls(), before);
  // A sweep that has grown: its new cells come after those that compute what they need.
  const ProcessResult more = slurm(kSweep.substr(0, kSweep.find("[2, 3]")) + "[2, 3, 4]" + kSweep.substr(kSweep.find("[2, 3]") + 6));
  EXPECT_NE(more.out.find("submitted 2 runs as job 4, after 1 and 2 and 3: "), std::string::npos) << more.out;
  // One that Slurm has lost.
  std::string rest;
  for (const std::string& line : queue())
    if (line.rfind("4|", 0) != 0) rest += line + "\n";
  write_file(folder / "queue", rest);
  EXPECT_NE(
      slurm(kSweep.substr(0, kSweep.find("[2, 3]")) + "[2, 3, 4]" + kSweep.substr(kSweep.find("[2, 3]") + 6)).out.find("submitted 2 runs as job 5"),
      std::string::npos);
  // Jobs of other sweeps, and what is no task of a script of this one.
  write_file(folder / "queue", "7|0|R|/elsewhere/1-1.sh\n8|N/A|R|(null)\n9|99|R|" + fs::canonical(folder).string() +
                                   "/sweeps/s/slurm/1-1.sh\n10|0|R|" + fs::canonical(folder).string() + "/sweeps/s/slurm/77-1.sh\n");
  EXPECT_EQ(lines_with(slurm(kSweep).out, "already"), 0);
}

TEST_F(SlurmTest, ATaskRunsWhatWasSubmittedOrNothing) {
  ASSERT_EQ(slurm(kSweep).code, 0);
  const std::vector<std::string> first = queue();
  ASSERT_EQ(first.size(), 4u);
  // The pipeline changes: cells of the same ids are other runs now.
  write_file(folder / "p.toml", std::string(kFakePipeline) + "[stage.more]\nplugin = \"fake.cluster\"\nin.features = \"features\"\n");
  const ProcessResult changed = slurm(kSweep);
  EXPECT_EQ(lines_with(changed.out, "already"), 0) << changed.out;
  EXPECT_EQ(lines_with(changed.out, "submitted"), 3) << changed.out;
  const ProcessResult old = run_task(first[0]);
  EXPECT_EQ(old.code, 0) << old.err;
  EXPECT_NE(old.out.find(": not run: the sweep asks for something else since\n"), std::string::npos) << old.out;
  EXPECT_FALSE(fs::exists(folder / "trace"));
  const ProcessResult done = run_task(queue()[4]);
  EXPECT_NE(done.out.find(": done in "), std::string::npos) << done.out << done.err;
  const ProcessResult twice = run_task(queue()[4]);
  EXPECT_NE(twice.out.find(": was done before\n"), std::string::npos) << twice.out;
  EXPECT_EQ(began("more"), 1);
}

TEST_F(SlurmTest, ARunThatAnotherProcessIsAtIsLeftToIt) {
  ASSERT_EQ(slurm(kSweep).code, 0);
  const std::string line = queue()[0];
  const fs::path lock = folder / "sweeps/s/cells" / (ids()[0] + ".lock");
  const int fd = ::open(lock.c_str(), O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  const ProcessResult r = run_task(line);
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find(": another process is at it; left to that\n"), std::string::npos) << r.out;
  write_file(folder / "queue", "");
  const ProcessResult submitted = slurm(kSweep);
  EXPECT_NE(submitted.out.find("1 run at work in another call\n"), std::string::npos) << submitted.out;
  EXPECT_EQ(queue().size(), 3u);
  ::close(fd);
}

TEST_F(SlurmTest, ARunThatFailsIsToldAndTriedAgain) {
  const std::string head = "[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[variants.good]\n[variants.bad]\nstage.kmeans.clusters = 5\n";
  ASSERT_EQ(slurm(head + "stage.kmeans.fail = \"error\"\n").code, 0);
  int failed = 0;
  for (const std::string& line : queue()) {
    const ProcessResult r = run_task(line);
    if (r.code == 0) continue;
    ++failed;
    EXPECT_EQ(r.code, 4);
    EXPECT_NE(r.err.find("failed: bad,seed=0-"), std::string::npos) << r.err;
    EXPECT_NE(r.err.find("the clusters are too heavy; take fewer (exit code 4)"), std::string::npos) << r.err;
  }
  EXPECT_EQ(failed, 1);
  write_file(folder / "queue", "");
  const ProcessResult table = sweep(head + "stage.kmeans.fail = \"error\"\n", {"--table"});
  EXPECT_NE(table.err.find("the clusters are too heavy"), std::string::npos) << table.err;
  EXPECT_NE(table.out.find("; 1 failed"), std::string::npos) << table.out;
  EXPECT_EQ(table.code, 4);
  EXPECT_EQ(lines_with(slurm(head + "stage.kmeans.fail = \"error\"\n").out, "submitted 1 run as job"), 1);
  EXPECT_EQ(lines_with(sweep(head + "stage.kmeans.fail = \"error\"\n", {"--table"}).out, "; 1 not run"), 1);
}

TEST_F(SlurmTest, ARunOfOtherDataThanPlannedIsNotTakenForIt) {
  write_file(folder / "data.bin", "1");
  const std::string asks = "[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[set]\nstage.images.path = \"data.bin\"\n";
  ASSERT_EQ(slurm(asks).code, 0);
  write_file(folder / "data.bin", "22");
  const ProcessResult r = run_task(queue()[0]);
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(
      r.err.find("it ended as another run than the one that was planned: its data, its plugins or what \"auto\" means on the machine differ; call "
                 "the sweep again"),
      std::string::npos)
      << r.err;
  EXPECT_EQ(slurm(asks).code, 0);  // queued still, but of another key
  EXPECT_EQ(queue().size(), 1u);   // all its results are in the cache
  EXPECT_NE(read("cells.csv").find(",done,"), std::string::npos);
}

TEST_F(SlurmTest, ATaskThatIsToldToStopSavesWhatItHas) {
  const std::string asks = "[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[set]\nstage.kmeans.steps = 8\nstage.kmeans.ms = 250\n";
  ASSERT_EQ(slurm(asks).code, 0);
  const std::string line = queue()[0];
  auto environment = environment_;
  environment.emplace_back("SLURM_ARRAY_TASK_ID", "0");
  Process task({"/bin/bash", line.substr(line.rfind('|') + 1)}, folder, environment, folder);
  while (began("kmeans") < 1) ASSERT_FALSE(task.ended_within(std::chrono::milliseconds(10)));
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  task.signal(SIGTERM);
  task.signal(SIGTERM);  // as where Slurm tells a program and its parent
  const ProcessResult r = task.wait();
  EXPECT_EQ(r.code, 5) << r.err;
  EXPECT_NE(r.out.find(": stopped; a later task goes on\n"), std::string::npos) << r.out << r.err;
  for (const char* ending : {".err", ".out", ".failed.json"}) EXPECT_FALSE(fs::exists(folder / "sweeps/s/cells" / (ids()[0] + ending))) << ending;
  write_file(folder / "queue", "");
  EXPECT_EQ(lines_with(slurm(asks).out, "submitted 1 run"), 1);
  EXPECT_EQ(lines_with(run_queue(), ": done in"), 1);
  EXPECT_EQ(lines_with(trace_text(), "resume kmeans"), 1) << trace_text();
}

TEST_F(SlurmTest, TasksEndEarlyWhatTheRuleGivesUp) {
  const std::string asks =
      "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1, 2, 3]\nstop = { rule = \"halving\", stage = \"kmeans\", score = \"value\", goal = \"least\", "
      "grace = 2, factor = 2 }\n[set]\nstage.kmeans.steps = 6\nstage.kmeans.ms = 400\n";
  ASSERT_EQ(slurm(asks).code, 0);
  const std::string out = run_queue();  // one after the other: who is given up is the same every time
  const int early = lines_with(out, ": stopped early: after epoch ");
  EXPECT_GE(early, 1) << out;
  EXPECT_LT(early, 4) << out;
  EXPECT_EQ(lines_with(out, ": done in"), 4 - early) << out;
  const ProcessResult after = slurm(asks);
  EXPECT_NE(after.out.find("; " + std::to_string(early) + " stopped early"), std::string::npos) << after.out;
}

TEST_F(SlurmTest, WaitsForTheTasksAndMakesTheTable) {
  write_file(folder / "s.toml", kSweep);
  Process waits(command({"--executor", "slurm", "--wait"}), folder, environment_, folder);
  while (queue().size() < 4) ASSERT_FALSE(waits.ended_within(std::chrono::milliseconds(10)));
  run_queue();
  const ProcessResult r = waits.wait();
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(lines_with(r.out, "] clusters="), 4) << r.out;
  EXPECT_NE(r.out.find("[4/4] clusters="), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("clusters  runs"), std::string::npos) << r.out;
  EXPECT_EQ(lines_with(read("cells.csv"), ",done,"), 4);
}

TEST_F(SlurmTest, ACtrlCWhileWaitingLeavesTheJobs) {
  write_file(folder / "s.toml", kSweep);
  Process waits(command({"--executor", "slurm", "--wait"}), folder, environment_, folder);
  while (queue().size() < 4) ASSERT_FALSE(waits.ended_within(std::chrono::milliseconds(10)));
  waits.signal(SIGINT);
  const ProcessResult r = waits.wait();
  EXPECT_EQ(r.code, 5) << r.out;
  EXPECT_NE(r.err.find("cdc-sweep: no longer waiting; the jobs go on\n"), std::string::npos) << r.err;
  EXPECT_EQ(queue().size(), 4u);
}

TEST_F(SlurmTest, TasksThatEndBeforeTheirRunsAreTold) {
  write_file(folder / "s.toml", kSweep);
  Process waits(command({"--executor", "slurm", "--wait"}), folder, environment_, folder);
  while (queue().size() < 4) ASSERT_FALSE(waits.ended_within(std::chrono::milliseconds(10)));
  write_file(folder / "queue", "");  // cancelled
  const ProcessResult r = waits.wait();
  EXPECT_EQ(r.code, 5) << r.out;
  EXPECT_NE(r.err.find("cdc-sweep: some tasks ended before their runs did; the same command goes on, sweeps/s/slurm has what Slurm said\n"),
            std::string::npos)
      << r.err;
  EXPECT_NE(r.out.find("; 4 not run"), std::string::npos) << r.out;
}

TEST_F(SlurmTest, ArraysAreNoLargerThanTheClusterAllows) {
  write_file(folder / "most", "2");
  const std::string asks = "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1, 2, 3, 4]\n[set]\nstage.images.samples = 12\n";
  const ProcessResult free = slurm(asks);
  EXPECT_NE(free.out.find("submitted 1 run as job 1: "), std::string::npos) << free.out;
  EXPECT_NE(free.out.find("submitted 2 runs as job 2, after 1: "), std::string::npos) << free.out;
  EXPECT_NE(free.out.find("submitted 2 runs as job 3, after 1: "), std::string::npos) << free.out;
  write_file(folder / "queue", "");
  // So many at once, of all together.
  const ProcessResult some = slurm(asks, {"--jobs", "2"});
  EXPECT_NE(some.out.find("submitted 2 runs as job 6, after 5: "), std::string::npos) << some.out;
}

TEST_F(SlurmTest, WhatSlurmRefusesIsTold) {
  write_file(folder / "refuse", "sbatch: error: invalid partition specified: gpu\n");
  const ProcessResult r = slurm(kSweep, {"--slurm", "--partition=gpu"});
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(r.err.find("/sweeps/s/slurm/1-1.sh: sbatch: error: invalid partition specified: gpu\n"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("cdc-sweep: sbatch refused /"), std::string::npos) << r.err;
  write_file(folder / "from", "2");
  const ProcessResult second = slurm(kSweep);
  EXPECT_NE(second.err.find("specified: gpu; submitted before it: 1; the same command submits the rest\n"), std::string::npos) << second.err;
  fs::remove(folder / "refuse");
  EXPECT_NE(slurm(kSweep).out.find("1 run queued or at work already: job 1\nsubmitted 2 runs as job 2, after 1: "), std::string::npos);
  write_program(folder / "slurm/sbatch", "exit 3\n");
  write_file(folder / "queue", "");
  EXPECT_NE(slurm(kSweep).err.find("it ended with exit code 3 and named no job\n"), std::string::npos);
  write_file(folder / "broken", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n");
  const ProcessResult down = slurm(kSweep);
  EXPECT_EQ(down.code, 4);
  EXPECT_EQ(down.err,
            "cdc-sweep: squeue, which would say what is queued already, failed: slurm_load_jobs error: Unable to contact slurm controller "
            "(connect failure)\n");
}

TEST_F(SlurmTest, WhereThereIsNoSlurmItIsTold) {
  fs::remove(folder / "slurm/sbatch");
  environment_.back().second = (folder / "slurm").string() + ":/nowhere";
  write_program(folder / "slurm/squeue", "");
  const ProcessResult r = slurm(kSweep);
  EXPECT_EQ(r.code, 4);
  EXPECT_EQ(r.err, "cdc-sweep: there is no sbatch in PATH: call this where jobs are submitted to Slurm, or leave out --executor slurm\n");
  environment_.back().second = "/nowhere";
  EXPECT_EQ(slurm(kSweep).err, "cdc-sweep: there is no squeue in PATH: call this where jobs are submitted to Slurm, or leave out --executor slurm\n");
}

TEST_F(SlurmTest, AFolderThatCannotBeWrittenIsTold) {
  write_file(folder / "file", "");
  const ProcessResult r = slurm(kSweep, {"--dir", "file"});
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(r.err.find("file/cells"), std::string::npos) << r.err;
  EXPECT_EQ(calls(), "");
}

TEST_F(SlurmTest, TwoCallsDoNotSubmitAtOnce) {
  fs::create_directories(folder / "sweeps/s/slurm");
  const int fd = ::open((folder / "sweeps/s/slurm/submit.lock").c_str(), O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  EXPECT_EQ(slurm(kSweep).err, "cdc-sweep: another call submits this sweep just now (sweeps/s/slurm); call again when it has\n");
  ::close(fd);
}

TEST_F(SlurmTest, OptionsThatAreWrongAreTold) {
  const auto said = [&](const std::vector<std::string>& more) {
    const ProcessResult r = sweep(kSweep, more);
    EXPECT_EQ(r.code, 2) << r.out;
    return r.err;
  };
  EXPECT_EQ(said({"--executor", "local", "--wait"}), "cdc-sweep: --slurm and --wait go with --executor slurm; --help lists the options\n");
  EXPECT_NE(said({"--wait"}).find("--wait requires --executor"), std::string::npos);
  EXPECT_NE(said({"--executor", "pbs"}).find("pbs not in {local,slurm}"), std::string::npos);
  EXPECT_EQ(said({"--executor", "slurm", "--slurm", "gpu"}),
            "cdc-sweep: --slurm: 'gpu' is no option of sbatch, they begin with '-': \"--partition=gpu --time=4:00:00\"; --help lists the options\n");
  EXPECT_EQ(said({"--executor", "slurm", "--slurm", "--time=1 --array=1-2"}),
            "cdc-sweep: --slurm: '--array' is not for you to set: which tasks there are, and after which, is what the sweep says; --help lists the "
            "options\n");
  EXPECT_EQ(said({"--executor", "slurm", "--slurm", " "}),
            "cdc-sweep: --slurm: it is empty: name options of sbatch, or leave it out; --help lists the options\n");
  EXPECT_EQ(said({"--executor", "slurm", "--slurm", "--time=1\n--mem=1"}),
            "cdc-sweep: --slurm: options for sbatch stand in one line; --help lists the options\n");
}

TEST_F(SlurmTest, APlanThatIsWrongIsTold) {
  const auto said = [&](const std::string& file) {
    const ProcessResult r = run_process({binary_folder() / "bin/cdc-sweep", file, "--task", "nobody"}, folder, environment_, folder);
    EXPECT_EQ(r.code, 4);
    return r.err;
  };
  EXPECT_NE(said("none.json").find("none.json"), std::string::npos);
  write_file(folder / "bad.json", "{}");
  EXPECT_NE(said("bad.json").find("bad.json is no plan of tasks ("), std::string::npos);
  EXPECT_NE(said("bad.json").find("); cdc-sweep SWEEP.toml --executor slurm writes one\n"), std::string::npos);
  ASSERT_EQ(slurm(kSweep).code, 0);
  EXPECT_EQ(said("sweeps/s/slurm/1.json"), "cdc-sweep: there is no run 'nobody' in this plan; its \"cells\" names those there are\n");
}

}  // namespace
}  // namespace cdc::test
