#include <cstdlib>
#include <fstream>
#include <sstream>

#include "e2e/small_pipeline.hpp"

namespace cdc::test {
namespace {

using KillTest = SmallPipeline;

/// What a checkpoint may hold beside weights: the clusters of the last look, the best epoch's weights.
const std::vector<std::string> kMore = {"stage.cdc.score_every=1", "stage.cdc.score_features=encoder", "stage.cdc.score_clusters=4",
                                        "stage.cdc.keep=most_confident"};

/// How often to kill; CDC_KILLS sets another number.
int kills() {
  const char* n = std::getenv("CDC_KILLS");
  return n != nullptr ? std::atoi(n) : 6;
}

TEST_F(KillTest, TheSameCommandAfterEachKillEndsWithTheSameSummary) {
  const auto start = std::chrono::steady_clock::now();
  const ProcessResult r = cdc_run(kMore);
  ASSERT_EQ(r.code, 0) << r.err;
  auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  const std::string expected = without_times(summary());
  const std::string metrics = read_file(folder_ / "runs" / "small" / "latest" / "metrics.jsonl");

  Random random(static_cast<std::uint64_t>(::getpid()));
  int killed = 0;
  for (int round = 0; killed < kills(); ++round) {
    ASSERT_LT(round, 10 * kills()) << "the runs end before they can be killed";
    cache_ = "cache" + std::to_string(round);
    fs::remove_all(folder_ / "runs");
    const int before = killed;
    // Kills one after the other until a run gets through.
    for (;;) {
      const auto started = std::chrono::steady_clock::now();
      Process p(command(kMore), folder_, environment_, folder_);
      const auto moment = static_cast<std::int64_t>(random.uniform(0.1, 1.1) * static_cast<double>(whole));
      if (killed < kills() && !p.ended_within(std::chrono::milliseconds(moment))) {
        p.signal(SIGKILL);
        p.wait();
        ++killed;
        if (fs::exists(folder_ / "runs" / "small" / "latest" / "summary.json")) break;  // it had ended all the same
        continue;
      }
      const ProcessResult last = p.wait();
      ASSERT_EQ(last.code, 0) << last.out << last.err;
      // The machine may have been slower before.
      whole = std::min(whole, std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count());
      break;
    }
    EXPECT_EQ(without_times(summary()), expected) << killed - before << " kills in a row";
    // Every epoch is there once, with the same loss.
    std::ifstream a(folder_ / "runs" / "small" / "latest" / "metrics.jsonl");
    std::istringstream b(metrics);
    std::string x, y;
    while (std::getline(b, y)) {
      ASSERT_TRUE(std::getline(a, x));
      const Value u = Value::from_json(x), v = Value::from_json(y);
      if (v.find("loss") != nullptr) {
        EXPECT_EQ(u.at("epoch"), v.at("epoch"));
        for (const char* key : {"loss", "confidence", "oracle"}) EXPECT_EQ(u.at(key), v.at(key)) << key;
      }
    }
    EXPECT_FALSE(std::getline(a, x)) << x;
  }
}

}  // namespace
}  // namespace cdc::test
