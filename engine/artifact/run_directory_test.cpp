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
    run["command_line"] = "cdc-run p.toml";
    run["threads"] = 3;
    return run;
  }
  static RunDirectory::Request without_file(RunDirectory::Request all) {
    all.file.clear();
    return all;
  }
  std::string error_of_start() const {
    try {
      const RunDirectory run(request);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
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

TEST_F(RunDirectoryTest, AFolderWithSomebodysFilesIsRefusedAndLeftAsItIs) {
  for (const char* name :
       {"log.txt", "summary.json", "metrics.jsonl", "pipeline.toml", "run.json", "train.model.safetensors", "thesis.tex", ".hidden"}) {
    request.directory = folder / "mine";
    fs::remove_all(request.directory);
    fs::create_directories(request.directory);
    write_file(request.directory / name, "{\"mine\": 1}");
    EXPECT_EQ(error_of_start(),
              request.directory.string() + " holds '" + name +
                  "', which is not of a run: a run there could overwrite it; give --run-dir a folder of its own: a new or empty one, "
                  "or that of an earlier run");
    EXPECT_EQ(read_file(request.directory / name), "{\"mine\": 1}");
    EXPECT_EQ(std::distance(fs::directory_iterator(request.directory), {}), 1) << name;
  }
}

TEST_F(RunDirectoryTest, AnEarlierRunsFolderIsReplacedBesideWhatElseIsThere) {
  request.directory = folder / "mine";
  {
    RunDirectory run(request);
    run.record(record("key"));
    run.summary(Value::table());
    run.log(RunDirectory::Level::info, "first");
  }
  write_file(request.directory / "notes.md", "what I saw");
  {
    RunDirectory run(request);
    EXPECT_TRUE(run.replaces());
    run.log(RunDirectory::Level::info, "second");
  }
  EXPECT_EQ(read_file(request.directory / "notes.md"), "what I saw");
  // Killed before its record was written, and with a damaged one, it is a run's folder too.
  { const RunDirectory run(request); }
  { RunDirectory(request).log(RunDirectory::Level::info, "third"); }
  write_file(request.directory / "run.json", "{");
  { const RunDirectory run(request); }
  fs::remove(request.directory / "log.txt");
  fs::create_directory(request.directory / "log.txt");
  EXPECT_EQ(error_of_start(),
            request.directory.string() +
                " holds 'log.txt', which is no file: a run would write it; give --run-dir a folder of its own: a new or empty one, or "
                "that of an earlier run");
}

TEST_F(RunDirectoryTest, WeightsAndPageOfTheRunThatIsReplacedGoAndOthersStay) {
  request.directory = folder / "mine";
  {
    RunDirectory run(request);
    Value all = record("key");
    all["stages"]["train"] = Value::table();
    run.record(all);
    write_file(request.directory / "train.model.safetensors", "weights");
    write_file(request.directory / "mine.model.safetensors", "somebody's");
    write_file(request.directory / "report.html", "<html><head><meta name=\"generator\" content=\"cdc-report\">");
  }
  { const RunDirectory goes_on(request); }
  EXPECT_TRUE(fs::exists(request.directory / "train.model.safetensors"));
  EXPECT_TRUE(fs::exists(request.directory / "report.html"));
  request.key = "another";
  { const RunDirectory replaced(request); }
  EXPECT_FALSE(fs::exists(request.directory / "train.model.safetensors"));
  EXPECT_FALSE(fs::exists(request.directory / "report.html"));
  EXPECT_TRUE(fs::exists(request.directory / "mine.model.safetensors"));

  write_file(request.directory / "report.html", "<html>mine</html>");
  request.key = "a third";
  { const RunDirectory replaced(request); }
  EXPECT_TRUE(fs::exists(request.directory / "report.html"));
}

TEST_F(RunDirectoryTest, ThePipelineThatIsRunIsNotOverwritten) {
  request.directory = folder / "mine";
  request.resolved = "[pipeline]\nname = \"p\"\n";
  request.file = request.directory / "pipeline.toml";
  {
    RunDirectory run(without_file(request));
    run.record(record("key"));
    run.pipeline("pipeline.toml", request.resolved);
  }
  { const RunDirectory goes_on(request); }
  write_file(request.file, "# a remark\n" + request.resolved);
  EXPECT_EQ(error_of_start(),
            request.directory.string() +
                " is where the pipeline itself is: the run would overwrite it as it resolves it, without comments and with the changes "
                "of this command; give --run-dir a folder of its own: a new or empty one, or that of an earlier run");
  EXPECT_EQ(read_file(request.file), "# a remark\n" + request.resolved);
}

TEST_F(RunDirectoryTest, TheLinkToTheLatestReplacesNothingButItself) {
  fs::create_directories(folder / "p");
  write_file(folder / "p/latest", "mine");
  EXPECT_EQ(error_of_start(),
            "cannot make the link " + (folder / "p/latest").string() + ": something else is there; move it away, or give --run-dir");
  EXPECT_EQ(read_file(folder / "p/latest"), "mine");
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
