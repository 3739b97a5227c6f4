// Processes: killed at any moment, stopped, two at once.
#include <csignal>

#include "cdc/random.hpp"
#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

class ResumeTest : public FakePipeline {
 protected:
  void SetUp() override {
    FakePipeline::SetUp();
    write_file(folder / "p.toml", text);
  }
  std::vector<std::string> command(const std::string& place, const std::vector<std::string>& overrides) const {
    std::vector<std::string> all = {(binary_folder() / "tests/run_stages").string(), plugin().string(), (folder / "p.toml").string(),
                                    (folder / place / "cache").string(), (folder / place / "runs").string()};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return all;
  }
  std::string summary(const std::string& place) const { return without_times(read_file(folder / place / "runs/p/latest/summary.json")); }
};

TEST_F(ResumeTest, KilledAtAnyMomentTheSummaryIsTheSame) {
  const std::vector<std::string> slow = {"stage.kmeans.ms=15", "stage.other.ms=10", "stage.features.ms=20"};
  fs::create_directories(folder / "whole");
  const auto start = std::chrono::steady_clock::now();
  const ProcessResult whole = run_process(command("whole", slow), folder);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_EQ(whole.code, 0) << whole.out;
  const std::string expected = summary("whole");
  const std::string metrics = read_file(folder / "whole/runs/p/latest/metrics.jsonl");
  Random random(static_cast<std::uint64_t>(::getpid()));
  int killed = 0, continued = 0;
  for (int round = 0; killed < 20 && round < 60; ++round) {
    const std::string place = "round" + std::to_string(round);
    for (;;) {
      Process process(command(place, slow), folder);
      // In every other round soon after the run has begun: on a busy machine, or under a sanitizer, starting takes most of the time.
      const bool soon = round % 2 == 1;
      while (soon && !fs::exists(folder / place / "runs/p/latest") && !process.ended_within(std::chrono::milliseconds(1))) {
      }
      const double moment = soon ? random.uniform(0, 50) : 1000 * seconds * random.uniform(0.05, 0.9);
      if (process.ended_within(std::chrono::milliseconds(static_cast<int>(moment)))) {
        const ProcessResult last = process.wait();
        ASSERT_EQ(last.code, 0) << last.out;
        continued += last.out.find("continuing the run") != std::string::npos ? 1 : 0;
        break;
      }
      process.signal(SIGKILL);
      process.wait();
      ++killed;
      if (fs::exists(folder / place / "runs/p/latest/summary.json")) break;  // it had ended; a further start would be a run of its own
      if (random.uniform() < 0.5) continue;                                  // kills in a row, or let it through
      const ProcessResult last = run_process(command(place, slow), folder);
      ASSERT_EQ(last.code, 0) << last.out;
      continued += last.out.find("continuing the run") != std::string::npos ? 1 : 0;
      break;
    }
    EXPECT_EQ(summary(place), expected) << "round " << round;
    EXPECT_EQ(read_file(folder / place / "runs/p/latest/metrics.jsonl"), metrics);
    EXPECT_TRUE(fs::is_empty(folder / place / "cache/tmp"));
    EXPECT_TRUE(fs::is_empty(folder / place / "cache/checkpoints"));
  }
  EXPECT_GE(killed, 20);
  EXPECT_GT(continued, 0);
}

TEST_F(ResumeTest, KilledBetweenTwoStagesWhatWasCachedAtTheStartIsStillSaid) {
  ASSERT_EQ(run_process(command("a", {}), folder).code, 0);
  ASSERT_EQ(run_process(command("b", {}), folder).code, 0);
  const std::vector<std::string> change = {"stage.other.steps=7", "stage.other.ms=500"};
  ASSERT_EQ(run_process(command("a", change), folder).code, 0);
  {
    Process process(command("b", change), folder);
    ASSERT_TRUE(process.reaches([&] { return checkpoints("b/cache") > 0; }));
    process.signal(SIGKILL);
    ASSERT_EQ(process.wait().code, 128 + SIGKILL);
  }
  const ProcessResult last = run_process(command("b", change), folder);
  ASSERT_EQ(last.code, 0) << last.out;
  EXPECT_NE(last.out.find("continuing the run in "), std::string::npos) << last.out;
  EXPECT_NE(last.out.find("info other goes on from step "), std::string::npos) << last.out;
  EXPECT_EQ(summary("b"), summary("a"));
  // The seconds that its checkpoint tells of count.
  const Value stages = Value::from_json(read_file(folder / "b/runs/p/latest/summary.json")).at("stages");
  EXPECT_GE(stages.at("other").at("seconds").as_real(), 1000);
  EXPECT_LT(stages.at("features").at("seconds").as_real(), 1000);
}

TEST_F(ResumeTest, ATerminatedRunSaysThatItGoesOn) {
  {
    Process process(command("a", {"stage.other.ms=20000"}), folder);
    ASSERT_TRUE(process.reaches([&] { return trace_text().find("begin other") != std::string::npos; }));
    process.signal(SIGTERM);
    const ProcessResult r = process.wait();
    EXPECT_EQ(r.code, 5) << r.out;
    EXPECT_NE(r.out.find("stopped stopped; the same command goes on where it stopped"), std::string::npos) << r.out;
  }
  EXPECT_EQ(run_process(command("a", {}), folder).code, 0);
}

TEST_F(ResumeTest, OfTwoAtOnceOneComputesAndTheOtherWaits) {
  const std::vector<std::string> slow = {"stage.kmeans.ms=150", "stage.other.ms=150", "stage.features.ms=3000"};
  Process one(command("a", slow), folder), two(command("a", slow), folder);
  const ProcessResult a = one.wait(), b = two.wait();
  ASSERT_EQ(a.code, 0) << a.out;
  ASSERT_EQ(b.code, 0) << b.out;
  const std::vector<std::string> lines = trace();
  for (const char* stage : {"features", "kmeans", "other", "scores"})
    EXPECT_EQ(std::count(lines.begin(), lines.end(), std::string("begin ") + stage), 1) << stage;
  EXPECT_NE((a.out + b.out).find("another run computes the same result; waiting for it"), std::string::npos) << a.out << b.out;
  // Two runs, two directories, one result.
  std::vector<std::string> summaries;
  for (const auto& entry : fs::directory_iterator(folder / "a/runs/p"))
    if (!entry.is_symlink()) summaries.push_back(without_times(read_file(entry.path() / "summary.json")));
  ASSERT_EQ(summaries.size(), 2u);
  EXPECT_EQ(summaries[0], summaries[1]);
}

}  // namespace
}  // namespace cdc::test
