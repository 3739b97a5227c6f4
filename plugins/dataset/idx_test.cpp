#include <zlib.h>

#include <chrono>
#include <filesystem>

#include "dataset_test.hpp"

namespace {

using cdc::test::error_of;
using cdc::test::open_dataset;
using cdc::test::TemporaryFolder;
using ::testing::Test;

std::string word(std::uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16 & 255), static_cast<char>(v >> 8 & 255), static_cast<char>(v & 255)};
}
std::string header(int dimensions, std::initializer_list<std::uint32_t> sizes) {
  std::string out = word(0x800u + static_cast<std::uint32_t>(dimensions));
  for (const std::uint32_t s : sizes) out += word(s);
  return out;
}
std::string pixels(int count, int from = 0) {
  std::string out;
  for (int i = 0; i < count; ++i) out.push_back(static_cast<char>(from + i));
  return out;
}
std::string gzip(const std::string& bytes) {
  z_stream s{};
  deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(bytes.size() + 200, '\0');
  s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  s.avail_in = static_cast<uInt>(bytes.size());
  s.next_out = reinterpret_cast<Bytef*>(out.data());
  s.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&s, Z_FINISH), Z_STREAM_END);
  out.resize(s.total_out);
  deflateEnd(&s);
  return out;
}

/// Two training images of 2 x 3 and one test image, plain.
class Idx : public Test {
 protected:
  Idx() {
    folder.write("train-images-idx3-ubyte", header(3, {2, 2, 3}) + pixels(12));
    folder.write("train-labels-idx1-ubyte", header(1, {2}) + std::string("\1\0", 2));
    folder.write("t10k-images-idx3-ubyte", header(3, {1, 2, 3}) + pixels(6, 100));
    folder.write("t10k-labels-idx1-ubyte", header(1, {1}) + std::string("\2", 1));
  }
  std::shared_ptr<const cdc::Dataset> open(const std::string& split = "train", const cdc::Value::Table& more = {}) {
    cdc::Value::Table p{{"root", folder.path().string()}, {"split", split}};
    p.insert(p.end(), more.begin(), more.end());
    return open_dataset("dataset.idx", p);
  }
  std::string message(const std::string& split = "train", const cdc::Value::Table& more = {}) {
    return error_of([&] { open(split, more); });
  }
  TemporaryFolder folder;
};

TEST_F(Idx, TheFingerprintTellsImagesOfAnotherSetWithTheSameFileNames) {
  const std::string first = open()->fingerprint();
  EXPECT_NE(open("test")->fingerprint(), first);
  EXPECT_NE(open("train+test")->fingerprint(), first);
  folder.write("train-labels-idx1-ubyte", header(1, {2}) + std::string("\0\1", 2));
  EXPECT_EQ(open()->fingerprint(), first) << "of the images, whatever their labels";
  const std::string plain = header(3, {2, 2, 3}) + pixels(12);
  std::filesystem::remove(folder.path() / "train-images-idx3-ubyte");
  folder.write("train-images-idx3-ubyte.gz", gzip(plain));
  EXPECT_EQ(open()->fingerprint(), first);
  folder.write("train-images-idx3-ubyte", header(3, {2, 2, 3}) + pixels(12, 1));
  std::filesystem::remove(folder.path() / "train-images-idx3-ubyte.gz");
  EXPECT_NE(open()->fingerprint(), first);
}

