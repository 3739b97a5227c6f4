#include "artifact/hash.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cdc/error.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

class Hash : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("cdc_hash_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::create_directories(folder / "data" / "b");
    put("data/a.bin", "first");
    put("data/b/c.bin", "second");
  }
  void TearDown() override { fs::remove_all(folder); }
  void put(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name) << text;
    // Long ago, so that it may be remembered.
    fs::last_write_time(folder / name, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  fs::path folder;
};

TEST_F(Hash, TextGivesTheValuesOfTheXxh3Specification) {
  EXPECT_EQ(hash_text(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_text("a").size(), 32u);
  EXPECT_NE(hash_text("a"), hash_text("b"));
}

TEST_F(Hash, AFileCountsByItsBytes) {
  const std::string first = fingerprint(folder / "data/a.bin", "");
  put("other.bin", "first");
  EXPECT_EQ(fingerprint(folder / "other.bin", ""), first);
  put("other.bin", "firsT");
  EXPECT_NE(fingerprint(folder / "other.bin", ""), first);
}

TEST_F(Hash, AFilesHashIsRememberedUntilItChanges) {
  const fs::path file = folder / "data/a.bin", memo = folder / "memo";
  const std::string first = fingerprint(file, memo);
  ASSERT_EQ(std::distance(fs::directory_iterator(memo), fs::directory_iterator()), 1);
  // A memo that says something else is believed: the file was not read.
  const fs::path note = fs::directory_iterator(memo)->path();
  std::string text;
  std::getline(std::ifstream(note), text, '\0');
  const std::size_t at = text.find(first);
  ASSERT_NE(at, std::string::npos);
  std::ofstream(note) << text.replace(at, first.size(), "file:remembered");
  EXPECT_EQ(fingerprint(file, memo), "file:remembered");
  put("data/a.bin", "FIRST");
  const std::string second = fingerprint(file, memo);
  EXPECT_NE(second, first);
  EXPECT_EQ(second, fingerprint(file, ""));
  std::ofstream(note) << "{ no memo";
  EXPECT_EQ(fingerprint(file, memo), second);
}

TEST_F(Hash, AFileWrittenJustNowIsNotRemembered) {
  std::ofstream(folder / "new.bin") << "x";
  fingerprint(folder / "new.bin", folder / "memo");
  EXPECT_FALSE(fs::exists(folder / "memo"));
}

TEST_F(Hash, AFolderCountsByNamesAndBytesWhereverItLies) {
  const std::string first = fingerprint(folder / "data", "");
  EXPECT_EQ(fingerprint(folder / "data/", ""), first);
  fs::rename(folder / "data/b/c.bin", folder / "data/b/d.bin");
  EXPECT_NE(fingerprint(folder / "data", ""), first);
  fs::rename(folder / "data/b/d.bin", folder / "data/b/c.bin");
  fs::last_write_time(folder / "data/a.bin", fs::file_time_type::clock::now());
  EXPECT_EQ(fingerprint(folder / "data", ""), first);
  fs::copy(folder / "data", folder / "copy", fs::copy_options::recursive);
  EXPECT_EQ(fingerprint(folder / "copy", ""), first);
  for (const char* name : {"copy/.DS_Store", "copy/b/Thumbs.db"}) std::ofstream(folder / name) << "x";
  fs::create_symlink("gone", folder / "copy/.link");
  EXPECT_EQ(fingerprint(folder / "copy", ""), first);
  fs::create_symlink("gone", folder / "copy/link");
  EXPECT_NE(fingerprint(folder / "copy", ""), first);
  fs::remove(folder / "copy/link");
  put("copy/a.bin", "FIRST");  // as many bytes
  EXPECT_NE(fingerprint(folder / "copy", ""), first);
}

TEST_F(Hash, AFoldersFilesAreReadOnce) {
  const fs::path memo = folder / "memo";
  std::int64_t read = 0;
  const auto print = [&] {
    read = 0;
    return fingerprint(folder / "data", memo, [&](std::int64_t done, std::int64_t total) {
      EXPECT_LE(done, total);
      read = done;
    });
  };
  const std::string first = print();
  EXPECT_GT(read, 0);
  EXPECT_EQ(print(), first);
  EXPECT_EQ(read, 0);
  put("data/a.bin", "FIRST");
  const std::string second = print();
  EXPECT_EQ(read, 5) << "that file alone";
  EXPECT_NE(second, first);
  for (const auto& entry : fs::directory_iterator(memo)) std::ofstream(entry.path()) << "no memo";
  EXPECT_EQ(print(), second);
  EXPECT_GT(read, 5);
}

TEST_F(Hash, LinksAreFollowedAndACircleEnds) {
  const std::string first = fingerprint(folder / "data", "");
  fs::create_directory_symlink(folder / "data", folder / "data/b/above");
  EXPECT_EQ(fingerprint(folder / "data", ""), first);
  fs::create_directories(folder / "elsewhere");
  put("elsewhere/e.bin", "third");
  fs::create_directory_symlink(folder / "elsewhere", folder / "data/linked");
  EXPECT_NE(fingerprint(folder / "data", ""), first);
}

TEST_F(Hash, WhatCannotBeReadIsNamed) {
  const auto error_of = [&](const fs::path& path) {
    try {
      fingerprint(path, "");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(error_of(folder / "none"), "cannot read " + (folder / "none").string() + ": No such file or directory");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of(folder / "pipe"), (folder / "pipe").string() + " is neither a file nor a folder");
}

}  // namespace
}  // namespace cdc
