#include "artifact/projector.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "support/errors.hpp"
#include "support/files.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

class ProjectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("cdc_projector_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }
  fs::path folder;
};

TEST_F(ProjectorTest, ConfigAsTextOfItsMessage) {
  ProjectorEmbedding one;
  one.name = "features.features, 10 of \"20\" rows\t\\";
  one.tensor = "features.features.bytes";
  one.rows = 10;
  one.columns = 4;
  ProjectorEmbedding two = one;
  two.name = "b";
  two.metadata = "images.metadata.tsv";
  two.sprite = "images.sprite.png";
  two.tile_height = 28;
  two.tile_width = 30;
  EXPECT_EQ(projector_config({one, two}), R"(embeddings {
  tensor_name: "features.features, 10 of \"20\" rows\011\\"
  tensor_path: "features.features.bytes"
  tensor_shape: 10
  tensor_shape: 4
}
embeddings {
  tensor_name: "b"
  tensor_path: "features.features.bytes"
  tensor_shape: 10
  tensor_shape: 4
  metadata_path: "images.metadata.tsv"
  sprite {
    image_path: "images.sprite.png"
    single_image_dim: 30
    single_image_dim: 28
  }
}
)");
}

TEST_F(ProjectorTest, MetadataHasNamesUnlessItIsOneColumn) {
  EXPECT_EQ(projector_metadata({{"sample", {"0", "5"}}, {"label", {"a\tb", "c\nd"}}}), "sample\tlabel\n0\ta b\n5\tc d\n");
  EXPECT_EQ(projector_metadata({{"sample", {"0", "5"}}}), "0\n5\n");
  EXPECT_EQ(projector_metadata({}), "");
}

TEST_F(ProjectorTest, MatricesThatCouldBeTakenForTextAreText) {
  const std::vector<float> numbers{0.5f, -1.0f, 3.1415927f, 1e-20f, 7.0f, -0.0f};
  ASSERT_EQ(write_projector_tensor(folder, "a", numbers, 3, 2), "a.bytes");  // -1 is 00 00 80 bf
  EXPECT_EQ(test::read_file(folder / "a.bytes"), std::string(reinterpret_cast<const char*>(numbers.data()), 24));
  // Zeros and twos (00 00 00 40) are ASCII, and a line's end (0a) before the first byte that is no text ends what the projector looks at.
  float line_end = 0;
  std::memcpy(&line_end, "\x01\x0a\x01\x41", 4);
  ASSERT_EQ(write_projector_tensor(folder, "a", {0, 2, 2, 0}, 2, 2), "a.tsv");
  EXPECT_EQ(test::read_file(folder / "a.tsv"), "0\t2\n2\t0\n");
  EXPECT_FALSE(fs::exists(folder / "a.bytes"));
  ASSERT_EQ(write_projector_tensor(folder, "b", {line_end, -1}, 1, 2), "b.tsv");
  EXPECT_EQ(test::read_file(folder / "b.tsv"), "8.064942\t-1\n");
  ASSERT_EQ(write_projector_tensor(folder, "a", numbers, 3, 2), "a.bytes");
  EXPECT_FALSE(fs::exists(folder / "a.tsv"));
}

TEST_F(ProjectorTest, AFolderThatIsNotThereIsNamed) {
  EXPECT_EQ(test::error_of([&] { write_projector_tensor(folder / "none", "a", {-1}, 1, 1); }),
            "cannot write " + (folder / "none" / "a.bytes").string() + ": No such file or directory");
}

}  // namespace
}  // namespace cdc
