// What cdc-run says where a plugin kills it, or ends it, and with which exit code it ends then.
#include <csignal>

#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

class LastWordsTest : public FakePipeline {
 protected:
  void SetUp() override {
    FakePipeline::SetUp();
    write_file(
        folder / "p.toml",
        "[pipeline]\nname = \"p\"\n[stage.data]\nplugin = \"faulty.data\"\n[stage.features]\nplugin = \"faulty.features\"\nin.data = \"data\"\n"
        "[stage.clusters]\nplugin = \"faulty.clusters\"\nin.features = \"features\"\n[stage.scores]\nplugin = \"faulty.scores\"\n"
        "in.prediction = \"clusters\"\n");
  }
  ProcessResult cdc_run(std::vector<std::string> arguments, std::vector<std::pair<std::string, std::string>> environment = {}) const {
    arguments.insert(arguments.begin(), {(binary_folder() / "bin/cdc-run").string(), "p.toml", "--plugin", plugin().string()});
    return run_process(arguments, folder, std::move(environment), folder);
  }
  std::string in_stage(const std::string& stage, const std::string& place) const {
    return "in stage '" + stage + "' (faulty." + stage + " of " + plugin().string() + ", p.toml:" + place + ")";
  }
  static void expect_in(const std::string& part, const ProcessResult& r) {
    EXPECT_NE(r.err.find(part), std::string::npos) << part << "\nnot in\n" << r.err;
  }
};

/// Address sanitizers print their own report and exit with a code of theirs.
constexpr bool kSanitized =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    true;
#else
    false;
#endif

TEST_F(LastWordsTest, AFaultNamesStagePluginAndPlaceAndTheSignalDoesWhatItDid) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer ends the process its own way";
  for (const auto& [how, number, told] :
       {std::tuple("segv", SIGSEGV, "SIGSEGV (memory that is not its own, at address 0x0) "), std::tuple("abort", SIGABRT, "SIGABRT (abort(): "),
        std::tuple("fpe", SIGFPE, "SIGFPE (an integer divided by zero")}) {
    const ProcessResult r = cdc_run({std::string("stage.features.how=") + how});
    EXPECT_EQ(r.code, 128 + number) << r.err;
    expect_in(std::string("cdc-run: died of ") + told, r);
    expect_in(in_stage("features", "5:1"), r);
  }
}

TEST_F(LastWordsTest, AThreadThatWorksForAStageIsKnown) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer ends the process its own way";
  const ProcessResult r = cdc_run({"stage.features.how=\"dies in a loop\"", "--threads", "2"});
  EXPECT_EQ(r.code, 128 + SIGSEGV);
  expect_in(in_stage("features", "5:1"), r);
}

TEST_F(LastWordsTest, AThreadOfThePluginsOwnIsToldWithWhatIsAtWork) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer ends the process its own way";
  const ProcessResult r = cdc_run({"stage.features.how=\"dies on a thread\""});
  EXPECT_EQ(r.code, 128 + SIGSEGV);
  expect_in("on a thread of which nothing is known; others are " + in_stage("features", "5:1"), r);
}

TEST_F(LastWordsTest, AStackThatIsFullIsToldAsThat) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer ends the process its own way";
  const ProcessResult r = cdc_run({"stage.features.how=\"endless recursion\""});
  EXPECT_EQ(r.code, 128 + SIGSEGV);
  expect_in("SIGSEGV (the stack is full: endless recursion, or very large local variables) " + in_stage("features", "5:1"), r);
}

TEST_F(LastWordsTest, ConstructorsAndDestructorsAreNamed) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer ends the process its own way";
  ProcessResult r = cdc_run({"stage.scores.how=\"throws in its destructor\""});
  EXPECT_EQ(r.code, 128 + SIGABRT);
  expect_in("not to be caught", r);
  expect_in("in plugin 'faulty.scores' of " + plugin().string() + ", destroying it", r);
  write_file(folder / "p.toml", "[pipeline]\nname = \"p\"\n[stage.making]\nplugin = \"faulty.making\"\n");
  r = cdc_run({"--check"}, {{"CDC_FAULTY_MAKING", "1"}});
  EXPECT_EQ(r.code, 128 + SIGSEGV);
  expect_in("in plugin 'faulty.making' of " + plugin().string() + ", making it", r);
}

/// Exit code 0, and nothing said, would be taken for a run that went well.
TEST_F(LastWordsTest, APluginThatCallsExitIsNamedAndTheRunHasFailed) {
  for (const char* how : {"exit", "quick_exit"}) {
    const ProcessResult r = cdc_run({std::string("stage.clusters.how=") + how});
    EXPECT_EQ(r.code, 4) << how;
    expect_in("cdc-run: the program was ended, by exit(0), " + in_stage("clusters", "8:1"), r);
    EXPECT_FALSE(fs::exists(latest() / "summary.json"));
  }
}

TEST_F(LastWordsTest, WhatWasDoneBeforeIsKept) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer ends the process its own way";
  EXPECT_EQ(cdc_run({"stage.clusters.how=segv"}).code, 128 + SIGSEGV);
  const ProcessResult again = cdc_run({});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.out.find("features         cached"), std::string::npos) << again.out;
}

}  // namespace
}  // namespace cdc::test
