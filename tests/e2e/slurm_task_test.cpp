// Tasks of cdc-sweep --executor slurm, called as Slurm does: what a batch script runs, and when it does not.
#include <sys/file.h>

#include "fake_slurm.hpp"

namespace cdc::test {
namespace {

using SlurmTaskTest = FakeSlurm;

TEST_F(SlurmTaskTest, ATaskRunsWhatWasSubmittedOrNothing) {
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

TEST_F(SlurmTaskTest, ARunThatAnotherProcessIsAtIsLeftToIt) {
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

TEST_F(SlurmTaskTest, ARunThatFailsIsToldAndTriedAgain) {
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

TEST_F(SlurmTaskTest, ARunOfOtherDataThanPlannedIsNotTakenForIt) {
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

TEST_F(SlurmTaskTest, ATaskThatIsToldToStopSavesWhatItHas) {
  const std::string asks = "[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[set]\nstage.kmeans.steps = 20\nstage.kmeans.ms = 500\n";
  ASSERT_EQ(slurm(asks).code, 0);
  const std::string line = queue()[0];
  auto environment = environment_;
  environment.emplace_back("SLURM_ARRAY_TASK_ID", "0");
  Process task({"/bin/bash", line.substr(line.rfind('|') + 1)}, folder, environment, folder);
  ASSERT_TRUE(task.reaches([&] { return began("kmeans") > 0 && checkpoints() > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(700));  // should that have been the checkpoint of 'other', which goes now
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

TEST_F(SlurmTaskTest, ATaskEndsEarlyWhatTheRuleGivesUp) {
  // The values are random numbers of the seed: the first two of seed 0 are larger than those of seed 1.
  const std::string asks =
      "[sweep]\nbase = \"p.toml\"\nstop = { rule = \"halving\", stage = \"kmeans\", score = \"value\", goal = \"least\", grace = 2, factor = 2 }\n"
      "[set]\nstage.kmeans.steps = 20\n[variants.good]\npipeline.seed = 1\n[variants.bad]\npipeline.seed = 0\nstage.kmeans.ms = 500\n";
  ASSERT_EQ(slurm(asks).code, 0);
  const std::string out = run_queue();
  EXPECT_EQ(lines_with(out, "good-"), 1) << out;
  EXPECT_EQ(lines_with(out, ": done in "), 1) << out;
  EXPECT_NE(out.find(": stopped early: after epoch 2 its best value is 0.6581; of 2 runs one in 2 goes on, from "), std::string::npos) << out;
  EXPECT_LT(lines_with(read_file(folder / "sweeps/s/cells" / ids()[0] / "metrics.jsonl"), "\"stage\":\"kmeans\""), 20);
  const ProcessResult after = slurm(asks);
  EXPECT_NE(after.out.find("; 1 stopped early"), std::string::npos) << after.out;
}

TEST_F(SlurmTaskTest, APlanThatIsWrongIsTold) {
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
