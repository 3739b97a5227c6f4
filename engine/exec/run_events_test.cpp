#include "exec/run_events.hpp"

#include <png.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>

#include "support/errors.hpp"
#include "support/events.hpp"
#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

std::vector<int> pixels_of(const ReadEvent::Picture& picture) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  EXPECT_TRUE(png_image_begin_read_from_memory(&header, picture.png.data(), picture.png.size())) << header.message;
  EXPECT_EQ(static_cast<int>(header.height), picture.height);
  EXPECT_EQ(static_cast<int>(header.width), picture.width);
  EXPECT_EQ(picture.channels, 1);
  header.format = PNG_FORMAT_GRAY;
  std::vector<std::uint8_t> bytes(PNG_IMAGE_SIZE(header));
  EXPECT_TRUE(png_image_finish_read(&header, nullptr, bytes.data(), 0, nullptr)) << header.message;
  return {bytes.begin(), bytes.end()};
}

class RunEventsTest : public FakePipeline {
 protected:
  RunResult run_shown(const std::vector<std::string>& overrides = {}) {
    listener = Listener();
    RunOptions all = options(listener);
    all.tensorboard = true;
    return run_pipeline(plan(overrides), registry(), all);
  }
  fs::path shown() const { return latest() / "tensorboard"; }
};

TEST_F(RunEventsTest, ARunShowsItsMetricsScoresAndImages) {
  run_shown({"stage.features.scale=1"});
  const SeenEvents seen = seen_in(shown());
  EXPECT_EQ(seen.points, points_of_run(latest()));
  EXPECT_EQ(seen.points.at("kmeans/value").size(), 3u);
  EXPECT_EQ(seen.points.at("other/value").size(), 5u);
  ASSERT_EQ(seen.pictures.size(), 3u);
  // Ten samples, as many as there are; then eight in a row: the free tiles are grey.
  EXPECT_EQ(pixels_of(seen.pictures.at("samples/images")), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 128, 128, 128, 128, 128, 128}));
  // Clusters by remainder: the even numbers and the odd ones, a row each.
  std::vector<int> rows = pixels_of(seen.pictures.at("clusters/kmeans"));
  ASSERT_EQ(rows.size(), 20u);
  EXPECT_EQ(std::vector<int>(rows.begin() + 5, rows.begin() + 10), std::vector<int>(5, 128));
  EXPECT_EQ(std::vector<int>(rows.begin() + 15, rows.end()), std::vector<int>(5, 128));
  rows = {rows[0], rows[1], rows[2], rows[3], rows[4], rows[10], rows[11], rows[12], rows[13], rows[14]};
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(rows, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(RunEventsTest, WithoutItNothingIsWrittenNorOpened) {
  run();
  EXPECT_FALSE(fs::exists(shown()));
  const std::size_t before = trace().size();
  run();
  EXPECT_EQ(trace().size(), before);
  run_shown();
  EXPECT_EQ(trace().size(), before + 2);
}

TEST_F(RunEventsTest, OfCachedStagesTheSame) {
  run_shown();
  const SeenEvents first = seen_in(shown());
  const fs::path before = fs::canonical(latest());
  run_shown();
  ASSERT_NE(fs::canonical(latest()), before);
  EXPECT_EQ(sorted(listener.cached), (std::vector<std::string>{"features", "kmeans", "other", "scores"}));
  EXPECT_EQ(listener.why.at("images"), "--tensorboard shows its images");
  const SeenEvents second = seen_in(shown());
  EXPECT_EQ(second.points, first.points);
  ASSERT_EQ(second.pictures.size(), first.pictures.size());
  for (const auto& [tag, picture] : first.pictures) EXPECT_EQ(second.pictures.at(tag).png, picture.png) << tag;
}

TEST_F(RunEventsTest, WhereNothingMayRunDataSetsAreOpenedAllTheSame) {
  RunOptions all = options(listener);
  all.tensorboard = all.only_cached = true;
  EXPECT_EQ(test::error_of([&] { run_pipeline(plan(), registry(), all); }), "stage 'features' would have to run: no result with this key");
  EXPECT_FALSE(fs::exists(folder / "runs"));
  run();
  run_pipeline(plan(), registry(), all);
  EXPECT_EQ(seen_in(shown()).pictures.size(), 3u);
}

TEST_F(RunEventsTest, TheProjectorGetsFeaturesWithClustersLabelsAndPictures) {
  run_shown({"stage.images.samples=10"});
  EXPECT_EQ(read_file(shown() / "projector_config.pbtxt"),
            "embeddings {\n  tensor_name: \"features\"\n  tensor_path: \"features.features.bytes\"\n  tensor_shape: 10\n  tensor_shape: 1\n"
            "  metadata_path: \"images.metadata.tsv\"\n  sprite {\n    image_path: \"images.sprite.png\"\n    single_image_dim: 1\n    "
            "single_image_dim: 1\n"
            "  }\n}\n");
  std::istringstream rows(read_file(shown() / "images.metadata.tsv"));
  std::string line;
  std::getline(rows, line);
  EXPECT_EQ(line, "sample\tkmeans\tother\tlabel");
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(std::getline(rows, line));
    EXPECT_EQ(line.substr(0, 2), std::to_string(i) + "\t");
    EXPECT_EQ(line.substr(line.rfind('\t') + 1), i % 2 == 0 ? "even" : "odd");
  }
  EXPECT_FALSE(std::getline(rows, line));
}

