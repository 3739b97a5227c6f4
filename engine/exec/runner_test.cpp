#include "exec/runner.hpp"

#include "artifact/cache.hpp"
#include "cdc/artifact.hpp"
#include "config/diagnostic.hpp"
#include "exec/identity.hpp"
#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

using Names = std::vector<std::string>;

class RunnerTest : public FakePipeline {};

TEST_F(RunnerTest, StagesRunAfterWhatTheyRead) {
  for (const int n : {1, 2, 8}) {
    threads = n;
    fs::remove_all(folder / "cache");
    fs::remove(folder / "trace");
    run();
    EXPECT_EQ(sorted(listener.began), (Names{"features", "images", "kmeans", "other", "scores"}));
    const Names lines = trace();
    const auto at = [&](const std::string& line) { return std::find(lines.begin(), lines.end(), line) - lines.begin(); };
    EXPECT_EQ(lines.size(), 10u);
    EXPECT_LT(at("end images"), at("begin features"));
    EXPECT_LT(at("end features"), at("begin kmeans"));
    EXPECT_LT(at("end features"), at("begin other"));
    EXPECT_LT(at("end kmeans"), at("begin scores"));
    EXPECT_LT(at("end other"), at("begin scores"));
  }
}

TEST_F(RunnerTest, WhatADataSetHoldsIsTold) {
  const RunResult result = run();
  EXPECT_TRUE(listener.heard("images: 10 images (train 10), 2 classes"));
  const Value& told = result.summary.at("stages").at("images");
  EXPECT_EQ(told.at("images").as_integer(), 10);
  EXPECT_EQ(told.at("classes").as_integer(), 2);
  EXPECT_EQ(told.at("splits").at("train").as_integer(), 10);
}

TEST_F(RunnerTest, ResultsSayWhichSamplesTheyAreOf) {
  const auto collection = [&] {
    const RunResult result = run({"stage.images.path=" + (folder / "names").string()});
    const Value& stages = result.summary.at("stages");
    Cache cache(folder / "cache");
    const auto read = [&](const char* stage, const char* port, PortType type) {
      return cache.read(stages.at(stage).at("key").as_string(), port, type);
    };
    const std::string of_features = std::static_pointer_cast<const Features>(read("features", "features", PortType::features))->collection;
    const std::string of_clusters = std::static_pointer_cast<const Assignment>(read("kmeans", "assignment", PortType::assignment))->collection;
    EXPECT_EQ(of_clusters, of_features);
    return of_clusters;
  };
  write_file(folder / "names", "one/");
  const std::string first = collection();
  EXPECT_EQ(first.find("10 images, 0 to 9 ("), 0u) << first;
  write_file(folder / "names", "another/folder/");
  EXPECT_EQ(collection(), first) << "it does not count where they lie";
  write_file(folder / "names", "x");
  const std::string other = collection();
  EXPECT_EQ(other.find("10 images, x0 to x9 ("), 0u) << other;
  EXPECT_TRUE(same_collection(first, first));
  EXPECT_TRUE(same_collection(first, ""));
  EXPECT_FALSE(same_collection(first, other));
}

TEST_F(RunnerTest, IndependentStagesRunAtTheSameTime) {
  text = R"([pipeline]
name = "p"
[stage.images]
plugin = "fake.data"
[stage.a]
plugin = "fake.meeting"
in.data = "images"
guest = "a"
[stage.b]
plugin = "fake.meeting"
in.data = "images"
guest = "b"
)";
  EXPECT_EQ(error_of_run(), "");  // each waits for the other
}

TEST_F(RunnerTest, StagesWithAGraphRunOneAtATime) {
  text = R"([pipeline]
name = "p"
[stage.images]
plugin = "fake.data"
)";
  for (const char* name : {"a", "b", "c"}) text += std::string("[stage.") + name + "]\nplugin = \"fake.graph\"\nin.data = \"images\"\n";
  Plan p = plan();
  for (PlannedStage& stage : p.stages)
    if (stage.info->id == "fake.graph") stage.graph = std::make_shared<PlannedGraph>();
  RunOptions o = options(listener);
  o.threads = 4;
  run_pipeline(p, registry(), o);
  EXPECT_EQ(trace(), (Names{"begin images", "end images", "begin a", "end a", "begin b", "end b", "begin c", "end c"}));
}

