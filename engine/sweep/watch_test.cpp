#include "sweep/watch.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "support/files.hpp"

namespace cdc {
namespace {

TEST(EpochWatchTest, ACellIsJudgedByEpochsThatWereReadForAnothersSake) {
  Sweep sweep;
  sweep.stop.rule = EarlyStop::Rule::halving;
  sweep.stop.stage = "train";
  sweep.stop.score = "loss";
  sweep.stop.grace = 2;
  sweep.stop.factor = 2;
  SweepOptions options;
  options.folder = std::filesystem::temp_directory_path() / ("cdc_watch_" + std::to_string(::getpid()));
  const std::vector<EpochWatch::Run> runs{{"a", "x"}, {"b", "x"}, {"c", "x"}};
  for (const auto& [key, kind] : runs) {
    SweepCell cell;
    cell.id = key;
    sweep.cells.push_back(cell);
    std::filesystem::create_directories(cell_folder(options, cell));
    test::write_file(cell_folder(options, cell) / "run.json", "{\"key\":\"" + key + "\"}");
  }
  EpochWatch watch(sweep, runs, options);
  const auto report = [&](std::size_t cell, const std::string& losses) {
    test::write_file(cell_folder(options, sweep.cells[cell]) / "metrics.jsonl", losses);
  };
  report(0, "{\"stage\":\"train\",\"epoch\":1,\"loss\":3.0}\n{\"stage\":\"train\",\"epoch\":2,\"loss\":1.0}\n");
  report(1, "{\"stage\":\"train\",\"epoch\":1,\"loss\":3.0}\n{\"stage\":\"train\",\"epoch\":2,\"loss\":2.0}\n");
  report(2, "{\"stage\":\"train\",\"epoch\":1,\"loss\":3.0}\n");
  EXPECT_EQ(watch.reason_to_stop(0), "");  // the best; reads what the others have so far
  EXPECT_NE(watch.reason_to_stop(1), "");
  EXPECT_EQ(watch.reason_to_stop(2), "");  // has not got to epoch 2
  EXPECT_EQ(watch.reason_to_stop(1), "");  // nothing came since
  std::filesystem::remove_all(options.folder);
}

}  // namespace
}  // namespace cdc
