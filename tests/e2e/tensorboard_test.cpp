// --tensorboard of cdc-run and cdc-sweep: what is written is what the runs' own files say. TensorBoard itself reads it in tests/oracle.
#include <set>

#include "e2e/small_pipeline.hpp"
#include "support/events.hpp"
#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

class TensorBoardTest : public SmallPipeline {
 protected:
  fs::path latest() const { return folder_ / "runs/small/latest"; }
  static std::set<std::string> files_in(const fs::path& shown) {
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator(shown)) out.insert(entry.path().filename().string());
    for (const fs::path& file : event_files(shown)) out.erase(file.filename().string());
    return out;
  }
};

const std::vector<std::string> kShown = {"--tensorboard", "stage.cdc.score_every=1", "stage.cdc.score_features=encoder",
                                         "stage.cdc.score_clusters=4"};

TEST_F(TensorBoardTest, ScalarsAreThoseOfTheRunsFiles) {
  const ProcessResult r = cdc_run(kShown);
  ASSERT_EQ(r.code, 0) << r.err;
  const SeenEvents seen = seen_in(latest() / "tensorboard");
  EXPECT_EQ(seen.points, points_of_run(latest()));
  EXPECT_EQ(seen.points.at("cdc/loss").size(), 4u);
  EXPECT_EQ(seen.points.at("cdc/kmeans.oracle.acc").size(), 4u);
  EXPECT_EQ(seen.points.at("scores/kmeans/acc").size(), 1u);
  ASSERT_EQ(seen.pictures.size(), 3u);
  EXPECT_EQ(seen.pictures.at("samples/images").width, 8 * 28);
  EXPECT_EQ(seen.pictures.at("clusters/cdc").height, 4 * 28);
  EXPECT_EQ(seen.pictures.at("clusters/kmeans").width, 10 * 28);
  EXPECT_EQ(files_in(latest() / "tensorboard"),
            (std::set<std::string>{"features.features.bytes", "images.metadata.tsv", "images.sprite.png", "projector_config.pbtxt"}));
}

TEST_F(TensorBoardTest, KilledAndContinuedEveryPointIsThereOnce) {
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(cdc_run(kShown).code, 0);
  double whole = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const SeenEvents expected = seen_in(latest() / "tensorboard");
  Random random(static_cast<std::uint64_t>(::getpid()));
  int killed = 0;
  for (int round = 0; killed < 4; ++round) {
    ASSERT_LT(round, 40) << "the runs end before they can be killed";
    cache_ = "cache" + std::to_string(round);
    fs::remove_all(folder_ / "runs");
    for (bool through = false; !through;) {
      Process p(command(kShown), folder_, environment_, folder_);
      const auto started = std::chrono::steady_clock::now();
      const auto moment = static_cast<std::int64_t>(1000 * random.uniform(0.3, 1.0) * whole);
      if (killed < 4 && !p.ended_within(std::chrono::milliseconds(moment))) {
        p.signal(SIGKILL);
        p.wait();
        ++killed;
        through = fs::exists(latest() / "summary.json");  // it had ended all the same
        continue;
      }
      const ProcessResult last = p.wait();
      ASSERT_EQ(last.code, 0) << last.out << last.err;
      whole = std::min(whole, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());  // the machine was slower before
      through = true;
    }
    // Of all starts one file is not empty, and what it says is what the run's files say.
    const std::vector<fs::path> files = event_files(latest() / "tensorboard");
    for (std::size_t i = 0; i < files.size(); ++i) EXPECT_EQ(fs::file_size(files[i]) > 0, i + 1 == files.size()) << files[i];
    const SeenEvents seen = seen_in(latest() / "tensorboard");
    EXPECT_EQ(seen.points, points_of_run(latest()));
    for (const char* tag : {"cdc/loss", "cdc/kmeans.oracle.acc", "scores/kmeans/acc"}) EXPECT_EQ(seen.points.at(tag), expected.points.at(tag)) << tag;
    for (const auto& [tag, picture] : expected.pictures) EXPECT_EQ(seen.pictures.at(tag).png, picture.png) << tag;
  }
}

class TensorBoardSweepTest : public FakePipeline {};

TEST_F(TensorBoardSweepTest, EveryRunOfASweepWritesIt) {
  write_file(folder / "p.toml", kFakePipeline);
  const auto sweep = [&](const std::string& name, const std::string& axis) {
    write_file(folder / (name + ".toml"), "[sweep]\nbase = \"p.toml\"\n[axes]\nstage.kmeans.clusters = " + axis + "\n");
    return run_process({binary_folder() / "bin/cdc-sweep", name + ".toml", "--plugin", plugin().string(), "--tensorboard"}, folder,
                       {{"CDC_CACHE", "cache"}, {"CDC_PLUGIN_PATH", ""}}, folder);
  };
  const auto expect_runs = [&](const std::string& name, std::size_t count) {
    std::size_t runs = 0;
    for (const auto& cell : fs::directory_iterator(folder / "sweeps" / name / "cells")) {
      if (!cell.is_directory()) continue;
      ++runs;
      const SeenEvents seen = seen_in(cell.path() / "tensorboard");
      EXPECT_EQ(seen.points, points_of_run(cell.path())) << cell.path();
      EXPECT_EQ(seen.points.count("kmeans/value"), 1u);
      EXPECT_EQ(seen.pictures.size(), 3u);
      EXPECT_TRUE(fs::exists(cell.path() / "tensorboard/projector_config.pbtxt"));
    }
    EXPECT_EQ(runs, count);
  };
  const ProcessResult first = sweep("a", "[2, 3]");
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.out.find(": done in"), std::string::npos) << first.out;
  expect_runs("a", 2);
  // All of it is in the cache now: runs without a process of their own.
  const std::string before = trace_text();
  const ProcessResult second = sweep("b", "[3, 2]");
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_NE(second.out.find(": cached"), std::string::npos) << second.out;
  EXPECT_EQ(second.out.find(": done in"), std::string::npos) << second.out;
  EXPECT_EQ(trace_text(), before + "begin images\nend images\nbegin images\nend images\n");
  expect_runs("b", 2);
}

}  // namespace
}  // namespace cdc::test