TEST_F(RunnerTest, ASecondRunTakesEverythingFromTheCache) {
  const RunResult first = run();
  EXPECT_EQ(first.summary.at("stages").at("images").at("samples").as_integer(), 10);
  fs::remove(folder / "trace");
  const RunResult second = run();
  EXPECT_EQ(trace(), Names{});  // not even the data set is opened
  EXPECT_EQ(listener.cached, (Names{"features", "kmeans", "other", "scores"}));
  EXPECT_NE(second.directory, first.directory);
  EXPECT_EQ(second.summary.at("scores"), first.summary.at("scores"));
  EXPECT_TRUE(second.summary.at("stages").at("kmeans").at("cached").as_boolean());
  EXPECT_FALSE(first.summary.at("stages").at("kmeans").at("cached").as_boolean());
  EXPECT_EQ(second.summary.at("stages").at("kmeans").at("state"), first.summary.at("stages").at("kmeans").at("state"));
  EXPECT_EQ(read_file(second.directory / "metrics.jsonl"), read_file(first.directory / "metrics.jsonl"));
  EXPECT_NE(read_file(second.directory / "metrics.jsonl").find("{\"stage\":\"other\",\"step\":4,"), std::string::npos);
  EXPECT_EQ(Value::from_json(read_file(second.directory / "summary.json")).to_json(), second.summary.to_json());
  EXPECT_TRUE(fs::exists(second.directory / "pipeline.toml"));
  EXPECT_NE(read_file(second.directory / "log.txt").find("[kmeans] cached (fake.cluster)"), std::string::npos);
}

TEST_F(RunnerTest, OnlyCachedRunsNothingAndWritesNothingWhereAStageWouldHaveToRun) {
  const auto only_cached = [&] {
    RunOptions o = options(listener);
    o.only_cached = true;
    return run_pipeline(plan(), registry(), o);
  };
  try {
    only_cached();
    FAIL();
  } catch (const NotCached& e) {
    EXPECT_STREQ(e.what(), "stage 'images' would have to run: 'features', 'scores' need it");
  }
  EXPECT_FALSE(fs::exists(folder / "runs"));
  EXPECT_EQ(trace_text(), "");
  const Value first = run().summary;
  EXPECT_EQ(only_cached().summary.at("scores"), first.at("scores"));
}

TEST_F(RunnerTest, AChangedParameterRunsOnlyWhatDependsOnIt) {
  run();
  fs::remove(folder / "trace");
  run({"stage.kmeans.clusters=3"});
  EXPECT_EQ(sorted(listener.began), (Names{"images", "kmeans", "scores"}));
  EXPECT_EQ(sorted(listener.cached), (Names{"features", "other"}));
  run();  // and back: all is there still
  EXPECT_EQ(listener.began, Names{});
}

TEST_F(RunnerTest, WhatDoesNotAffectResultsChangesNoKey) {
  run();
  run({"stage.kmeans.ms=1", "stage.features.part.verbose=true"});
  EXPECT_EQ(listener.began, Names{});
}

TEST_F(RunnerTest, ReasonsSayWhatChanged) {
  EXPECT_EQ(status()["kmeans"], "no result with this key");
  EXPECT_EQ(status()["images"], "'features', 'scores' need it");
  run();
  EXPECT_EQ(status()["kmeans"], "cached");
  EXPECT_EQ(status()["images"], "not needed");
  auto s = status({"stage.kmeans.clusters=3"});
  EXPECT_EQ(s["kmeans"], "parameter 'clusters' changed: 2 -> 3");
  EXPECT_EQ(s["scores"], "input 'kmeans' runs");
  EXPECT_EQ(s["images"], "'scores' needs it");
  EXPECT_EQ(status({"stage.features.part.rate=0.25"})["features"], "parameter 'part.rate' changed: 0.5 -> 0.25");
  EXPECT_EQ(status({"pipeline.seed=8"})["kmeans"], "seed changed: 7 -> 8");
  EXPECT_EQ(status({"pipeline.seed=8"})["features"], "cached");
  s = status({"stage.images.samples=12"});
  EXPECT_EQ(s["features"], "input 'images': parameter 'samples' changed: 10 -> 12");
  EXPECT_EQ(s["scores"], "input 'kmeans' runs; input 'other' runs; input 'images': parameter 'samples' changed: 10 -> 12");
  fs::remove_all(cached_files("features.h5").at(0).parent_path());
  EXPECT_EQ(status()["features"], "its result is no longer in the cache");
}

