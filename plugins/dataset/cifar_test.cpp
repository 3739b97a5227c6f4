#include "dataset_test.hpp"
#include "support/files.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::open_dataset;
using cdc::test::StageHarness;
using cdc::test::TemporaryFolder;

/// A record whose pixel (y, x) is (y, x, blue).
std::string record(std::initializer_list<int> labels, int blue) {
  std::string r;
  for (const int label : labels) r.push_back(static_cast<char>(label));
  for (int y = 0; y < 32; ++y) r += std::string(32, static_cast<char>(y));
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x) r.push_back(static_cast<char>(x));
  return r + std::string(32 * 32, static_cast<char>(blue));
}

class Cifar : public ::testing::Test {
 protected:
  Cifar() {
    for (int b = 1; b <= 5; ++b) folder.write("data_batch_" + std::to_string(b) + ".bin", record({b}, 10 * b) + record({0}, 10 * b + 1));
    folder.write("test_batch.bin", record({9}, 200));
    folder.write("batches.meta.txt", "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  }
  cdc::Value::Table parameters(const std::string& split) { return {{"root", folder.path().string()}, {"split", split}}; }
  TemporaryFolder folder;
};

TEST_F(Cifar, ReadsAllBatchesInterleaved) {
  const auto data = open_dataset("dataset.cifar10", parameters("train+test"));
  ASSERT_EQ(data->size(), 11);
  EXPECT_EQ(data->channels(), 3);
  EXPECT_EQ(data->image_size(), (std::array<int, 2>{32, 32}));
  EXPECT_EQ(data->labels(), (std::vector<std::int32_t>{1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 9}));
  EXPECT_EQ(data->class_names()[9], "truck");
  EXPECT_EQ(data->split(), "train+test");
  EXPECT_EQ(cdc::test::parts_of(*data), "train 10, test 1");
  const cdc::Image image = data->image(3);
  EXPECT_EQ(image.row(7)[3 * 5], 7);
  EXPECT_EQ(image.row(7)[3 * 5 + 1], 5);
  EXPECT_EQ(image.row(7)[3 * 5 + 2], 21);
  EXPECT_EQ(data->sample_name(3), (folder.path() / "data_batch_2.bin").string() + "#1");
}

TEST_F(Cifar, AMissingBatchIsAnErrorUnlessAllowed) {
  std::filesystem::remove(folder.path() / "data_batch_3.bin");
  EXPECT_EQ(error_of([&] { open_dataset("dataset.cifar10", parameters("train")); }),
            (folder.path() / "data_batch_3.bin").string() +
                ": not there; set root to the folder of the binary version's files (cifar-10-batches-bin)"
                ", or set allow_partial = true to go on with the batches that are there");
  StageHarness harness;
  auto p = parameters("train+test");
  p.emplace_back("allow_partial", true);
  const auto data = open_dataset("dataset.cifar10", p, harness);
  EXPECT_EQ(data->size(), 9);
  EXPECT_EQ(data->split(), "train(4 of 5 batches)+test");
  EXPECT_EQ(cdc::test::parts_of(*data), "train 8, test 1");
  ASSERT_EQ(harness.warnings.size(), 1u);
  EXPECT_EQ(harness.warnings[0], folder.path().string() + ": 1 of the 5 training batches are missing; going on with the others");
}

TEST_F(Cifar, NoBatchAtAllIsAnErrorEvenWhenPartialIsAllowed) {
  for (int b = 1; b <= 5; ++b) std::filesystem::remove(folder.path() / ("data_batch_" + std::to_string(b) + ".bin"));
  auto p = parameters("train");
  p.emplace_back("allow_partial", true);
  EXPECT_EQ(
      error_of([&] { open_dataset("dataset.cifar10", p); }),
      (folder.path() / "data_batch_5.bin").string() + ": not there; set root to the folder of the binary version's files (cifar-10-batches-bin)");
}

TEST_F(Cifar, NamesAMissingTestBatch) {
  std::filesystem::remove(folder.path() / "test_batch.bin");
  EXPECT_EQ(error_of([&] { open_dataset("dataset.cifar10", parameters("test")); }),
            (folder.path() / "test_batch.bin").string() + ": not there; set root to the folder of the binary version's files (cifar-10-batches-bin)");
}

TEST_F(Cifar, NamesACutFile) {
  const auto file = folder.write("test_batch.bin", record({1}, 1).substr(1));
  EXPECT_EQ(
      error_of([&] { open_dataset("dataset.cifar10", parameters("test")); }),
      file.string() + ": 3072 bytes is no whole number of records of 3073 bytes; it is cut short or not a file of this data set; fetch it again");
}

TEST_F(Cifar, NamesAFileThatCannotBeRead) {
  std::filesystem::remove(folder.path() / "test_batch.bin");
  std::filesystem::create_directory(folder.path() / "test_batch.bin");
  EXPECT_EQ(error_of([&] { open_dataset("dataset.cifar10", parameters("test")); }),
            (folder.path() / "test_batch.bin").string() + ": is no file but a folder, pipe or device");
}

TEST_F(Cifar, NamesALabelOutOfRange) {
  const auto file = folder.write("test_batch.bin", record({9}, 1) + record({10}, 1));
  EXPECT_EQ(error_of([&] { open_dataset("dataset.cifar10", parameters("test")); }),
            file.string() + ": label 10 of record 1 is out of range: there are 10 classes; the file is damaged or not of this data set");
}

TEST_F(Cifar, NamesAWrongNumberOfClassNames) {
  const auto file = folder.write("batches.meta.txt", "cat\ndog\n");
  EXPECT_EQ(error_of([&] { open_dataset("dataset.cifar10", parameters("test")); }), file.string() + ": 2 class names; 10 are expected");
}

TEST_F(Cifar, Cifar100TakesCoarseOrFineLabels) {
  TemporaryFolder other;
  other.write("train.bin", record({19, 99}, 5));
  other.write("test.bin", record({3, 42}, 6));
  std::string coarse, fine;
  for (int k = 0; k < 20; ++k) coarse += "c" + std::to_string(k) + "\n";
  for (int k = 0; k < 100; ++k) fine += "f" + std::to_string(k) + "\n";
  other.write("coarse_label_names.txt", coarse);
  other.write("fine_label_names.txt", fine);
  cdc::Value::Table p{{"root", other.path().string()}, {"split", "train+test"}, {"label", "fine"}};
  EXPECT_EQ(open_dataset("dataset.cifar100", p)->labels(), (std::vector<std::int32_t>{99, 42}));
  p.back().second = "coarse";
  const auto data = open_dataset("dataset.cifar100", p);
  EXPECT_EQ(data->labels(), (std::vector<std::int32_t>{19, 3}));
  EXPECT_EQ(data->class_names()[19], "c19");
  EXPECT_EQ(cdc::test::parts_of(*data), "train 1, test 1");
  EXPECT_EQ(data->image(1).row(2)[3 * 9 + 1], 9);
  std::filesystem::remove(other.path() / "test.bin");
  EXPECT_EQ(error_of([&] { open_dataset("dataset.cifar100", p); }),
            (other.path() / "test.bin").string() + ": not there; set root to the folder of the binary version's files (cifar-100-binary)");
}

TEST_F(Cifar, ReadsTheRealFiles) {
  const std::filesystem::path root = cdc::test::source_folder() / "../shared/data/cifar-10-batches-bin";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << root << " is not there";
  const auto data = open_dataset("dataset.cifar10", {{"root", root.string()}, {"split", "train+test"}, {"allow_partial", true}});
  ASSERT_EQ(data->size(), 12000);
  std::vector<int> count(10, 0);
  for (std::size_t i = 10000; i < 12000; ++i) ++count.at(static_cast<std::size_t>(data->labels()[i]));
  for (const int c : count) EXPECT_NEAR(c, 200, 60);
  EXPECT_EQ(data->class_names()[6], "frog");
  EXPECT_EQ(data->labels()[0], 4);
  double mean[3] = {};
  const cdc::Image image = data->image(0);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x)
      for (int k = 0; k < 3; ++k) mean[k] += image.row(y)[3 * x + k] / 1024.0;
  EXPECT_NEAR(mean[0], 69.167, 1e-3);  // means of the file's planes, taken with other tools
  EXPECT_NEAR(mean[1], 55.238, 1e-3);
  EXPECT_NEAR(mean[2], 38.410, 1e-3);
}

}  // namespace
