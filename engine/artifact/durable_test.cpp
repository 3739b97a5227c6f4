// What outlives a power cut: contents that were flushed after they were written, under names whose folder was flushed after it got them.
// No test can cut the power; these record the calls instead, by functions that stand before the C library's.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "artifact/array_file.hpp"
#include "artifact/cache.hpp"
#include "artifact/files.hpp"
#include "artifact/run_directory.hpp"
#include "cdc/artifact.hpp"

namespace {

struct Call {
  enum Kind { sync, name } kind;
  ino_t inode;  ///< what was flushed; of a new name, the folder that holds it
  off_t size;
};

std::mutex mutex;
bool recording = false;
std::vector<Call> calls;

void record(Call::Kind kind, const struct stat& status) {
  const std::lock_guard<std::mutex> guard(mutex);
  if (recording) calls.push_back({kind, status.st_ino, status.st_size});
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int fsync(int fd) {
  static const auto real = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, "fsync"));
  struct stat status {};
  if (::fstat(fd, &status) == 0) record(Call::sync, status);
  return real(fd);
}

extern "C" __attribute__((visibility("default"))) int rename(const char* from, const char* to) noexcept {
  static const auto real = reinterpret_cast<int (*)(const char*, const char*)>(::dlsym(RTLD_NEXT, "rename"));
  const int result = real(from, to);
  const std::string folder = std::filesystem::path(to).parent_path().string();
  struct stat status {};
  if (result == 0 && ::stat(folder.empty() ? "." : folder.c_str(), &status) == 0) record(Call::name, status);
  return result;
}

namespace cdc {
namespace {

namespace fs = std::filesystem;

class DurableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("cdc_durable_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::create_directories(folder);
    const std::lock_guard<std::mutex> guard(mutex);
    calls.clear();
    recording = true;
  }
  void TearDown() override {
    {
      const std::lock_guard<std::mutex> guard(mutex);
      recording = false;
    }
    fs::remove_all(folder);
  }

  static struct stat status_of(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status;
  }
  /// The contents as they are now.
  static bool contents_stay(const fs::path& file) {
    const struct stat now = status_of(file);
    for (const Call& c : calls)
      if (c.kind == Call::sync && c.inode == now.st_ino && c.size == now.st_size) return true;
    return false;
  }
  /// All the names that the folder holds now.
  static bool names_stay(const fs::path& of_folder) {
    const struct stat now = status_of(of_folder);
    bool stay = false;
    for (const Call& c : calls)
      if (c.inode == now.st_ino) stay = c.kind == Call::sync;
    return stay;
  }

  fs::path folder;
};

TEST_F(DurableTest, AFileLastsAsFarAsWasAsked) {
  write_file(folder / "all", "text");
  EXPECT_TRUE(contents_stay(folder / "all"));
  EXPECT_TRUE(names_stay(folder));
  write_file(folder / "contents", "text", Durable::contents);
  EXPECT_TRUE(contents_stay(folder / "contents"));
  EXPECT_FALSE(names_stay(folder));
  const std::size_t before = calls.size();
  write_file(folder / "nothing", "text", Durable::nothing);
  EXPECT_FALSE(contents_stay(folder / "nothing"));
  EXPECT_EQ(calls.size(), before + 1);  // the rename: nothing waits for the disk
}

TEST_F(DurableTest, ACheckpointLasts) {
  ArrayFileWriter file(folder / "checkpoint.h5", "checkpoint");
  const std::vector<float> weights(100000, 1.5F);
  file.write({"weights", ElementType::float32, {100000}}, weights.data());
  file.commit();
  EXPECT_TRUE(contents_stay(folder / "checkpoint.h5"));
  EXPECT_TRUE(names_stay(folder));
}

TEST_F(DurableTest, AResultOfTheCacheLasts) {
  const std::string key = "0123456789abcdef0123456789abcdef";
  Cache cache(folder / "cache");
  auto assignment = std::make_shared<Assignment>();
  assignment->cluster = {2, 0, 1};
  assignment->clusters = 3;
  const auto pending = cache.begin(key);
  pending->put("assignment", PortType::assignment, assignment);
  pending->commit(Value::table());
  const fs::path entry = folder / "cache" / key.substr(0, 2) / key;
  EXPECT_TRUE(contents_stay(entry / "assignment.h5"));
  EXPECT_TRUE(contents_stay(entry / "entry.json"));
  EXPECT_TRUE(names_stay(entry));
  EXPECT_TRUE(names_stay(entry.parent_path()));
  EXPECT_TRUE(names_stay(folder / "cache"));  // it got a new folder
}

TEST_F(DurableTest, ARunThatEndedLasts) {
  RunDirectory::Request request;
  request.runs = folder / "runs";
  request.pipeline = "pipeline";
  RunDirectory run(request);
  run.pipeline("pipeline.toml", "[pipeline]\n");
  run.record(Value::table());
  run.stages({"train"});
  Value line = Value::table();
  line["epoch"] = 1;
  run.metric("train", line);
  run.finish_metrics();
  run.summary(Value::table());
  for (const char* name : {"pipeline.toml", "run.json", "metrics.jsonl", "summary.json"}) EXPECT_TRUE(contents_stay(run.path() / name)) << name;
  EXPECT_TRUE(names_stay(run.path()));
  EXPECT_TRUE(names_stay(run.path().parent_path()));
}

}  // namespace
}  // namespace cdc
