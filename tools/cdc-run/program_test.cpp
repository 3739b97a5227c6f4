// cdc-run as a user meets it: command line, exit codes, what is printed.
#include <csignal>

#include "cdc-run/options.hpp"
#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

class ProgramTest : public FakePipeline {
 protected:
  void SetUp() override {
    FakePipeline::SetUp();
    write_file(folder / "p.toml", text);
  }
  std::vector<std::string> command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {(binary_folder() / "bin/cdc-run").string(), "p.toml", "--plugin", plugin().string()});
    return arguments;
  }
  ProcessResult cdc_run(std::vector<std::string> arguments) const { return run_process(command(std::move(arguments)), folder, {}, folder); }
};

TEST_F(ProgramTest, RunsAndShowsOneTable) {
  const ProcessResult r = cdc_run({"stage.kmeans.clusters=3", "--threads", "1"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.err, "");
  EXPECT_NE(r.out.find("kmeans           runs: no result with this key\n"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("ACC       NMI"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("runs/p/"), std::string::npos);
  const Value record = Value::from_json(read_file(latest() / "run.json"));
  EXPECT_EQ(record.at("threads").as_integer(), 1);
  EXPECT_NE(record.at("command_line").as_string().find("p.toml --plugin"), std::string::npos);
  EXPECT_TRUE(record.at("versions").at("cdc").is_string());
  const ProcessResult dry = cdc_run({"stage.kmeans.clusters=3", "--dry-run"});
  EXPECT_EQ(dry.code, 0);
  EXPECT_EQ(dry.out, "images    not needed\nfeatures  cached\nkmeans    cached\nother     cached\nscores    cached\n");
  EXPECT_EQ(fs::exists(folder / "cache"), true);
}

TEST_F(ProgramTest, ChecksWithoutData) {
  const ProcessResult r = cdc_run({"--check", "stage.images.path=/nowhere"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out, "p.toml: ok, 5 stages\n");
  EXPECT_FALSE(fs::exists(folder / "cache"));
  const ProcessResult printed = cdc_run({"--print-config", "--seed", "9"});
  EXPECT_EQ(printed.code, 0);
  EXPECT_NE(printed.out.find("seed = 9"), std::string::npos);
  EXPECT_NE(printed.out.find("steps = 3"), std::string::npos);
}

TEST_F(ProgramTest, AFileMayExtendAnother) {
  write_file(folder / "x.toml",
             "extends = \"p.toml\"\nremove = [\"stage.other\"]\n[pipeline]\nname = \"x\"\n[stage.scores]\nin.prediction = [\"kmeans\"]\n");
  const std::vector<std::string> words{(binary_folder() / "bin/cdc-run").string(), "x.toml", "--plugin", plugin().string(),
                                       "stage.kmeans.clusters=3"};
  const auto cdc_run_x = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    return run_process(more, folder, {}, folder);
  };
  EXPECT_EQ(cdc_run_x({"--check"}).out, "x.toml: ok, 4 stages\n");
  const ProcessResult printed = cdc_run_x({"--print-config", "--seed", "9"});
  EXPECT_EQ(printed.code, 0) << printed.err;
  for (const char* line : {"name = \"x\"  # x.toml:4\n", "seed = 9  # command line\n", "scale = 2.0  # p.toml:10\n", "part.rate = 0.5  # p.toml:11\n",
                           "clusters = 3  # command line\n", "steps = 3  # default\n", "in.prediction = [\"kmeans.assignment\"]  # x.toml:6\n"})
    EXPECT_NE(printed.out.find(line), std::string::npos) << line << printed.out;
  const ProcessResult ran = cdc_run_x({});
  EXPECT_EQ(ran.code, 0) << ran.err;
  // What was printed is a pipeline, of the same keys.
  write_file(folder / "printed.toml", cdc_run_x({"--print-config"}).out);
  const ProcessResult dry = run_process({words[0], "printed.toml", "--plugin", words[3], "--dry-run"}, folder, {}, folder);
  EXPECT_EQ(dry.out, "images    not needed\nfeatures  cached\nkmeans    cached\nscores    cached\n") << dry.err;
  write_file(folder / "x.toml", "extends = \"nobody.toml\"\n");
  const ProcessResult wrong = cdc_run_x({});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.err.find("x.toml:1:11: error: the file 'nobody.toml' that this one extends cannot be opened"), 0u) << wrong.err;
}

TEST_F(ProgramTest, WhatIsWrongWithFileOrCommandLineExitsWith2) {
  ProcessResult r = cdc_run({"stage.images.path=/nowhere/at/all"});
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.err.find("error: stage 'images': cannot read /nowhere/at/all: No such file or directory"), std::string::npos) << r.err;
  r = cdc_run({"stage.kmeans.clusters=0"});
  EXPECT_EQ(r.code, 2);
  EXPECT_EQ(r.err.find("terminate"), std::string::npos);
  r = cdc_run({"--threads", "none"});
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.err.find("cdc-run: --threads: must be a whole number from 1 to 4096, found 'none'; --help lists the options"), std::string::npos)
      << r.err;
  r = cdc_run({"--seed", "5", "pipeline.seed=6"});
  EXPECT_EQ(r.code, 2);
  EXPECT_EQ(r.err, "cdc-run: --seed: is the same as pipeline.seed=6: leave out one of them; --help lists the options\n");
  r = cdc_run({"--device", "abacus"});
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.err.find("cdc-run: --device: there is no device 'abacus'"), std::string::npos) << r.err;
}

