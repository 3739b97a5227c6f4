#include "base/text_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "support/files.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

class TextFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("cdc_text_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string problem_of(const std::string& bytes) const {
    test::write_file(folder_ / "text", bytes);
    return read_text(folder_ / "text", true).problem;
  }
  fs::path folder_;
};

TEST_F(TextFileTest, ARegularFileIsReadWhole) {
  const std::string text = std::string(200000, 'x') + "\r\n\xef\xbb\xbf";
  test::write_file(folder_ / "text", text);
  for (const bool pipes : {false, true}) {
    const TextFile read = read_text(folder_ / "text", pipes);
    EXPECT_EQ(read.problem, "");
    EXPECT_EQ(read.text, text);
  }
  EXPECT_EQ(problem_of(""), "");
  EXPECT_EQ(problem_of("a"), "");
  EXPECT_EQ(problem_of(std::string(kLongestText, ' ')), "");
  EXPECT_EQ(problem_of(std::string(kLongestText + 1, ' ')), "is longer than 4 MiB, which nobody writes: check that it is the file that is meant");
}

TEST_F(TextFileTest, WhatIsNoTextFileIsToldAndEnds) {
  EXPECT_EQ(read_text(folder_, true).problem, "is a folder: name a file in it");
  EXPECT_EQ(read_text("/dev/zero", true).problem, "is a device or socket, which may never end: name a regular file");
  EXPECT_EQ(read_text(folder_ / "none", true).problem, "cannot be opened (No such file or directory): check its name and that it may be read");
  EXPECT_EQ(read_text(std::string("/dev/null\0x", 11), true).problem, "cannot be opened: its name holds the letter NUL");
  for (const char* bytes : {"\xff\xfe[", "\xfe\xff"}) EXPECT_EQ(problem_of(bytes), "is text in UTF-16: save it as UTF-8 (iconv -f UTF-16 -t UTF-8)");
  EXPECT_EQ(problem_of(std::string("[\0s\0", 4)), "is text in UTF-16: save it as UTF-8 (iconv -f UTF-16 -t UTF-8)");
}

TEST_F(TextFileTest, APipeIsReadToItsEndWhereSomebodyWritesIt) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_text(folder_ / "pipe", true).problem, "is a pipe into which nobody wrote: begin what writes it first, or name a regular file");
  EXPECT_EQ(read_text(folder_ / "pipe", false).problem, "is a pipe: name a regular file");
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::thread writer([&] {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(::write(ends[1], "abc", 3), 3);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // so that reading has to wait
    }
    ::close(ends[1]);
  });
  const TextFile read = read_text("/proc/self/fd/" + std::to_string(ends[0]), true);
  writer.join();
  ::close(ends[0]);
  EXPECT_EQ(read.problem, "");
  EXPECT_EQ(read.text, "abcabcabc");
}

}  // namespace
}  // namespace cdc