TEST_F(Idx, ReadsPlainFiles) {
  const auto data = open();
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->channels(), 1);
  EXPECT_EQ(data->image_size(), (std::array<int, 2>{2, 3}));
  EXPECT_EQ(data->labels(), (std::vector<std::int32_t>{1, 0}));
  EXPECT_EQ(data->class_names(), (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(data->split(), "train");
  EXPECT_EQ(cdc::test::parts_of(*data), "train 2");
  const cdc::Image image = data->image(1);
  EXPECT_EQ(image.height, 2);
  EXPECT_EQ(image.width, 3);
  for (int y = 0; y < 2; ++y)
    for (int x = 0; x < 3; ++x) EXPECT_EQ(image.row(y)[x], 6 + 3 * y + x);
  EXPECT_EQ(data->sample_name(1), (folder.path() / "train-images-idx3-ubyte").string() + "#1");
}

TEST_F(Idx, PutsTestAfterTrain) {
  const auto data = open("train+test");
  EXPECT_EQ(data->size(), 3);
  EXPECT_EQ(data->labels(), (std::vector<std::int32_t>{1, 0, 2}));
  EXPECT_EQ(data->image(2).row(0)[0], 100);
  EXPECT_EQ(data->sample_name(2), (folder.path() / "t10k-images-idx3-ubyte").string() + "#0");
  EXPECT_EQ(data->split(), "train+test");
  EXPECT_EQ(cdc::test::parts_of(*data), "train 2, test 1");
}

TEST_F(Idx, ReadsGzipAndTheSpellingWithADot) {
  TemporaryFolder other;
  other.write("train-images.idx3-ubyte.gz", gzip(header(3, {2, 2, 3}) + pixels(12)));
  other.write("train-labels.idx1-ubyte", header(1, {2}) + std::string("\1\0", 2));
  const auto data = open_dataset("dataset.idx", {{"root", other.path().string()}});
  EXPECT_EQ(data->image(1).row(1)[2], 11);
}

TEST_F(Idx, ReadsFilesWithAPrefix) {
  TemporaryFolder other;
  other.write("emnist-letters-test-images-idx3-ubyte.gz", gzip(header(3, {1, 2, 3}) + pixels(6)));
  other.write("emnist-letters-test-labels-idx1-ubyte.gz", gzip(header(1, {1}) + std::string("\5", 1)));
  const auto data = open_dataset("dataset.idx", {{"root", other.path().string()}, {"split", "test"}, {"prefix", "emnist-letters-"}});
  EXPECT_EQ(data->labels().front(), 5);
  EXPECT_EQ(data->class_names().size(), 6u);
}

TEST_F(Idx, FilesAreThoseOfTheSplit) {
  const auto stage = cdc::test::make<cdc::Stage>("dataset.idx", cdc::Value::Table{{"root", folder.path().string()}, {"split", "test"}});
  EXPECT_EQ(stage->files(), (std::vector<std::filesystem::path>{folder.path() / "t10k-images-idx3-ubyte", folder.path() / "t10k-labels-idx1-ubyte"}));
}

TEST_F(Idx, TakesClassNames) {
  const auto data = open("train", {{"class_names", cdc::Value::Array{"shirt", "shoe"}}});
  EXPECT_EQ(data->class_names()[1], "shoe");
}

TEST_F(Idx, RefusesALabelBeyondTheClassNames) {
  EXPECT_EQ(message("train+test", {{"class_names", cdc::Value::Array{"shirt", "shoe"}}}),
            (folder.path() / "t10k-labels-idx1-ubyte").string() + ": label 2 of sample 0 is out of range: class_names names 2 classes");
}

TEST_F(Idx, NamesAMissingFile) {
  std::filesystem::remove(folder.path() / "train-labels-idx1-ubyte");
  EXPECT_EQ(
      message(),
      (folder.path() / "train-labels-idx1-ubyte").string() +
          ": not there (nor with .gz at its end); set root to the folder of the IDX files. Fashion-MNIST is Debian's package dataset-fashion-mnist");
}

TEST_F(Idx, NamesAWrongMagicNumber) {
  const auto file = folder.write("train-images-idx3-ubyte", header(1, {2}) + pixels(12));
  EXPECT_EQ(message(), file.string() + ": wrong magic number 0x00000801; IDX images of unsigned bytes begin with 0x00000803");
}

TEST_F(Idx, NamesACutFile) {
  const auto file = folder.write("train-images-idx3-ubyte", header(3, {2, 2, 3}) + pixels(11));
  EXPECT_EQ(message(), file.string() + ": cut short: 1 bytes are missing of a part of 12; fetch it again");
}

TEST_F(Idx, NamesACutHeader) {
  const auto file = folder.write("train-images-idx3-ubyte", header(3, {2}));
  EXPECT_EQ(message(), file.string() + ": cut short: 4 bytes are missing of a part of 4; fetch it again");
}

TEST_F(Idx, NamesAHeaderThatPromisesMoreThanCanBeThere) {
  const auto file = folder.write("train-images-idx3-ubyte", header(3, {4000000000u, 2000, 2000}) + pixels(11));
  folder.write("train-labels-idx1-ubyte", header(1, {4000000000u}));
  EXPECT_EQ(message(), file.string() + ": cut short: its header promises 4000000000 images of 2000 x 2000; fetch it again");
}

TEST_F(Idx, NamesAFileWithTooManyBytes) {
  const auto file = folder.write("train-images-idx3-ubyte", header(3, {2, 2, 3}) + pixels(13));
  EXPECT_EQ(message(), file.string() + ": holds more bytes than its header says; it is damaged or not what its name says");
}

TEST_F(Idx, NamesSizesThatDoNotAgree) {
  const auto labels = folder.write("train-labels-idx1-ubyte", header(1, {3}) + std::string(3, '\0'));
  EXPECT_EQ(message(), labels.string() + ": 3 labels, but " + (folder.path() / "train-images-idx3-ubyte").string() +
                           " holds 2 images; the files do not belong together");
  folder.write("train-labels-idx1-ubyte", header(1, {2}) + std::string(2, '\0'));
  const auto test = folder.write("t10k-images-idx3-ubyte", header(3, {1, 3, 2}) + pixels(6));
  EXPECT_EQ(message("train+test"),
            test.string() + ": images of 3 x 2, but those of " + (folder.path() / "train-images-idx3-ubyte").string() + " are 2 x 3");
}

TEST_F(Idx, NamesAnEmptySet) {
  const auto file = folder.write("train-images-idx3-ubyte", header(3, {0, 2, 3}));
  folder.write("train-labels-idx1-ubyte", header(1, {0}));
  EXPECT_EQ(message(), file.string() + ": 0 images of 2 x 3; sizes of 1 to 4096 and at least one image are expected");
}

TEST_F(Idx, NamesADamagedGzipFile) {
  std::filesystem::remove(folder.path() / "train-images-idx3-ubyte");
  std::string packed = gzip(header(3, {2, 2, 3}) + pixels(12));
  packed[packed.size() - 6] ^= 1;  // its checksum
  const auto file = folder.write("train-images-idx3-ubyte.gz", packed);
  EXPECT_EQ(message(), file.string() + ": damaged (incorrect data check); fetch it again");
  folder.write("train-images-idx3-ubyte.gz", packed.substr(0, packed.size() - 12));
  EXPECT_NE(message().find(file.string() + ": cut short"), std::string::npos);
  folder.write("train-images-idx3-ubyte.gz", packed.substr(0, packed.size() - 4));  // all data, but the end of the checksum
  EXPECT_NE(message().find(file.string() + ": damaged ("), std::string::npos);
}

TEST_F(Idx, NamesAFileThatCannotBeOpened) {
  const auto file = folder.path() / "train-images-idx3-ubyte";
  std::filesystem::permissions(file, std::filesystem::perms::none);
  if (::access(file.c_str(), R_OK) == 0) GTEST_SKIP() << "this user may read every file";
  EXPECT_EQ(message(), file.string() + ": cannot be opened: Permission denied");
}

TEST(IdxFashionMnist, LoadsFast) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"))
    GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  const auto begin = std::chrono::steady_clock::now();
  const auto data = open_dataset("dataset.idx", {{"split", "train+test"}});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  RecordProperty("seconds", std::to_string(seconds));
  std::printf("70,000 images in %.3f s\n", seconds);
  EXPECT_LT(seconds, 5.0);  // 0.3 s on an idle machine; the limit leaves room for a busy one and for sanitizers
  ASSERT_EQ(data->size(), 70000);
  EXPECT_EQ(data->image_size(), (std::array<int, 2>{28, 28}));
  std::vector<int> count(10, 0);
  for (const std::int32_t label : data->labels()) ++count.at(static_cast<std::size_t>(label));
  EXPECT_EQ(count, std::vector<int>(10, 7000));
  EXPECT_EQ(data->labels()[0], 9);  // the first training image is an ankle boot
}

}  // namespace
