#include "artifact/run_files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "artifact/hash.hpp"
#include "cdc/error.hpp"
#include "support/files.hpp"

namespace cdc::test {
namespace {

namespace fs = std::filesystem;

class RunFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder);
    fs::create_directories(folder);
    record["pipeline"] = "p";
    record["threads"] = 2;
    summary["scores"]["kmeans"]["acc"] = 0.1234567890123456789;
    put("run.json", with_checksum(record));
    write_file(folder / "metrics.jsonl", kMetrics);
    put("summary.json", with_checksum(summary, hash_text(kMetrics)));
  }
  void TearDown() override { fs::remove_all(folder); }
  void put(const char* name, const Value& value) const { write_file(folder / name, value.to_json(2) + "\n"); }
  template <class Read>
  static std::string error_of(Read read) {
    try {
      read();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  std::string error_of_summary() const {
    return error_of([&] { read_run_summary(folder); });
  }

  static constexpr const char* kMetrics = "{\"stage\":\"a\",\"loss\":0.5}\n{\"stage\":\"a\",\"loss\":0.25}\n";
  const fs::path folder = fs::temp_directory_path() / ("cdc_run_files_" + std::to_string(::getpid()));
  Value record = Value::table(), summary = Value::table();
};

TEST_F(RunFilesTest, WhatWasWrittenIsRead) {
  EXPECT_EQ(read_run_record(folder).at("threads").as_integer(), 2);
  EXPECT_EQ(read_run_summary(folder).at("scores"), summary.at("scores"));
  ASSERT_EQ(read_run_metrics(folder).size(), 2u);
  EXPECT_EQ(read_run_metrics(folder)[1].at("loss").as_real(), 0.25);
  fs::remove(folder / "summary.json");
  EXPECT_TRUE(read_run_summary(folder).is_null());
}

TEST_F(RunFilesTest, NoFlippedBitOfASummaryPasses) {
  const std::string good = read_file(folder / "summary.json");
  int passed = 0;
  for (std::size_t i = 0; i < good.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = good;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      write_file(folder / "summary.json", damaged);
      const std::string error = error_of_summary();
      if (!error.empty()) {
        EXPECT_EQ(error.rfind((folder / "summary.json").string(), 0), 0u) << error;
        EXPECT_NE(error.find("it was damaged or edited after the run wrote it"), std::string::npos) << error;
        continue;
      }
      ++passed;  // another text of the same number
      EXPECT_EQ(read_run_summary(folder).at("scores"), summary.at("scores")) << "byte " << i << ", bit " << bit;
    }
  EXPECT_LT(passed, 20);
}

TEST_F(RunFilesTest, AChecksumThatWasTakenOutIsMissed) {
  put("summary.json", summary);
  EXPECT_NE(error_of_summary().find("summary.json has no checksum, though run.json has one"), std::string::npos) << error_of_summary();
  put("summary.json", with_checksum(summary));
  put("run.json", record);
  EXPECT_NE(error_of([&] { read_run_record(folder); }).find("run.json has no checksum, though summary.json has one"), std::string::npos);
  put("summary.json", summary);  // a run from before there were checksums
  EXPECT_EQ(error_of_summary(), "");
  EXPECT_EQ(read_run_record(folder).at("threads").as_integer(), 2);
  EXPECT_EQ(read_run_metrics(folder).size(), 2u);
}

TEST_F(RunFilesTest, MetricsAreCheckedByTheSummary) {
  std::string damaged = kMetrics;
  damaged[damaged.find("0.25") + 2] = '7';
  write_file(folder / "metrics.jsonl", damaged);
  EXPECT_NE(error_of([&] { read_run_metrics(folder); }).find("metrics.jsonl does not fit its checksum in summary.json"), std::string::npos);
  fs::remove(folder / "summary.json");  // at work: its last line may be half there
  write_file(folder / "metrics.jsonl", std::string(kMetrics) + "{\"stage\":");
  EXPECT_EQ(read_run_metrics(folder).size(), 2u);
  write_file(folder / "metrics.jsonl", std::string("{\"stage\":\n") + kMetrics);
  EXPECT_NE(error_of([&] { read_run_metrics(folder); }).find("metrics.jsonl is no JSON in line 1"), std::string::npos);
}

}  // namespace
}  // namespace cdc::test
