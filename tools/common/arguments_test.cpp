// What the programs take as values of options.
#include "common/arguments.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "support/files.hpp"
#include "support/process.hpp"

namespace cdc::test {
namespace {

namespace fs = std::filesystem;

/// What the validator makes of a text, or what it says against it.
std::string taken(const CLI::Validator& validator, std::string text) {
  const std::string problem = validator(text);
  return problem.empty() ? text : problem;
}

TEST(Arguments, AWholeNumberIsDecimalDigitsAndNothingElse) {
  const CLI::Validator threads = program::whole_number(1, 4096), seed = program::whole_number(0, INT64_MAX);
  for (const auto& [text, number] : {std::pair("1", "1"), std::pair("4096", "4096"), std::pair("010", "10"), std::pair("+5", "5")})
    EXPECT_EQ(taken(threads, text), number);
  EXPECT_EQ(taken(seed, "9223372036854775807"), "9223372036854775807");
  for (const char* text : {"0", "-1", "4097", "1000000", "1.5", "1e2", "0x10", "", " 5", "5 ", "5k", "true", "99999999999999999999", "+-5", "-"})
    EXPECT_EQ(taken(threads, text), "must be a whole number from 1 to 4096, found '" + std::string(text) + "'");
  for (const char* text : {"9223372036854775808", "18446744073709551615", "18446744073709551616", "-1"})
    EXPECT_EQ(taken(seed, text), "must be a whole number from 0 to 9223372036854775807, found '" + std::string(text) + "'");
}

TEST(Arguments, ASizeMayHaveAUnit) {
  const CLI::Validator size = program::size_in_bytes();
  for (const auto& [text, bytes] : {std::pair("0", "0"), std::pair("9007199254740993", "9007199254740993"), std::pair("512b", "512"),
                                    std::pair("500M", "524288000"), std::pair("20G", "21474836480"), std::pair("20GB", "21474836480"),
                                    std::pair("20 GiB", "21474836480"), std::pair("1.5g", "1610612736"), std::pair("7E", "8070450532247928832")})
    EXPECT_EQ(taken(size, text), bytes) << text;
  for (const char* text : {"", "-5", "-5G", "+5G", "G", "5X", "5Gi b", "0x10", "1e3", "nan", "inf", "5GG", "1,5G", " 5"})
    EXPECT_EQ(taken(size, text), "must be a size, as 500M, 20G or 1.5G, found '" + std::string(text) + "'");
  for (const char* text : {"8E", "18446744073709551615", "1000000000T"})
    EXPECT_EQ(taken(size, text), "must be less than 8E, found '" + std::string(text) + "'");
}

TEST(Arguments, APathIsNeitherEmptyNorLeftByTheShell) {
  const CLI::Validator path = program::path_name();
  for (const char* text : {"runs", "/x/~/y", "~x", "a b"}) EXPECT_EQ(taken(path, text), text);
  EXPECT_EQ(taken(path, ""), "must be a path, found an empty text: a variable of the shell may not be set");
  EXPECT_EQ(taken(path, "~/x"), "'~/x' begins with a '~' that the shell left as it is: write $HOME/x");
  EXPECT_EQ(taken(path, "~"), "'~' begins with a '~' that the shell left as it is: write $HOME");
}

/// The programs themselves, each option that takes a number or a folder.
class ProgramsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("cdc_arguments_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "cache");
  }
  void TearDown() override { fs::remove_all(folder_); }
  ProcessResult run(std::vector<std::string> words, const std::vector<std::pair<std::string, std::string>>& environment = {}) const {
    words[0] = (binary_folder() / "bin" / words[0]).string();
    return run_process(words, folder_, environment, folder_);
  }
  fs::path folder_;
};

TEST_F(ProgramsTest, EveryNumberIsChecked) {
  const std::vector<std::vector<std::string>> calls = {
      {"cdc-run", "p.toml", "--seed"},          {"cdc-run", "p.toml", "--threads"}, {"cdc-sweep", "s.toml", "--jobs"},
      {"cdc-sweep", "s.toml", "--threads"},     {"cdc-cache", "gc", "--keep-last"}, {"cdc-cache", "gc", "--max-size"},
      {"cdc-runs", "best", "kmeans.acc", "-n"}, {"cdc-report", "12", "--points"},   {"cdc-report", "12", "--gallery"},
  };
  for (const std::vector<std::string>& call : calls)
    for (const char* number : {"-5", "99999999999999999999", "0x10", "1e1", "five", "1.5.5"}) {
      std::vector<std::string> words = call;
      words.insert(words.end(), number);
      const ProcessResult r = run(words);
      EXPECT_EQ(r.code, 2) << call[0] << call.back() << number << r.out << r.err;
      EXPECT_EQ(r.err.find(call[0] + ": " + call.back() + ": must be "), 0u) << r.err;
      EXPECT_EQ(r.out, "");
    }
}

TEST_F(ProgramsTest, EveryFolderIsChecked) {
  const std::vector<std::vector<std::string>> calls = {
      {"cdc-run", "p.toml", "--run-dir"}, {"cdc-run", "p.toml", "--cache"}, {"cdc-run", "p.toml", "--plugin"}, {"cdc-sweep", "s.toml", "--dir"},
      {"cdc-sweep", "s.toml", "--cache"}, {"cdc-cache", "ls", "--cache"},   {"cdc-runs", "ls", "--in"},        {"cdc-runs", "ls", "--store"},
      {"cdc-report", "12", "--out"},      {"cdc-report", "12", "--dir"},    {"cdc-report", "12", "--cache"},
  };
  for (const std::vector<std::string>& call : calls)
    for (const auto& [value, problem] : {std::pair("~/x", "'~/x' begins with a '~'"), std::pair("", "must be a path, found an empty text")}) {
      std::vector<std::string> words = call;
      words.insert(words.end(), value);
      const ProcessResult r = run(words);
      EXPECT_EQ(r.code, 2) << call[0] << call.back() << r.out << r.err;
      EXPECT_NE(r.err.find(problem), std::string::npos) << r.err;
      EXPECT_FALSE(fs::exists(folder_ / "~"));
    }
  for (const std::vector<std::string>& call :
       std::vector<std::vector<std::string>>{{"cdc-run", "p.toml"}, {"cdc-sweep", "s.toml"}, {"cdc-cache", "ls"}, {"cdc-report", "12"}}) {
    const ProcessResult r = run(call, {{"CDC_CACHE", "~/x"}});
    EXPECT_EQ(r.code, 2) << call[0] << r.out;
    EXPECT_EQ(r.err, call[0] + ": CDC_CACHE: '~/x' begins with a '~' that the shell left as it is: write $HOME/x; --help lists the options\n");
  }
  EXPECT_EQ(run({"cdc-cache", "ls"}, {{"CDC_CACHE", ""}}).err, "cdc-cache: there is no cache at cache: name one with --cache\n");
  // A folder that was named is looked for, those by default need not be there.
  const ProcessResult r = run({"cdc-runs", "ls", "--in", "nowhere"});
  EXPECT_EQ(r.code, 4);
  EXPECT_EQ(r.err, "cdc-runs: --in: there is no folder nowhere\n");
}

/// OpenBLAS would ask for memory for ever.
TEST_F(ProgramsTest, TooLittleMemoryIsToldBeforeLibTorchIsLoaded) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(CDC_WITHOUT_TORCH)
  GTEST_SKIP() << "sanitizers need more address space than any limit here, and without LibTorch there is nothing to limit";
#endif
  for (const auto& [option, what] : {std::pair("-v", "address space"), std::pair("-d", "data")})
    for (const char* call : {"cdc-run p.toml", "cdc-sweep s.toml", "cdc-report 12", "cdc-inspect"}) {
      const std::string program = (binary_folder() / "bin" / call).string();
      const ProcessResult r = run_process({"/bin/sh", "-c", "ulimit " + std::string(option) + " 250000 && exec " + program}, folder_, {}, folder_);
      EXPECT_EQ(r.code, 2) << call << r.err;
      EXPECT_NE(r.err.find("the limit of this process's " + std::string(what) + ", 244 MiB, is too low: LibTorch needs "), std::string::npos)
          << r.err;
      EXPECT_NE(r.err.find("Raise it (ulimit " + std::string(option) + " unlimited)"), std::string::npos) << r.err;
    }
}

}  // namespace
}  // namespace cdc::test