TEST_F(RunnerTest, ReasonsTellOfVersionsGraphsFilesAndTheMachine) {
  const auto record = [](const std::string& json) { return Value::from_json(json); };
  const Value base = record(R"({"plugin":"a","version":1,"parameters":{"x":1},"inputs":{},
    "graph":[{"name":"n","plugin":"g","version":1,"parameters":{"w":16},"inputs":{"in":["m.out"]}},{"name":"o","plugin":"g","version":1,"parameters":{},"inputs":{}}],
    "files":{"d.bin":"file:1"},"resolved":{"precision":"float32"}})");
  EXPECT_EQ(changes_between(base, base), Names{});
  EXPECT_EQ(
      changes_between(base, record(R"({"plugin":"a","version":2,"parameters":{"y":1},"inputs":{},
    "graph":[{"name":"n","plugin":"g","version":3,"parameters":{"w":32},"inputs":{"in":["k.out"]}},{"name":"p","plugin":"g","version":1,"parameters":{},"inputs":{}}],
    "files":{"d.bin":"file:2","e":"folder:1"},"resolved":{"precision":"bfloat16"}})")),
      (Names{"plugin version 1 -> 2", "parameter 'y' is new: 1", "parameter 'x' is gone", "node 'n': plugin version 1 -> 3",
             "node 'n': parameter 'w' changed: 16 -> 32", "node 'n': inputs changed: {\"in\":[\"m.out\"]} -> {\"in\":[\"k.out\"]}", "node 'p' is new",
             "node 'o' is gone", "data file d.bin changed", "data folder e is new", "'precision' is \"bfloat16\" on this machine, was \"float32\""}));
  EXPECT_EQ(changes_between(base, record(R"({"plugin":"b","version":1,"parameters":{},"inputs":{}})")),
            (Names{"plugin changed: a -> b", "its graph is another", "data file d.bin is no longer read"}));
}

TEST_F(RunnerTest, KeysDoNotDependOnTheFileThatAValueComesFrom) {
  write_file(folder / "base.toml", text);
  write_file(folder / "x.toml", "extends = \"base.toml\"\nremove = [\"stage.other.steps\"]\n[stage.kmeans]\nclusters = 3\n");
  std::string flat = text;
  flat.replace(flat.find("clusters = 2"), 12, "clusters = 3");
  flat.erase(flat.find("steps = 5\n"), 10);
  const Plan extending = plan_pipeline(folder / "x.toml", {}, registry());
  const auto keys = [&](const Plan& p) {
    Names out;
    for (const StageStatus& one : stage_status(p, registry(), options(listener))) out.push_back(one.key);
    return out;
  };
  EXPECT_EQ(keys(extending), keys(plan_text(flat, "flat.toml", {}, registry())));
  EXPECT_EQ(keys(extending), keys(plan_text(to_toml(extending.resolved, extending.spec), "printed.toml", {}, registry())));
  EXPECT_NE(keys(extending), keys(plan()));
  // The run directory's record is the whole, and runs alone.
  run_pipeline(extending, registry(), options(listener));
  const Plan again = plan_pipeline(latest() / "pipeline.toml", {}, registry());
  EXPECT_EQ(keys(again), keys(extending));
  listener = Listener();
  run_pipeline(again, registry(), options(listener));
  EXPECT_EQ(listener.began, Names{});
  // What is wrong with files is told at the line that names them.
  write_file(folder / "y.toml", "extends = \"base.toml\"\n\n[stage.images]\npath = \"/nowhere/at/all\"\n");
  try {
    stage_status(plan_pipeline(folder / "y.toml", {}, registry()), registry(), options(listener));
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("y.toml:4:1: error: stage 'images': cannot read /nowhere/at/all"), std::string::npos) << e.what();
  }
}

