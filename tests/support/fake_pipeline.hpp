#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cdc/error.hpp"
#include "exec/runner.hpp"
#include "graph/planner.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

namespace cdc::test {

namespace fs = std::filesystem;

inline constexpr const char* kFakePipeline = R"([pipeline]
name = "p"
seed = 7
[stage.images]
plugin = "fake.data"
samples = 10
[stage.features]
plugin = "fake.features"
in.data = "images"
scale = 2.0
part = { plugin = "fake.part", rate = 0.5 }
[stage.kmeans]
plugin = "fake.cluster"
in.features = "features"
clusters = 2
[stage.other]
plugin = "fake.cluster"
in.features = "features"
clusters = 2
steps = 5
[stage.scores]
plugin = "fake.score"
in.prediction = ["kmeans", "other"]
in.data = "images"
)";

/// What an observer hears, one line each.
class Listener final : public RunObserver {
 public:
  std::vector<std::string> infos, warnings, began, cached, ended;
  std::map<std::string, std::string> why;
  void info(const std::string& stage, const std::string& text) override { infos.push_back(stage + ": " + text); }
  void warn(const std::string& stage, const std::string& text) override { warnings.push_back(stage + ": " + text); }
  void stage_begins(const std::string& stage, const std::string&, const std::string& reason) override {
    began.push_back(stage);
    why[stage] = reason;
  }
  void stage_cached(const std::string& stage, const std::string&) override { cached.push_back(stage); }
  void stage_ends(const std::string& stage, double) override { ended.push_back(stage); }
  void progress(const std::string&, const Progress&) override {}
  bool heard(const std::string& text) const {
    for (const auto* all : {&infos, &warnings})
      for (const std::string& line : *all)
        if (line.find(text) != std::string::npos) return true;
    return false;
  }
};

/// A folder with the fake pipeline, its cache and runs.
class FakePipeline : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder = fs::temp_directory_path() / (std::string("cdc_") + info->test_suite_name() + "_" + info->name() + "_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::create_directories(folder);
    ::setenv("CDC_FAKE_TRACE", (folder / "trace").c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("CDC_FAKE_TRACE");
    fs::remove_all(folder);
  }

  static fs::path plugin() { return binary_folder() / "tests/fake_plugins/fake_stages.so"; }
  static const Registry& registry() {
    static const Registry& all = *[] {
      auto* r = new Registry;
      r->load_library(plugin());
      return r;
    }();
    return all;
  }
  Plan plan(const std::vector<std::string>& overrides = {}) const { return plan_text(text, "p.toml", overrides, registry()); }
  RunOptions options(Listener& hears) const {
    RunOptions o;
    o.cache = folder / "cache";
    o.runs = folder / "runs";
    o.threads = threads;
    o.observer = &hears;
    return o;
  }
  /// Runs; what was heard stays in `listener`.
  RunResult run(const std::vector<std::string>& overrides = {}) {
    listener = Listener();
    return run_pipeline(plan(overrides), registry(), options(listener));
  }
  std::string error_of_run(const std::vector<std::string>& overrides = {}) {
    try {
      run(overrides);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  std::map<std::string, std::string> status(const std::vector<std::string>& overrides = {}) {
    std::map<std::string, std::string> all;
    for (const StageStatus& s : stage_status(plan(overrides), registry(), options(listener))) all[s.name] = s.cached ? "cached" : s.why;
    return all;
  }
  /// What the stages did so far; "" before the first of them.
  std::string trace_text() const { return fs::exists(folder / "trace") ? read_file(folder / "trace") : ""; }
  std::vector<std::string> trace() const {
    std::istringstream in(trace_text());
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  /// Whole checkpoints in a cache: what a stage that is stopped now would go on from.
  int checkpoints(const std::string& cache = "cache") const {
    int n = 0;
    std::error_code gone;
    for (fs::directory_iterator it(folder / cache / "checkpoints", gone), end; !gone && it != end; it.increment(gone))
      n += it->path().extension() == ".h5" ? 1 : 0;
    return n;
  }
  static std::vector<std::string> sorted(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    return names;
  }
  fs::path latest() const { return folder / "runs/p/latest"; }
  /// A summary without the lines of time that its documentation names, and the checksum that follows them.
  static std::string without_times(const std::string& summary) {
    std::istringstream in(summary);
    std::string out;
    for (std::string line; std::getline(in, line);)
      if (line.find("\"seconds\":") == std::string::npos && line.find("\"started\":") == std::string::npos &&
          line.find("\"finished\":") == std::string::npos && line.find("\"self\":") == std::string::npos)
        out += line + "\n";
    return out;
  }
  /// The files of cached results that hold `port`.
  std::vector<fs::path> cached_files(const std::string& name) const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder / "cache"))
      if (entry.path().filename() == name) all.push_back(entry.path());
    return all;
  }

  fs::path folder;
  std::string text = kFakePipeline;
  int threads = 2;
  Listener listener;
};

}  // namespace cdc::test
