#include "dataset_test.hpp"
#include "support/files.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::open_dataset;
using cdc::test::TemporaryFolder;

/// An image whose pixel (y, x) is (y, x, blue), as the files have it: planes, each column by column.
std::string image(int blue) {
  std::string r;
  for (int x = 0; x < 96; ++x)
    for (int y = 0; y < 96; ++y) r.push_back(static_cast<char>(y));
  for (int x = 0; x < 96; ++x) r += std::string(96, static_cast<char>(x));
  return r + std::string(96 * 96, static_cast<char>(blue));
}

class Stl10 : public ::testing::Test {
 protected:
  Stl10() {
    folder.write("train_X.bin", image(1) + image(2));
    folder.write("train_y.bin", "\x02\x0a");
    folder.write("test_X.bin", image(3));
    folder.write("test_y.bin", "\x01");
    folder.write("unlabeled_X.bin", image(4) + image(5) + image(6));
  }
  std::string file(const char* name) const { return (folder.path() / name).string(); }
  cdc::Value::Table parameters(const std::string& split) const { return {{"root", folder.path().string()}, {"split", split}}; }
  std::string error(const std::string& split) const {
    return error_of([&] { open_dataset("dataset.stl10", parameters(split)); });
  }
  TemporaryFolder folder;
};

TEST_F(Stl10, ReadsColumnsAsRowsAndLabelsFromZero) {
  const auto data = open_dataset("dataset.stl10", parameters("train+test"));
  ASSERT_EQ(data->size(), 3);
  EXPECT_EQ(data->channels(), 3);
  EXPECT_EQ(data->image_size(), (std::array<int, 2>{96, 96}));
  EXPECT_EQ(data->labels(), (std::vector<std::int32_t>{1, 9, 0}));
  EXPECT_EQ(data->class_names()[7], "monkey");
  EXPECT_EQ(data->split(), "train+test");
  EXPECT_EQ(cdc::test::parts_of(*data), "train 2, test 1");
  for (int i = 0; i < 3; ++i) {
    const cdc::Image read = data->image(i);
    EXPECT_EQ(read.row(7)[3 * 90], 7);
    EXPECT_EQ(read.row(7)[3 * 90 + 1], 90);
    EXPECT_EQ(read.row(95)[3 * 95 + 2], i + 1);
  }
  EXPECT_EQ(data->sample_name(2), file("test_X.bin") + "#0");
}

TEST_F(Stl10, WithUnlabeledImagesThereAreNoLabels) {
  const auto all = open_dataset("dataset.stl10", parameters("train+test+unlabeled"));
  EXPECT_EQ(all->size(), 6);
  EXPECT_TRUE(all->labels().empty());
  EXPECT_TRUE(all->class_names().empty());
  EXPECT_EQ(cdc::test::parts_of(*all), "train 2, test 1, unlabeled 3");
  EXPECT_EQ(all->image(5).row(0)[2], 6);
  std::filesystem::remove(folder.path() / "train_y.bin");
  EXPECT_EQ(open_dataset("dataset.stl10", parameters("unlabeled"))->size(), 3);
}

TEST_F(Stl10, ManyImagesKeepTheirOrder) {
  std::string images;
  for (int i = 0; i < 600; ++i) images += image(i % 251);
  folder.write("unlabeled_X.bin", images);
  const auto data = open_dataset("dataset.stl10", parameters("unlabeled"));
  ASSERT_EQ(data->size(), 600);
  for (int i = 0; i < 600; ++i) ASSERT_EQ(data->image(i).row(50)[2], i % 251) << i;
}

TEST_F(Stl10, ClassNamesOfTheFolderCount) {
  const auto names = folder.write("class_names.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
  EXPECT_EQ(open_dataset("dataset.stl10", parameters("test"))->class_names()[9], "j");
  folder.write("class_names.txt", "a\nb\n");
  EXPECT_EQ(error("test"), names.string() + ": 2 class names; 10 are expected");
}

TEST_F(Stl10, NamesAMissingFile) {
  for (const char* name : {"train_y.bin", "train_X.bin"}) {
    std::filesystem::remove(folder.path() / name);
    EXPECT_EQ(error("train"), file(name) + ": not there; set root to the folder of the binary version's files (stl10_binary)");
  }
}

TEST_F(Stl10, NamesACutFile) {
  folder.write("test_X.bin", image(1).substr(1));
  EXPECT_EQ(error("test"), file("test_X.bin") +
                               ": 27647 bytes is no whole number of records of 27648 bytes; it is cut short or not a file of this "
                               "data set; fetch it again");
}

TEST_F(Stl10, NamesLabelsThatDoNotFit) {
  folder.write("train_y.bin", "\x01");
  EXPECT_EQ(error("train"), file("train_y.bin") + ": 1 labels for the 2 images of " + file("train_X.bin") + "; fetch both again");
  folder.write("train_y.bin", "\x01\x0b");
  EXPECT_EQ(error("train"),
            file("train_y.bin") + ": label 11 of image 1 is out of range: classes are 1 to 10; the file is damaged or not of this data set");
  folder.write("train_y.bin", std::string("\x01\x00", 2));
  EXPECT_EQ(error("train"),
            file("train_y.bin") + ": label 0 of image 1 is out of range: classes are 1 to 10; the file is damaged or not of this data set");
}

TEST_F(Stl10, NamesAFileThatCannotBeRead) {
  std::filesystem::remove(folder.path() / "test_X.bin");
  std::filesystem::create_directory(folder.path() / "test_X.bin");
  EXPECT_EQ(error("test"), file("test_X.bin") + ": is no file but a folder, pipe or device");
}

}  // namespace
