#include "artifact/run_directory.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "artifact/array_file.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

class RunDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("cdc_runs_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    request.runs = folder;
    request.pipeline = "p";
    request.key = "key";
  }
  void TearDown() override { fs::remove_all(folder); }
  static Value record(const std::string& key) {
    Value run = Value::table();
    run["key"] = key;
    run["threads"] = 3;
    return run;
  }
  fs::path folder;
  RunDirectory::Request request;
};

TEST_F(RunDirectoryTest, EachRunHasItsOwnAndLatestPointsAtTheLast) {
  fs::path first;
  {
    const RunDirectory run(request);
    first = run.path();
    EXPECT_TRUE(run.earlier().is_null());
  }
  const RunDirectory run(request);
  EXPECT_NE(run.path(), first);
  EXPECT_EQ(fs::read_symlink(folder / "p" / "latest"), run.path().filename());
}

TEST_F(RunDirectoryTest, ARunThatDidNotEndIsContinued) {
  fs::path first;
  {
    RunDirectory run(request);
    first = run.path();
    run.record(record("key"));
    run.log(RunDirectory::Level::info, "first start");
    std::ofstream(first / ".run.json.tmp-1-1") << "half";
  }
  RunDirectory run(request);
  EXPECT_EQ(fs::canonical(run.path()), fs::canonical(first));
  EXPECT_EQ(run.earlier().at("threads").as_integer(), 3);
  EXPECT_FALSE(fs::exists(first / ".run.json.tmp-1-1"));
  run.log(RunDirectory::Level::warning, "second start");
  const std::string log = read_file(first / "log.txt");
  EXPECT_NE(log.find("info first start"), std::string::npos);
  EXPECT_NE(log.find("warning second start"), std::string::npos);
}

TEST_F(RunDirectoryTest, WhatEndedOrDiffersOrIsAtWorkIsNotContinued) {
  fs::path first;
  {
    RunDirectory run(request);
    first = run.path();
    run.record(record("key"));
    const RunDirectory beside(request);  // the first is at work
    EXPECT_NE(beside.path(), first);
  }
  fs::remove(folder / "p" / "latest");
  fs::create_symlink(first.filename(), folder / "p" / "latest");
  {
    RunDirectory::Request fresh = request;
    fresh.fresh = true;
    EXPECT_TRUE(RunDirectory(fresh).earlier().is_null());
  }
  fs::remove(folder / "p" / "latest");
  fs::create_symlink(first.filename(), folder / "p" / "latest");
  {
    RunDirectory::Request other = request;
    other.key = "other";
    EXPECT_TRUE(RunDirectory(other).earlier().is_null());
  }
  fs::remove(folder / "p" / "latest");
  fs::create_symlink(first.filename(), folder / "p" / "latest");
  {
    RunDirectory again(request);
    ASSERT_FALSE(again.earlier().is_null());
    again.summary(Value::table());
  }
  const RunDirectory last(request);
  EXPECT_TRUE(last.earlier().is_null());
  EXPECT_NE(fs::canonical(last.path()), fs::canonical(first));
}

TEST_F(RunDirectoryTest, ANamedFolderIsUsedAndReplaced) {
  request.directory = folder / "mine" / "deep";
  {
    RunDirectory run(request);
    EXPECT_EQ(run.path(), request.directory);
    run.record(record("key"));
    run.summary(Value::table());
    try {
      const RunDirectory beside(request);
      ADD_FAILURE() << "two runs in one folder";
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()), "another run is at work in " + request.directory.string() + "; wait for it, or give another --run-dir");
    }
  }
  const RunDirectory run(request);
  EXPECT_TRUE(run.earlier().is_null());
  EXPECT_FALSE(fs::exists(request.directory / "summary.json"));
}

TEST_F(RunDirectoryTest, AFolderThatCannotBeMadeIsNamed) {
  fs::create_directories(folder);
  std::ofstream(folder / "file") << "x";
  request.directory = folder / "file" / "run";
  try {
    const RunDirectory run(request);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).rfind("cannot make the folder " + request.directory.string() + ": Not a directory", 0), 0u) << e.what();
  }
}

TEST_F(RunDirectoryTest, MetricsAreLinesAndAStagesCanBeReplaced) {
  RunDirectory run(request);
  run.stages({"train", "kmeans"});
  const auto line = [](int epoch) {
    Value v = Value::table();
    v["epoch"] = epoch;
    return v;
  };
  run.metric("kmeans", line(0));
  run.metric("train", line(0));
  run.metric("train", line(1));
  const fs::path file = run.path() / "metrics.jsonl";
  EXPECT_EQ(read_file(file), "{\"stage\":\"kmeans\",\"epoch\":0}\n{\"stage\":\"train\",\"epoch\":0}\n{\"stage\":\"train\",\"epoch\":1}\n");
  run.metrics("train", {line(7)});
  EXPECT_EQ(read_file(file), "{\"stage\":\"train\",\"epoch\":7}\n{\"stage\":\"kmeans\",\"epoch\":0}\n");
  run.metric("train", line(8));
  run.finish_metrics();
  EXPECT_EQ(read_file(file), "{\"stage\":\"train\",\"epoch\":7}\n{\"stage\":\"train\",\"epoch\":8}\n{\"stage\":\"kmeans\",\"epoch\":0}\n");
  ASSERT_EQ(run.metrics_of("train").size(), 2u);
  EXPECT_EQ(run.metrics_of("train")[1], line(8));
}

TEST_F(RunDirectoryTest, WeightsAreKept) {
  RunDirectory run(request);
  Value header = Value::table();
  header["header"] = Value::table();
  const float number = 1.5F;
  ArrayFileWriter model(folder / "model.h5", "model");
  model.header(header);
  model.write({"encoder.weight", ElementType::float32, {1}}, &number);
  model.commit();
  run.weights(folder / "model.h5", "train.model");
  fs::remove(folder / "model.h5");
  EXPECT_NE(read_file(run.path() / "train.model.safetensors").find("encoder.weight"), std::string::npos);
}

}  // namespace
}  // namespace cdc
