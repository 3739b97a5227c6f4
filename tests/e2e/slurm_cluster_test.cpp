// cdc-sweep --executor slurm on Slurm's own daemons, started for the test (slurm_cluster.sh).
#include <map>

#include "fake_sweep.hpp"

namespace cdc::test {
namespace {

class SlurmClusterTest : public FakeSweep {
 protected:
  void SetUp() override {
    FakeSweep::SetUp();
    fs::remove_all(slurm_);
    cluster_ = std::make_unique<Process>(std::vector<std::string>{source_folder() / "tests/e2e/slurm_cluster.sh", slurm_}, folder);
    while (!fs::exists(slurm_ / "ready"))
      if (cluster_->ended_within(std::chrono::milliseconds(20))) break;
    if (!fs::exists(slurm_ / "ready")) {
      const ProcessResult r = cluster_->wait();
      cluster_.reset();
      if (r.code == 77) GTEST_SKIP() << r.out;
      FAIL() << r.out << r.err;
    }
    environment_.emplace_back("SLURM_CONF", slurm_ / "slurm.conf");
  }
  void TearDown() override {
    if (cluster_) {
      call("scancel", {"--user=root"});
      cluster_->signal(SIGTERM);
      cluster_->wait();
    }
    if (!HasFailure()) fs::remove_all(slurm_);
    FakeSweep::TearDown();
  }

  ProcessResult call(const std::string& program, const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{"/usr/bin/env", program};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_process(all, folder, environment_, folder);
  }
  ProcessResult slurm(const std::string& asks, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--executor", "slurm"});
    return sweep(asks, more);
  }
  /// The tasks at work, JOB_INDEX.
  std::vector<std::string> running() const {
    std::vector<std::string> out;
    std::istringstream in(call("squeue", {"--noheader", "--array", "--states=RUNNING", "--format=%F_%K"}).out);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  /// What the tasks of all jobs printed.
  std::string said() const {
    std::string out;
    for (const auto& entry : fs::directory_iterator(folder / "sweeps/s/slurm"))
      if (entry.path().extension() == ".out") out += read_file(entry.path());
    return out;
  }
  /// Long enough for any machine: only what never comes is missed.
  template <class Condition>
  bool reaches(Condition condition) {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(20); !condition();
         std::this_thread::sleep_for(std::chrono::milliseconds(50)))
      if (std::chrono::steady_clock::now() > end) return false;
    return true;
  }

 private:
  fs::path slurm_ = fs::temp_directory_path() / ("cdc_slurm_" + std::to_string(::getpid()));
  std::unique_ptr<Process> cluster_;
};

TEST_F(SlurmClusterTest, TasksKilledAndSubmittedAgainEveryRunIsDoneOnceAndTheTableIsTheLocalOne) {
  const std::string asks =
      "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\n[axes]\nstage.kmeans.clusters = [2, 3, 4]\n[set]\nstage.kmeans.steps = 6\nstage.kmeans.ms = 400\n"
      "stage.images.samples = 50\n";
  const ProcessResult submitted = slurm(asks, {"--jobs", "3", "--slurm", "--time=10 --comment='a \"comment\"'"});
  ASSERT_EQ(submitted.code, 0) << submitted.err;
  EXPECT_EQ(lines_with(submitted.out, "submitted "), 3) << submitted.out;
  EXPECT_NE(call("squeue", {"--noheader", "--format=%k %i"}).out.find("a \"comment\" "), std::string::npos);
  // What the first computes is needed by all: nothing else is at work meanwhile.
  ASSERT_TRUE(reaches([&] { return began("kmeans") >= 1; })) << trace_text();
  EXPECT_EQ(running().size(), 1u);
  EXPECT_EQ(began("kmeans"), 1);
  ASSERT_TRUE(reaches([&] { return began("kmeans") >= 3 && running().size() >= 2 && checkpoints() >= 2; })) << trace_text();
  std::this_thread::sleep_for(std::chrono::milliseconds(900));  // should one have been the checkpoint of 'other', which goes now
  const std::vector<std::string> at_work = running();
  ASSERT_GE(at_work.size(), 2u);
  // One as at a time limit or preemption, to the batch program alone; one as scancel does it, to all of the task's processes.
  EXPECT_EQ(call("scancel", {"--signal=TERM", "--batch", at_work[0]}).code, 0);
  EXPECT_EQ(call("scancel", {at_work[1]}).code, 0);
  ASSERT_TRUE(reaches([&] { return lines_with(said(), ": stopped; a later task goes on") == 2; })) << said();

  const ProcessResult rest = slurm(asks, {"--jobs", "3", "--wait"});
  EXPECT_EQ(rest.code, 0) << rest.out << rest.err << said();
  EXPECT_EQ(lines_with(trace_text(), "resume kmeans"), 2) << trace_text();
  EXPECT_EQ(began("features"), 1);
  std::map<std::string, int> done;
  std::istringstream lines(said());
  for (std::string line; std::getline(lines, line);)
    if (line.find(": done in ") != std::string::npos) ++done[line.substr(0, line.find(": "))];
  EXPECT_EQ(done.size(), 6u) << said();
  for (const auto& [cell, times] : done) EXPECT_EQ(times, 1) << cell;
  EXPECT_EQ(lines_with(slurm(asks).out, "submitted"), 0);

  const std::string table = read("table.csv"), cells = read("cells.csv");
  fs::remove_all(folder / "sweeps");
  fs::remove_all(folder / "cache");
  ASSERT_EQ(sweep(asks, {"--jobs", "4"}).code, 0);
  EXPECT_EQ(read("table.csv"), table);
  EXPECT_EQ(read("cells.csv"), cells);
}

TEST_F(SlurmClusterTest, AFolderMayHaveAnyNameAndSlurmsWordsAreQuoted) {
  const std::string asks = "[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[variants.\"it's\"]\nstage.images.samples = 12\n";
  const ProcessResult refused = slurm(asks, {"--slurm", "--partition=gpu"});
  EXPECT_EQ(refused.code, 4);
  EXPECT_NE(refused.err.find("cdc-sweep: sbatch refused "), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("invalid partition specified: gpu"), std::string::npos) << refused.err;
  const ProcessResult r = slurm(asks, {"--wait", "--dir", "100% of \"it's\""});
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_TRUE(fs::exists(folder / "100% of \"it's\"/slurm/1-1-0.out"));
  EXPECT_NE(r.out.find("[1/1] it_s,seed=0-"), std::string::npos) << r.out;
}

}  // namespace
}  // namespace cdc::test
