#include "artifact/event_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "support/errors.hpp"
#include "support/events.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// A CRC without its mask.
std::uint32_t crc_of(std::string_view data) {
  const std::uint32_t turned = masked_crc32c(data) - 0xa282ead8;
  return turned >> 17 | turned << 15;
}

// RFC 3720, appendix B.4, and the check value of the catalogue of CRC algorithms.
TEST(Crc32c, TheStandardsVectors) {
  EXPECT_EQ(crc_of("123456789"), 0xe3069283u);
  EXPECT_EQ(crc_of(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc_of(std::string(32, '\xff')), 0x62a8ab43u);
  std::string up, down;
  for (int i = 0; i < 32; ++i) {
    up += static_cast<char>(i);
    down += static_cast<char>(31 - i);
  }
  EXPECT_EQ(crc_of(up), 0x46dd794eu);
  EXPECT_EQ(crc_of(down), 0x113fdb5cu);
  EXPECT_EQ(crc_of(""), 0u);
}

// What tensorboard.summary.writer.record_writer of TensorBoard 2.21 writes of Event(wall_time=1234.5, file_version="brain.Event:2").
TEST(TFRecord, BytesOfAnotherWriter) {
  const std::string event(
      "\x09\0\0\0\0\0\x4a\x93\x40\x1a\x0d"
      "brain.Event:2",
      24);
  const std::string record = tfrecord(event);
  ASSERT_EQ(record.size(), 40u);
  EXPECT_EQ(record.substr(0, 12), std::string("\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22", 12));
  EXPECT_EQ(record.substr(12, 24), event);
  EXPECT_EQ(record.substr(36), "\x65\xb8\xd3\xfb");
}

class EventFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("cdc_events_" + std::to_string(::getpid())) / "tensorboard";
    fs::remove_all(folder.parent_path());
  }
  void TearDown() override { fs::remove_all(folder.parent_path()); }
  fs::path folder;
};

TEST_F(EventFileTest, EachEventIsThereAtOnce) {
  EventFile file(folder);
  EXPECT_EQ(file.path().filename().string().rfind("events.out.tfevents.", 0), 0u);
  std::vector<test::ReadEvent> events = test::read_events(file.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_TRUE(events[1].start);
  EXPECT_EQ(events[1].step, 0);

  file.scalars(-3, {{"train/loss", 0.1}, {"train/\xc3\xa9t\xc3\xa9", -1e30}});
  file.image(1LL << 40, "samples", 2, 3, 1, std::string("\x89PNG\0x", 6));
  file.restart();
  events = test::read_events(file.path());
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[2].step, -3);
  EXPECT_EQ(events[2].scalars, (std::vector<std::pair<std::string, float>>{{"train/loss", 0.1f}, {"train/\xc3\xa9t\xc3\xa9", -1e30f}}));
  EXPECT_NEAR(events[2].wall_time, static_cast<double>(::time(nullptr)), 60);
  EXPECT_EQ(events[3].step, 1LL << 40);
  ASSERT_EQ(events[3].pictures.size(), 1u);
  EXPECT_EQ(events[3].pictures[0].tag, "samples");
  EXPECT_EQ(events[3].pictures[0].png, std::string("\x89PNG\0x", 6));
  EXPECT_EQ(events[3].pictures[0].height, 2);
  EXPECT_EQ(events[3].pictures[0].width, 3);
  EXPECT_EQ(events[3].pictures[0].channels, 1);
  EXPECT_TRUE(events[4].start);
}

TEST_F(EventFileTest, ALaterFileSortsBehindAndEmptiesThoseOfThisClass) {
  fs::create_directories(folder);
  const fs::path others = folder / "events.out.tfevents.9999999998.host.1.0", clock_was_ahead = folder / "events.out.tfevents.9999999990.cdc.77";
  test::write_file(others, "another program's");
  test::write_file(clock_was_ahead, "of an earlier start");
  const EventFile file(folder);
  EXPECT_GT(file.path().filename(), clock_was_ahead.filename());
  EXPECT_EQ(test::read_file(clock_was_ahead), "");
  EXPECT_EQ(test::read_file(others), "another program's");
  const EventFile second(folder);
  EXPECT_GT(second.path().filename(), file.path().filename());
  EXPECT_EQ(test::read_file(file.path()), "");
}

TEST_F(EventFileTest, WhereItCannotBeWrittenItIsNamed) {
  fs::create_directories(folder.parent_path());
  test::write_file(folder, "a file");
  EXPECT_EQ(test::error_of([&] { EventFile file(folder); }), "cannot make the folder " + folder.string() + ": Not a directory");
}

TEST_F(EventFileTest, AFullDiskIsAnErrorThatNamesTheFile) {
  EventFile file(folder);
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { 1000, old.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string image = test::error_of([&] { file.image(0, "a", 1, 1, 1, std::string(2000, 'x')); });
  const std::string scalars = test::error_of([&] { file.scalars(0, {{"a", 1}}); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, previous);
  const std::string expected = "cannot write " + file.path().string() + ": File too large; the limit on the size of files (ulimit -f) is too low";
  EXPECT_EQ(image, expected);
  EXPECT_EQ(scalars, expected);
}

}  // namespace
}  // namespace cdc
