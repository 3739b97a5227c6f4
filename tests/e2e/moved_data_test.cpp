// Data count by what they are, not by where they lie: a folder that was moved, or is called by another path, costs nothing again.
#include "data/image_sheet.hpp"
#include "e2e/small_pipeline.hpp"

namespace cdc::test {
namespace {

class MovedData : public SmallPipeline {
 protected:
  /// Of a run's stages: "cached", "computed" or, where they differ, "mixed".
  std::string states(const std::vector<std::string>& arguments) const {
    fs::remove_all(folder_ / "runs");
    const ProcessResult r = cdc_run(arguments);
    EXPECT_EQ(r.code, 0) << r.err;
    std::string out;
    const Value all = summary();
    for (const auto& [name, stage] : all.at("stages").as_table()) {
      if (name == "images") continue;  // a data set is opened, not cached
      const std::string state = stage.at("cached").as_boolean() ? "cached" : "computed";
      out = out.empty() || out == state ? state : "mixed";
    }
    return out;
  }
};

TEST_F(MovedData, FilesOfADataSet) {
  const std::vector<std::string> short_run = {"stage.cdc.epochs=1"};
  ASSERT_EQ(states(short_run), "computed");
  const std::string expected = without_times(summary().at("scores"));
  fs::create_directories(folder_ / "elsewhere");
  fs::rename(folder_ / "data", folder_ / "elsewhere/moved");
  const std::string moved = (folder_ / "elsewhere/moved").string();
  for (const std::string& root : {moved, moved + "/", std::string("elsewhere/moved"), std::string("./elsewhere/../elsewhere/moved")}) {
    EXPECT_EQ(states({short_run[0], "stage.images.root=" + root}), "cached") << root;
    EXPECT_EQ(without_times(summary().at("scores")), expected);
  }
  // What they are does count: one label, at the same size and time.
  const fs::path labels = folder_ / "elsewhere/moved/train-labels-idx1-ubyte";
  const auto time = fs::last_write_time(labels);
  std::string bytes = read_file(labels);
  bytes.back() = static_cast<char>((bytes.back() + 1) % 4);
  write_file(labels, bytes);
  fs::last_write_time(labels, time);
  EXPECT_NE(states({short_run[0], "stage.images.root=elsewhere/moved"}), "cached");
}

TEST_F(MovedData, AFolderOfImages) {
  const auto write = [](const fs::path& file, int shade) {
    auto bytes = std::make_shared<std::vector<std::uint8_t>>(12 * 12 * 3, static_cast<std::uint8_t>(shade));
    for (std::size_t i = 0; i < bytes->size(); i += 7) (*bytes)[i] = static_cast<std::uint8_t>(i);
    fs::create_directories(file.parent_path());
    write_file(file, encode_png({12, 12, 3, std::shared_ptr<const std::uint8_t>(bytes, bytes->data())}));
  };
  for (int i = 0; i < 12; ++i) write(folder_ / "photos" / (i % 2 == 0 ? "dark" : "light") / (std::to_string(i) + ".png"), i % 2 == 0 ? 10 + i : 200 + i);
  write_file(file_, R"([pipeline]
name = "small"

[stage.images]
plugin = "dataset.image_folder"
root = ")" + (folder_ / "photos").string() +
                        R"("

[stage.pixels]
plugin = "stage.extract"
in.data = "images"
node = "plain"

[stage.pixels.graph.plain]
plugin = "augment.plain"
size = 12

[stage.kmeans]
plugin = "cluster.kmeans"
in.features = "pixels"
clusters = 2

[stage.scores]
plugin = "metric.clustering"
in.prediction = "kmeans"
in.data = "images"
)");
  ASSERT_EQ(states({}), "computed");
  fs::rename(folder_ / "photos", folder_ / "moved photos");
  EXPECT_EQ(states({"stage.images.root=" + (folder_ / "moved photos").string()}), "cached");
  EXPECT_EQ(states({"stage.images.root=moved photos/"}), "cached");
  for (const auto& file : fs::recursive_directory_iterator(folder_ / "moved photos"))  // touched, or copied without their times
    if (file.is_regular_file()) fs::last_write_time(file, fs::file_time_type::clock::now());
  EXPECT_EQ(states({"stage.images.root=moved photos"}), "cached");
  // Other pixels under the same name, and the same pixels under another.
  write(folder_ / "moved photos/dark/0.png", 90);
  EXPECT_NE(states({"stage.images.root=moved photos"}), "cached");
  EXPECT_EQ(states({"stage.images.root=moved photos"}), "cached");
  fs::rename(folder_ / "moved photos/dark/2.png", folder_ / "moved photos/dark/two.png");
  EXPECT_NE(states({"stage.images.root=moved photos"}), "cached");
}

}  // namespace
}  // namespace cdc::test