TEST_F(ProgramTest, AStringOfTheCommandLineNeedsNoQuotes) {
  for (const char* root : {"2024", "0x10", "1e3", "true", "2024-01-01", "nan", "1_000"}) {
    const ProcessResult r = cdc_run({"--print-config", "pipeline.name=2024", std::string("stage.images.path=") + root});
    EXPECT_EQ(r.code, 0) << r.err;
    EXPECT_NE(r.out.find(std::string("path = \"") + root + "\"  # command line\n"), std::string::npos) << r.out;
    EXPECT_NE(r.out.find("name = \"2024\"  # command line\n"), std::string::npos) << r.out;
  }
}

TEST_F(ProgramTest, ThePipelineMayComeThroughAPipe) {
  const std::string rest = " --plugin '" + plugin().string() + "' --check";
  const std::string program = "'" + (binary_folder() / "bin/cdc-run").string() + "' ";
  const ProcessResult r = run_process({"/bin/sh", "-c", "cat p.toml | " + program + "/dev/stdin" + rest}, folder, {}, folder);
  EXPECT_EQ(r.out, "/dev/stdin: ok, 5 stages\n") << r.err;
  for (const char* file : {"/dev/zero", "."}) {
    const ProcessResult wrong = run_process({"/bin/sh", "-c", program + file + rest}, folder, {}, folder);
    EXPECT_EQ(wrong.code, 2);
    EXPECT_EQ(wrong.err.find(file + std::string(":1:1: error: the pipeline file is a ")), 0u) << wrong.err;
  }
}

TEST_F(ProgramTest, AnUnknownPluginSaysWhereWasLooked) {
  const auto said = [&](const std::string& path) {
    return run_process(command({"--check", "stage.kmeans.plugin=nobody.here"}), folder, {{"CDC_PLUGIN_PATH", path}}, folder).err;
  };
  const std::string start = "command line:1:21: error: there is no stage plugin 'nobody.here'; cdc-inspect lists all plugins; ";
  EXPECT_EQ(said(""), start + "CDC_PLUGIN_PATH, which names folders of further plugins, is not set\n");
  const std::string path = (folder / "plugins").string();
  fs::create_directories(path);
  EXPECT_EQ(said(path), start + "those of CDC_PLUGIN_PATH, " + path + ", are among them; in " + path + " there is no library (*.so)\n");
}

TEST_F(ProgramTest, APluginThatCannotBeLoadedExitsWith3) {
  write_file(folder / "bad.so", "no library");
  const ProcessResult r = cdc_run({"--plugin", (folder / "bad.so").string()});
  EXPECT_EQ(r.code, 3);
  EXPECT_NE(r.err.find("bad.so"), std::string::npos) << r.err;
}

TEST_F(ProgramTest, AFailedStageExitsWith4) {
  const ProcessResult r = cdc_run({"stage.kmeans.fail=exception"});
  EXPECT_EQ(r.code, 4);
  EXPECT_EQ(r.err, "cdc-run: stage 'kmeans' (plugin fake.cluster): bad luck\n");
}

