#include "artifact/array_file.hpp"

#include <gtest/gtest.h>
#include <hdf5.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>

#include "cdc/error.hpp"
#include "support/files.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// HDF5 1.10 loses memory where an object header's checksum is wrong (H5C_protect), and where its tables cannot be written: no news for the leak
/// sanitizer.
struct HDF5Leaks {
  HDF5Leaks() {
    ::H5garbage_collect();  // what it keeps for later was allocated, and would be reported, elsewhere
#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();
#endif
  }
  ~HDF5Leaks() {
#ifdef __SANITIZE_ADDRESS__
    __lsan_enable();
#endif
  }
};

class ArrayFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() /
             ("cdc_array_file_" + std::to_string(::getpid()) + "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder);
    fs::create_directories(folder);
    path = folder / "a.h5";
  }
  void TearDown() override { fs::remove_all(folder); }

  void write_sample() const {
    ArrayFileWriter file(path, "sample");
    Value header = Value::table();
    header["answer"] = 42;
    file.header(header);
    const std::vector<float> a = {1.5F, -2.0F, 3.25F, 4.0F, 5.0F, 6.0F};
    const std::vector<std::int64_t> b = {7, -8};
    file.write({"node.weight", ElementType::float32, {2, 3}}, a.data());
    file.write({"a/b %.", ElementType::int64, {2}}, b.data());
    file.commit();
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(folder)) all.push_back(entry.path().filename());
    return all;
  }
  static void put_byte(const fs::path& file, std::size_t at, char byte) {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(static_cast<std::streamoff>(at));
    f.put(byte);
  }
  template <class F>
  static std::string error_of(F action) {
    try {
      action();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  fs::path folder, path;
};

TEST_F(ArrayFile, GivesBackWhatWasWritten) {
  write_sample();
  const ArrayFileReader file(path, "sample");
  EXPECT_EQ(file.header().at("answer").as_integer(), 42);
  ASSERT_EQ(file.arrays().size(), 2u);
  EXPECT_EQ(file.arrays()[0].name, "node.weight");
  EXPECT_EQ(file.arrays()[0].shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(file.arrays()[1].name, "a/b %.");
  std::vector<float> a(6);
  file.read("node.weight", a.data());
  EXPECT_EQ(a, (std::vector<float>{1.5F, -2.0F, 3.25F, 4.0F, 5.0F, 6.0F}));
  const auto b = std::static_pointer_cast<const std::int64_t>(file.map("a/b %."));
  EXPECT_EQ(b.get()[0], 7);
  EXPECT_EQ(b.get()[1], -8);
  EXPECT_EQ(file.find("nothing"), nullptr);
  EXPECT_NE(error_of([&] { file.map("nothing"); }).find("a.h5 holds no array 'nothing'"), std::string::npos);
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(ArrayFile, EveryTypeScalarsAndEmptyArrays) {
  std::vector<char> data(64);
  std::iota(data.begin(), data.end(), char{1});
  std::memset(data.data(), 1, 8);  // booleans
  {
    ArrayFileWriter file(path, "types");
    for (int i = 0; i <= static_cast<int>(ElementType::float64); ++i) {
      const auto type = static_cast<ElementType>(i);
      file.write({element_type_name(type), type, {8}}, data.data());
      file.write({std::string("scalar ") + element_type_name(type), type, {}}, data.data());
      file.write({std::string("empty ") + element_type_name(type), type, {3, 0}}, nullptr);
    }
    file.write({"", ElementType::int8, {1}}, data.data());
    file.write({"..", ElementType::int8, {1}}, data.data());
    file.commit();
  }
  const ArrayFileReader file(path, "types");
  EXPECT_EQ(file.arrays().size(), 32u);
  for (const ArrayInfo& info : file.arrays()) {
    std::vector<char> back(info.bytes() + 1);
    file.read(info.name, back.data());
    EXPECT_EQ(std::memcmp(back.data(), data.data(), info.bytes()), 0) << info.name;
    EXPECT_EQ(std::memcmp(file.map(info.name).get(), data.data(), info.bytes()), 0) << info.name;
  }
  EXPECT_EQ(file.find("bfloat16")->bytes(), 16u);
}

TEST_F(ArrayFile, AMappedArrayOutlivesReaderAndName) {
  write_sample();
  std::shared_ptr<const void> memory;
  {
    const ArrayFileReader file(path, "sample");
    memory = file.map("node.weight");
  }
  fs::remove(path);
  EXPECT_EQ(static_cast<const float*>(memory.get())[5], 6.0F);
}

TEST_F(ArrayFile, ABadNameIsRefused) {
  ArrayFileWriter file(path, "sample");
  const float x = 1;
  file.write({"x", ElementType::float32, {}}, &x);
  EXPECT_NE(error_of([&] { file.write({"x", ElementType::float32, {}}, &x); }).find("two arrays called 'x'"), std::string::npos);
  EXPECT_NE(error_of([&] { file.write({std::string("a\0b", 3), ElementType::float32, {}}, &x); }).find("holds a NUL"), std::string::npos);
  EXPECT_NE(error_of([&] { file.write({"y", ElementType::float32, {-1}}, &x); }).find("'y' has a negative size"), std::string::npos);
}

TEST_F(ArrayFile, WithoutCommitNothingIsThereAndTheOldFileStays) {
  write_sample();
  const std::string before = test::read_file(path);
  {
    ArrayFileWriter file(path, "other");
    const float x = 1;
    file.write({"x", ElementType::float32, {}}, &x);
  }
  EXPECT_EQ(test::read_file(path), before);
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(ArrayFile, AMissingFileIsNamed) {
  EXPECT_EQ(error_of([&] { ArrayFileReader(path, "sample"); }), "cannot read " + path.string() + ": No such file or directory");
}

TEST_F(ArrayFile, AnotherKindIsRefused) {
  write_sample();
  EXPECT_EQ(error_of([&] { ArrayFileReader(path, "features"); }), path.string() + " holds 'sample', expected 'features'; name another file");
}

TEST_F(ArrayFile, AForeignFileIsRefused) {
  test::write_file(path, "no HDF5 at all");
  EXPECT_NE(error_of([&] { ArrayFileReader(path, "sample"); }).find(path.string() + " is damaged or cut off"), std::string::npos);
  const hid_t file = H5Fcreate((folder / "f.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(file);
  EXPECT_NE(error_of([&] { ArrayFileReader(folder / "f.h5", "sample"); }).find("f.h5 was not written by cdc"), std::string::npos);
}

/// Opens, checks all, compares with the sample: true if it is whole, false after an Error. Anything else fails the test.
bool whole(const fs::path& path) {
  try {
    const ArrayFileReader file(path, "sample");
    std::vector<float> a(6);
    std::vector<std::int64_t> b(2);
    if (file.find("node.weight") == nullptr || file.find("node.weight")->bytes() != 24 || file.find("a/b %.") == nullptr)
      throw std::logic_error("other arrays");
    file.read("node.weight", a.data());
    file.read("a/b %.", b.data());
    if (a != std::vector<float>{1.5F, -2.0F, 3.25F, 4.0F, 5.0F, 6.0F} || b != std::vector<std::int64_t>{7, -8} ||
        file.header().at("answer").as_integer() != 42)
      throw std::logic_error("other contents");
    for (const ArrayInfo& info : file.arrays()) file.map(info.name);
    return true;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(path.string()), std::string::npos) << e.what();
    return false;
  }
}

TEST_F(ArrayFile, AFileCutAnywhereIsFound) {
  write_sample();
  const std::string bytes = test::read_file(path);
  ASSERT_TRUE(whole(path));
  for (std::size_t size = 0; size < bytes.size(); size += 37) {
    test::write_file(path, bytes.substr(0, size));
    EXPECT_FALSE(whole(path)) << "cut at " << size << " of " << bytes.size();
  }
}

TEST_F(ArrayFile, AFlippedBitIsFoundOrHarmless) {
  const HDF5Leaks leaks;
  write_sample();
  const std::string bytes = test::read_file(path);
  std::size_t harmless = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    put_byte(path, i, static_cast<char>(bytes[i] ^ (1 << (i % 8))));
    if (whole(path)) ++harmless;
    put_byte(path, i, bytes[i]);
  }
  // Unused space between HDF5's objects may be anything; what is used is covered.
  EXPECT_LT(harmless, bytes.size());
  // In the arrays' own bytes every flip is found.
  const float first[] = {1.5F, -2.0F, 3.25F};
  const std::size_t at = bytes.find(std::string(reinterpret_cast<const char*>(first), sizeof first));
  ASSERT_NE(at, std::string::npos);
  for (std::size_t bit = 0; bit < 24 * 8; ++bit) {
    const std::size_t byte = at + bit / 8;
    put_byte(path, byte, static_cast<char>(bytes[byte] ^ (1 << (bit % 8))));
    EXPECT_FALSE(whole(path)) << bit;
    put_byte(path, byte, bytes[byte]);
  }
}

TEST_F(ArrayFile, AFullDiskIsAnErrorThatNamesTheFileAndLeavesNothing) {
  const HDF5Leaks leaks;
  write_sample();
  const std::string before = test::read_file(path);
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { 100000, old.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::vector<float> large(100000, 1.0F);
  const std::string wrote = error_of([&] {
    ArrayFileWriter file(path, "sample");
    file.write({"large", ElementType::float32, {100000}}, large.data());
    file.commit();
  });
  const std::string text = error_of([&] { write_file(path, std::string(200000, 'x')); });
  // Many small arrays: the limit is met in HDF5's own tables, at flush or close.
  const std::string many = error_of([&] {
    ArrayFileWriter file(path, "sample");
    for (int i = 0; i < 2000; ++i) file.write({"array " + std::to_string(i), ElementType::float32, {4}}, large.data());
    file.commit();
  });
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, previous);
  const std::string expected = "cannot write " + path.string() + ": File too large; the limit on the size of files (ulimit -f) is too low";
  EXPECT_EQ(wrote, expected);
  EXPECT_EQ(text, expected);
  EXPECT_EQ(many, expected);
  EXPECT_EQ(test::read_file(path), before);
  EXPECT_EQ(files().size(), 1u);
  write_sample();  // and HDF5 works on
  EXPECT_TRUE(whole(path));
}

TEST_F(ArrayFile, AFolderThatCannotBeWrittenIsNamed) {
  const fs::path nowhere = folder / "none" / "a.h5";
  EXPECT_EQ(error_of([&] { ArrayFileWriter(nowhere, "sample"); }), "cannot write " + nowhere.string() + ": No such file or directory");
  EXPECT_EQ(error_of([&] { write_file(nowhere, "x"); }), "cannot write " + nowhere.string() + ": No such file or directory");
  EXPECT_EQ(error_of([&] { read_file(nowhere); }), "cannot read " + nowhere.string() + ": No such file or directory");
}

TEST_F(ArrayFile, ManyThreadsWriteAndReadAtOnce) {
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const fs::path mine = folder / (std::to_string(t) + ".h5");
        const std::vector<std::int32_t> data(1000, t * 100 + i);
        ArrayFileWriter file(mine, "thread");
        file.write({"data", ElementType::int32, {1000}}, data.data());
        file.commit();
        std::vector<std::int32_t> back(1000);
        ArrayFileReader(mine, "thread").read("data", back.data());
        if (back == data) ++good[static_cast<std::size_t>(t)];
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, std::vector<int>(4, 20));
}

TEST_F(ArrayFile, TextFilesAreReplacedWhole) {
  write_file(path, "one");
  write_file(path, "two");
  EXPECT_EQ(read_file(path), "two");
  EXPECT_EQ(files().size(), 1u);
}

}  // namespace
}  // namespace cdc