TEST_F(RunnerTest, ADataFileCountsByWhatItHolds) {
  write_file(folder / "data.bin", "one");
  const Names with_file = {"stage.images.path=" + (folder / "data.bin").string()};
  run(with_file);
  run(with_file);
  EXPECT_EQ(listener.began, Names{});
  write_file(folder / "data.bin", "two");
  EXPECT_EQ(status(with_file)["features"], "input 'images': data file " + (folder / "data.bin").string() + " changed");
  run(with_file);
  EXPECT_EQ(sorted(listener.began), (Names{"features", "images", "kmeans", "other", "scores"}));
}

TEST_F(RunnerTest, AMissingDataFileIsAMistakeOfTheFileWithItsPlace) {
  text.replace(text.find("samples = 10"), 12, "path = \"/nowhere/data.bin\"");
  try {
    run();
    ADD_FAILURE();
  } catch (const ConfigError& e) {
    EXPECT_EQ(std::string(e.what()), "p.toml:6:1: error: stage 'images': cannot read /nowhere/data.bin: No such file or directory");
  }
  EXPECT_FALSE(fs::exists(folder / "runs"));
  EXPECT_THROW(status(), ConfigError);
}

TEST_F(RunnerTest, ADamagedResultIsFoundSaidAndComputedAgain) {
  const RunResult first = run();
  const fs::path file = cached_files("features.h5").at(0);
  std::string bytes = read_file(file);
  const float numbers[] = {2, 4, 6, 8};
  const std::size_t at = bytes.find(std::string(reinterpret_cast<const char*>(numbers), sizeof numbers));
  ASSERT_NE(at, std::string::npos);
  bytes[at] = static_cast<char>(bytes[at] ^ 4);
  write_file(file, bytes);
  EXPECT_EQ(status()["features"], "its result in the cache is damaged");
  RunResult again = run();
  EXPECT_EQ(sorted(listener.began), (Names{"features", "images"}));  // what was made of it is whole
  EXPECT_TRUE(listener.heard("features: the result in the cache cannot be used: " + file.string() + " is damaged (its checksum)"))
      << listener.warnings.at(0);
  EXPECT_EQ(again.summary.at("scores"), first.summary.at("scores"));
  run();
  EXPECT_EQ(listener.began, Names{});
  // A cut file, a missing one, a broken entry.
  fs::resize_file(cached_files("scores.h5").at(0), 100);
  run();
  EXPECT_EQ(sorted(listener.began), (Names{"images", "scores"}));
  fs::remove(cached_files("scores.h5").at(0));
  run();
  EXPECT_EQ(sorted(listener.began), (Names{"images", "scores"}));
  write_file(cached_files("scores.h5").at(0).parent_path() / "entry.json", "{");
  run();
  EXPECT_EQ(sorted(listener.began), (Names{"images", "scores"}));
}

TEST_F(RunnerTest, FreshTakesNothing) {
  run();
  listener = Listener();
  RunOptions o = options(listener);
  o.fresh = true;
  run_pipeline(plan(), registry(), o);
  EXPECT_EQ(listener.began.size(), 5u);
  EXPECT_EQ(listener.why["kmeans"], "--fresh");
  run();
  EXPECT_EQ(listener.began, Names{});
}

TEST_F(RunnerTest, AFailureNamesStageAndPluginAndKeepsWhatIsDone) {
  const std::string who = "stage 'kmeans' (plugin fake.cluster): ";
  EXPECT_EQ(error_of_run({"stage.kmeans.fail=error"}), who + "the clusters are too heavy; take fewer");
  EXPECT_EQ(error_of_run({"stage.kmeans.fail=exception"}), who + "bad luck");
  EXPECT_EQ(error_of_run({"stage.kmeans.fail=other"}), who + "the plugin threw something that is no std::exception");
  EXPECT_EQ(error_of_run({"stage.kmeans.fail=memory"}),
            who + "there is not enough memory; end what else uses memory, take fewer samples, or a machine with more");
  EXPECT_EQ(error_of_run({"stage.kmeans.fail=\"no output\""}),
            who + "it ended without giving its output 'assignment'; the plugin is faulty (" + plugin().string() + ")");
  EXPECT_NE(read_file(latest() / "log.txt").find("error " + who), std::string::npos);
  EXPECT_FALSE(fs::exists(latest() / "summary.json"));
  EXPECT_EQ(status()["features"], "cached");
  EXPECT_EQ(error_of_run(), "");
}