TEST_F(RunEventsTest, OfLargeMatricesTenThousandRowsEvenlySpaced) {
  run_shown({"stage.images.samples=25000"});
  const std::string config = read_file(shown() / "projector_config.pbtxt");
  EXPECT_NE(config.find("tensor_name: \"features, 10000 of 25000 rows\""), std::string::npos) << config;
  const std::string bytes = read_file(shown() / "features.features.bytes");
  ASSERT_EQ(bytes.size(), 40000u);
  std::vector<float> values(10000);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], 2.0f * static_cast<float>(i * 25000 / 10000));
  std::istringstream rows(read_file(shown() / "images.metadata.tsv"));
  std::string line;
  for (std::size_t i = 0; i < 3; ++i) std::getline(rows, line);
  EXPECT_EQ(line.substr(0, 2), "2\t");
}

// A stage that gives its lines twice, as one may that finds a checkpoint late: readers forget the first, of other stages nothing is lost.
TEST_F(RunEventsTest, LinesThatAreReplacedAreForgotten) {
  const Plan the_plan = plan();
  RunEvents events(the_plan, folder);
  const auto line = [](int epoch, double loss) {
    Value v = Value::table();
    v["epoch"] = epoch;
    v["loss"] = loss;
    return v;
  };
  events.added("kmeans", line(1, 5));
  events.added("kmeans", line(2, 4));
  events.added("other", line(1, 9));
  events.replaced("kmeans", {line(1, 3)});
  events.added("kmeans", line(2, 2));
  EXPECT_EQ(seen_in(folder / "tensorboard").points, (EventPoints{{"kmeans/loss", {{1, 3}, {2, 2}}}, {"other/loss", {{1, 9}}}}));
}

TEST_F(RunEventsTest, StepsAndNames) {
  const Plan the_plan = plan();
  RunEvents events(the_plan, folder);
  events.added("a", Value::from_json(R"({"restart": 2, "epoch": 7, "loss": 1, "kmeans": {"oracle": {"acc": 0.5}, "name": "x"}, "on": true})"));
  events.added("b", Value::from_json(R"({"step": 100, "loss": 1})"));
  events.added("c", Value::from_json(R"({"restart": "none", "inertia": 3})"));
  Value none = Value::table();
  none["inertia"] = std::nan("");
  none["epoch"] = 1.5;
  events.added("c", none);
  EXPECT_EQ(seen_in(folder / "tensorboard").points, (EventPoints{{"a/loss/restart_2", {{7, 1}}},
                                                                 {"a/kmeans.oracle.acc/restart_2", {{7, 0.5f}}},
                                                                 {"b/loss", {{100, 1}}},
                                                                 {"c/inertia", {{1, 3}}},
                                                                 {"c/epoch", {{2, 1.5f}}}}));
}

TEST_F(RunEventsTest, ARunThatIsReplacedLeavesNothingOfItsOwn) {
  const fs::path here = folder / "here" / "tensorboard";
  const auto into = [&](bool tensorboard, const std::string& change) {
    RunOptions all = options(listener);
    all.run_directory = folder / "here";
    all.tensorboard = tensorboard;
    run_pipeline(plan({change}), registry(), all);
  };
  into(true, "stage.other.steps=5");
  write_file(here / "mine", "of no run");
  EXPECT_EQ(seen_in(here).points.at("other/value").size(), 5u);
  // Its events are emptied, not removed: a reader may be looking on.
  into(true, "stage.other.steps=2");
  EXPECT_EQ(seen_in(here).points, points_of_run(folder / "here"));
  const std::vector<fs::path> files = event_files(here);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(fs::file_size(files[0]), 0u);
  into(false, "stage.other.steps=3");
  EXPECT_EQ(std::distance(fs::directory_iterator(here), {}), 1);
  EXPECT_EQ(read_file(here / "mine"), "of no run");
  fs::remove(here / "mine");
  into(true, "stage.other.steps=5");
  into(false, "stage.other.steps=3");
  EXPECT_FALSE(fs::exists(here));
  // What a link leads to is somebody's.
  const fs::path elsewhere = folder / "elsewhere";
  fs::create_directories(elsewhere);
  write_file(elsewhere / "projector_config.pbtxt", "mine");
  fs::create_directory_symlink(elsewhere, here);
  into(false, "stage.other.steps=5");
  EXPECT_EQ(read_file(elsewhere / "projector_config.pbtxt"), "mine");
}

TEST_F(RunEventsTest, WhatCannotBeWrittenOrReadIsNamed) {
  RunOptions all = options(listener);
  all.run_directory = folder / "here";
  run_pipeline(plan(), registry(), all);
  all.tensorboard = true;
  write_file(all.run_directory / "tensorboard", "a file");
  EXPECT_EQ(test::error_of([&] { run_pipeline(plan(), registry(), all); }),
            "cannot make the folder " + (all.run_directory / "tensorboard").string() + ": Not a directory");
  fs::remove(all.run_directory / "tensorboard");
  fs::create_directories(all.run_directory / "tensorboard" / "projector_config.pbtxt");
  EXPECT_EQ(test::error_of([&] { run_pipeline(plan(), registry(), all); }),
            "cannot write " + (all.run_directory / "tensorboard" / "projector_config.pbtxt").string() + ": Is a directory");
  fs::remove_all(all.run_directory);
  EXPECT_EQ(test::error_of([&] { run_pipeline(plan({"stage.images.broken=5"}), registry(), all); }),
            "stage 'images' (plugin fake.data): picture 5 is torn");
}

TEST_F(RunEventsTest, AFullDiskIsToldWithTheFile) {
  const Plan the_plan = plan();
  RunEvents events(the_plan, folder);
  const fs::path file = event_files(folder / "tensorboard").front();
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { fs::file_size(file) + 10, old.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string said = error_of([&] { events.added("kmeans", Value::from_json(R"({"epoch": 1, "loss": 2})")); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, previous);
  EXPECT_EQ(said, "cannot write " + file.string() + ": File too large; the limit on the size of files (ulimit -f) is too low");
}

}  // namespace
}  // namespace cdc::test