TEST_F(ProgramTest, ASignalExitsWith5AndTheSameCommandGoesOn) {
  std::signal(SIGHUP, SIG_DFL);  // it is ignored where the tests are run by nohup
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) {
    fs::remove(folder / "trace");
    const std::string cache = "cache" + std::to_string(number), steps = "stage.other.steps=20";
    Process process(command({steps, "stage.other.ms=300", "--cache", cache}), folder, {}, folder);
    const auto has = [&](const char* line) { return trace_text().find(line) != std::string::npos; };
    ASSERT_TRUE(process.reaches([&] { return has("begin other") && has("end kmeans") && checkpoints(cache) > 0; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(400));  // should that have been the checkpoint of kmeans, which goes now
    process.signal(number);
    if (number != SIGINT) process.signal(number);  // as batch systems do, which tell a program and its parent
    const ProcessResult r = process.wait();
    EXPECT_EQ(r.code, 5) << r.err;
    EXPECT_NE(r.err.find("cdc-run: stopped; the same command goes on where it stopped (run directory runs/p/"), std::string::npos) << r.err;
    const ProcessResult again = cdc_run({steps, "stage.other.ms=300", "--cache", cache});
    EXPECT_EQ(again.code, 0) << again.err;
    EXPECT_NE(again.out.find("continuing the run in runs/p/"), std::string::npos) << again.out;
    EXPECT_NE(again.out.find("goes on from step"), std::string::npos) << again.out;
  }
}

TEST_F(ProgramTest, UnderNohupItOutlivesItsTerminal) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  Process process(command({"stage.other.ms=300"}), folder, {}, folder);
  std::signal(SIGHUP, before);
  process.reaches([&] { return trace_text().find("begin other") != std::string::npos; });
  process.signal(SIGHUP);
  const ProcessResult r = process.wait();
  EXPECT_EQ(r.code, 0) << r.err;
}

/// Who reads its output has gone: it saves what it has, and a program that has nothing to save says nothing.
TEST_F(ProgramTest, AReaderThatGoesAwayStopsIt) {
  const std::string program = "'" + (binary_folder() / "bin/cdc-run").string() + "'";
  const std::string run = program + " p.toml --plugin '" + plugin().string() + "' stage.other.ms=300";
  const ProcessResult r = run_process({"/bin/sh", "-c", "{ " + run + "; echo code $? >&2; } | head -n 1"}, folder, {}, folder);
  EXPECT_NE(r.err.find("code 5"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("cdc-run: stopped; the same command goes on where it stopped"), std::string::npos) << r.err;
  EXPECT_EQ(cdc_run({"stage.other.ms=300"}).code, 0);
  const ProcessResult help = run_process({"/bin/sh", "-c", program + " --help | head -n 1"}, folder, {}, folder);
  EXPECT_EQ(help.err, "");
}

TEST_F(ProgramTest, TheCacheMayBeNamedByTheEnvironment) {
  EXPECT_EQ(run_process(command({"--run-dir", "here"}), folder, {{"CDC_CACHE", "elsewhere"}}, folder).code, 0);
  EXPECT_TRUE(fs::exists(folder / "elsewhere/last/p.kmeans.json"));
  EXPECT_TRUE(fs::exists(folder / "here/summary.json"));
  EXPECT_FALSE(fs::exists(folder / "runs"));
  const ProcessResult fresh = run_process(command({"--run-dir", "here", "--fresh"}), folder, {{"CDC_CACHE", "elsewhere"}}, folder);
  EXPECT_EQ(fresh.code, 0);
  EXPECT_NE(fresh.out.find("kmeans           runs: --fresh"), std::string::npos) << fresh.out;
}

TEST(Options, HelpAndVersionEndAtOnce) {
  const char* version[] = {"cdc-run", "--version"};
  int code = -1;
  ::testing::internal::CaptureStdout();
  EXPECT_FALSE(program::read_options(2, version, "1.2.3", code).has_value());
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "1.2.3\n");
  EXPECT_EQ(code, 0);
  const char* nothing[] = {"cdc-run"};
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(program::read_options(1, nothing, "1.2.3", code).has_value());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "cdc-run: FILE is required; --help lists the options\n");
  EXPECT_EQ(code, 2);
}

TEST(Options, TheCommandLineIsKeptAsAShellWouldReadIt) {
  const char* words[] = {"cdc-run", "p.toml", "stage.a.list=[1, 2]", "stage.b.name=it's", "--seed", "3", "--plugin", "x.so", "stage.c.n=-1"};
  int code = -1;
  const auto options = program::read_options(9, words, "1", code);
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->command_line, "cdc-run p.toml 'stage.a.list=[1, 2]' 'stage.b.name=it'\\''s' --seed 3 --plugin x.so stage.c.n=-1");
  EXPECT_EQ(options->overrides, (std::vector<std::string>{"stage.a.list=[1, 2]", "stage.b.name=it's", "stage.c.n=-1", "pipeline.seed=3"}));
  EXPECT_EQ(options->plugins.size(), 1u);
}

}  // namespace
}  // namespace cdc::test
