// cdc-sweep --executor slurm as its user calls it, with made-up sbatch, squeue and scontrol that keep a queue in a file.
#include <sys/file.h>

#include "fake_slurm.hpp"

namespace cdc::test {
namespace {

using SlurmTest = FakeSlurm;

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
        "export CDC_PLUGIN_PATH='" + (folder / "some where").string() + "'", "#   sbatch " + slurm_folder + "/1-2.sh     all of them"})
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
  fs::permissions(folder / "slurm/squeue", fs::perms::owner_read);
  EXPECT_NE(slurm(kSweep).err.find("cdc-sweep: squeue could not be started: Permission denied"), std::string::npos);
  environment_.back().second = "/nowhere";
  EXPECT_EQ(slurm(kSweep).err, "cdc-sweep: there is no squeue in PATH: call this where jobs are submitted to Slurm, or leave out --executor slurm\n");
}

TEST_F(SlurmTest, AFolderThatCannotBeWrittenIsTold) {
  write_file(folder / "file", "");
  const ProcessResult r = slurm(kSweep, {"--dir", "file"});
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(r.err.find("cannot make the folder file: "), std::string::npos) << r.err;
  EXPECT_EQ(calls(), "");
}

TEST_F(SlurmTest, TwoCallsDoNotSubmitAtOnce) {
  fs::create_directories(folder / "sweeps/s/slurm");
  write_file(folder / "sweeps/s/sweep.json", "{\"sweep\": \"s\"}");
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

}  // namespace
}  // namespace cdc::test