TEST_F(RunnerTest, AFailureStopsWhatRunsBesideIt) {
  // Ten minutes' work, had it gone on to its first step.
  EXPECT_EQ(error_of_run({"stage.kmeans.fail=error", "stage.other.ms=600000"}),
            "stage 'kmeans' (plugin fake.cluster): the clusters are too heavy; take fewer");
  EXPECT_EQ(read_file(latest() / "metrics.jsonl").find("\"other\""), std::string::npos);
}

TEST_F(RunnerTest, ASignalStopsAndTheSameRunGoesOn) {
  std::atomic<bool> stop{false};
  RunOptions o = options(listener);
  o.stop = &stop;
  const Plan p = plan({"stage.other.steps=20", "stage.other.ms=300", "stage.kmeans.steps=0"});
  std::atomic<bool> ended{false};
  std::thread signal([&] {
    while (!ended && checkpoints() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stop = true;
  });
  try {
    run_pipeline(p, registry(), o);
    ADD_FAILURE() << "not stopped";
  } catch (const Stopped& e) {
    EXPECT_NE(std::string(e.what()).find("the same command goes on where it stopped"), std::string::npos);
  }
  ended = true;
  signal.join();
  const fs::path directory = fs::canonical(latest());
  stop = false;
  listener = Listener();
  const RunResult result = run_pipeline(p, registry(), o);
  EXPECT_EQ(fs::canonical(result.directory), directory);
  EXPECT_TRUE(listener.heard("continuing the run in "));
  EXPECT_TRUE(listener.heard("other: goes on from step ")) << trace_text();
  EXPECT_TRUE(fs::is_empty(folder / "cache/checkpoints"));
}

TEST_F(RunnerTest, TwoStagesWithOneKeyShareTheResult) {
  text += "[stage.copy]\nplugin = \"fake.features\"\nin.data = \"images\"\nscale = 2.0\npart = { plugin = \"fake.part\", rate = 0.5 }\n";
  text += "[stage.third]\nplugin = \"fake.cluster\"\nin.features = \"copy\"\n";
  for (const int n : {1, 2}) {
    threads = n;
    fs::remove_all(folder / "cache");
    fs::remove(folder / "trace");
    run();
    const Names lines = trace();
    EXPECT_EQ(std::count(lines.begin(), lines.end(), "begin features") + std::count(lines.begin(), lines.end(), "begin copy"), 1);
    EXPECT_TRUE(listener.heard("the result was computed by another run"));
  }
}

TEST_F(RunnerTest, ReportsRunEveryTime) {
  text += "[stage.report]\nplugin = \"fake.report\"\nin.scores = \"scores\"\n";
  run();
  const RunResult second = run();
  EXPECT_EQ(listener.began, Names{"report"});
  EXPECT_EQ(second.summary.at("stages").at("report").at("rows").as_integer(), 2);
}

TEST_F(RunnerTest, TheRecordHoldsWhatARunWas) {
  listener = Listener();
  RunOptions o = options(listener);
  o.command_line = "cdc-run p.toml";
  o.versions["torch"] = "1.13.1";
  const RunResult result = run_pipeline(plan(), registry(), o);
  const Value record = Value::from_json(read_file(result.directory / "run.json"));
  EXPECT_EQ(record.at("command_line").as_string(), "cdc-run p.toml");
  EXPECT_EQ(record.at("versions").at("torch").as_string(), "1.13.1");
  EXPECT_EQ(record.at("threads").as_integer(), 2);
  EXPECT_EQ(record.at("seed").as_integer(), 7);
  EXPECT_EQ(record.at("stages").at("kmeans").at("key"), result.summary.at("stages").at("kmeans").at("key"));
  EXPECT_EQ(record.at("stages").at("kmeans").at("why").as_string(), "no result with this key");
}

TEST_F(RunnerTest, ACacheThatCannotBeWrittenIsNamed) {
  write_file(folder / "cache", "a file");
  EXPECT_EQ(error_of_run(),
            (folder / "cache").string() +
                " is no cache of cdc: it is not a folder; name another folder with --cache or CDC_CACHE, a new or empty one, or a cache");
}

TEST_F(RunnerTest, ThreadsOfARecordHaveTheLimitsOfTheCommandLine) {
  std::atomic<bool> stop{true};
  RunOptions o = options(listener);
  o.stop = &stop;
  EXPECT_THROW(run_pipeline(plan(), registry(), o), Stopped);
  stop = false;
  const fs::path record = latest() / "run.json";
  Value changed = Value::table();
  const Value written = Value::from_json(read_file(record));
  for (const auto& [key, value] : written.as_table())
    if (key != "checksum") changed[key] = key == "threads" ? Value(1000000) : value;
  write_file(record, changed.to_json(2) + "\n");
  o.threads = 0;
  const RunResult result = run_pipeline(plan(), registry(), o);
  EXPECT_TRUE(listener.heard("continuing the run in "));
  EXPECT_LE(Value::from_json(read_file(result.directory / "run.json")).at("threads").as_integer(), 4096);
}

TEST_F(RunnerTest, WarningsAboutAResultAreKeptWithIt) {
  const Names set = {"stage.images.warning=2 of 12 images are damaged and left out", "stage.kmeans.warning=it falls apart into 2 pieces",
                     "stage.kmeans.warning_now=the checkpoint cannot be used"};
  const auto warnings_in = [](const RunResult& result, const std::string& stage) {
    const Value* found = result.summary.at("stages").at(stage).find("warnings");
    return found == nullptr ? std::string() : found->to_json();
  };
  const Names kept = {"images: 2 of 12 images are damaged and left out", "kmeans: it falls apart into 2 pieces"};
  Names first = kept;
  first.push_back("kmeans: the checkpoint cannot be used");
  for (int start = 0; start < 3; ++start) {
    const RunResult result = run(set);  // not even the data set is opened from the second start on
    EXPECT_EQ(listener.warnings, start == 0 ? first : kept) << "start " << start;
    EXPECT_EQ(warnings_in(result, "images"), R"(["2 of 12 images are damaged and left out"])");
    EXPECT_EQ(warnings_in(result, "kmeans"), R"(["it falls apart into 2 pieces"])");
    EXPECT_EQ(warnings_in(result, "other"), "");
    EXPECT_NE(read_file(result.directory / "log.txt").find("warning [kmeans] it falls apart into 2 pieces"), std::string::npos);
    EXPECT_NE(read_file(result.directory / "log.txt").find("warning [images] 2 of 12 images are damaged and left out"), std::string::npos);
  }
  EXPECT_TRUE(fs::is_empty(folder / "cache/checkpoints"));
}

TEST_F(RunnerTest, WhatAStageWarnedOfBeforeAStopIsKeptWithItsResult) {
  std::atomic<bool> stop{false};
  RunOptions o = options(listener);
  o.stop = &stop;
  const auto has_checkpoint = [&] {
    std::error_code ignored;
    for (fs::directory_iterator it(folder / "cache/checkpoints", ignored), end; !ignored && it != end; it.increment(ignored))
      if (const std::string file = it->path().string(), ending = ".warnings.json";  // of `other`: no other stage warns
          file.size() > ending.size() && file.substr(file.size() - ending.size()) == ending &&
          fs::exists(file.substr(0, file.size() - ending.size())))
        return true;
    return false;
  };
  std::atomic<bool> ended{false};
  std::thread signal([&] {
    while (!ended && !has_checkpoint()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stop = true;
  });
  EXPECT_THROW(run_pipeline(plan({"stage.kmeans.steps=0", "stage.other.ms=1000", "stage.other.warning=it has collapsed"}), registry(), o), Stopped);
  ended = true;
  signal.join();
  stop = false;
  listener = Listener();
  // What warned does not run again, as epochs before a checkpoint do not: `warning` is in no key.
  const RunResult result = run_pipeline(plan({"stage.kmeans.steps=0"}), registry(), o);
  EXPECT_TRUE(listener.heard("other: goes on from step "));
  EXPECT_EQ(result.summary.at("stages").at("other").at("warnings").to_json(), R"(["it has collapsed"])");
  EXPECT_TRUE(fs::is_empty(folder / "cache/checkpoints"));
}

TEST_F(RunnerTest, SeedsDifferByStageAndPipeline) {
  EXPECT_NE(stage_seed(1, "a"), stage_seed(1, "b"));
  EXPECT_NE(stage_seed(1, "a"), stage_seed(2, "a"));
  EXPECT_EQ(stage_seed(1, "a"), stage_seed(1, "a"));
}

}  // namespace
}  // namespace cdc::test
