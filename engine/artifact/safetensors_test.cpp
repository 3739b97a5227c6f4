#include "artifact/safetensors.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>

#include "support/errors.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

class SafetensorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("cdc_safetensors_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

struct File {
  Value header;
  std::string data;
  explicit File(const fs::path& path) {
    const std::string text = read_file(path);
    std::uint64_t length = 0;
    std::memcpy(&length, text.data(), sizeof length);
    EXPECT_EQ(length % 8, 0U);  // so that what follows is aligned
    header = Value::from_json(std::string_view(text).substr(8, length));
    data = text.substr(8 + length);
  }
};

TEST_F(SafetensorsTest, WiderElementsFirstEachAligned) {
  const std::uint8_t byte = 7;
  const float numbers[3] = {1, 2, 3};
  const std::int64_t count = 5;
  Value metadata = Value::table();
  metadata["format"] = "pt";
  write_safetensors(folder_ / "a.safetensors",
                    {{{"a \"b\"", ElementType::uint8, {1, 1}}, &byte},
                     {{"w", ElementType::float32, {3}}, numbers},
                     {{"n", ElementType::int64, {}}, &count},
                     {{"none", ElementType::float32, {0, 4}}, nullptr}},
                    metadata);
  const File file(folder_ / "a.safetensors");
  EXPECT_EQ(file.header.to_json(),
            R"({"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
            R"("w":{"dtype":"F32","shape":[3],"data_offsets":[8,20]},"none":{"dtype":"F32","shape":[0,4],"data_offsets":[20,20]},)"
            R"("a \"b\"":{"dtype":"U8","shape":[1,1],"data_offsets":[20,21]}})");
  ASSERT_EQ(file.data.size(), 21U);
  EXPECT_EQ(std::memcmp(file.data.data(), &count, 8), 0);
  EXPECT_EQ(std::memcmp(file.data.data() + 8, numbers, 12), 0);
  EXPECT_EQ(file.data[20], 7);
}

TEST_F(SafetensorsTest, EveryTypeHasItsName) {
  const char zeros[8] = {};
  std::vector<std::pair<ArrayInfo, const void*>> arrays;
  const std::vector<std::pair<ElementType, const char*>> types = {
      {ElementType::boolean, "BOOL"}, {ElementType::uint8, "U8"},   {ElementType::int8, "I8"},     {ElementType::int16, "I16"},
      {ElementType::int32, "I32"},    {ElementType::int64, "I64"},  {ElementType::float16, "F16"}, {ElementType::bfloat16, "BF16"},
      {ElementType::float32, "F32"},  {ElementType::float64, "F64"}};
  for (const auto& [type, name] : types) arrays.push_back({{name, type, {1}}, zeros});
  write_safetensors(folder_ / "a.safetensors", arrays, Value::table());
  const File file(folder_ / "a.safetensors");
  for (const auto& [type, name] : types) EXPECT_EQ(file.header.at(name).at("dtype").as_string(), name);
}

TEST_F(SafetensorsTest, NamesAreUniqueAndAFolderThatIsMissingIsSaid) {
  const char byte = 0;
  const std::vector<std::pair<ArrayInfo, const void*>> twice = {{{"w", ElementType::uint8, {1}}, &byte}, {{"w", ElementType::uint8, {1}}, &byte}};
  const std::string path = (folder_ / "a.safetensors").string();
  EXPECT_EQ(test::error_of([&] { write_safetensors(path, twice, Value::table()); }), "cannot write " + path + ": two arrays are called 'w'");
  EXPECT_TRUE(fs::is_empty(folder_));
  const fs::path nowhere = folder_ / "no" / "a.safetensors";
  EXPECT_EQ(test::error_of([&] { write_safetensors(nowhere, {twice.front()}, Value::table()); }),
            "cannot write " + nowhere.string() + ": No such file or directory");
}

TEST_F(SafetensorsTest, AModelsArraysAndItsProtocol) {
  const float numbers[2] = {0.5F, -1};
  Value header = Value::table();
  header["header"]["epochs"] = 3;
  header["flags"] = Value::array();
  const fs::path model = folder_ / "model.h5", other = folder_ / "other.h5", target = folder_ / "cdc.model.safetensors";
  for (const auto& [path, kind] : {std::pair(model, "model"), std::pair(other, "features")}) {
    ArrayFileWriter writer(path, kind);
    writer.header(header);
    writer.write({"encoder.weight", ElementType::float32, {2, 1}}, numbers);
    writer.commit();
  }
  const fs::path left = folder_ / ".cdc.model.safetensors.tmp-1-0";  // of a killed process
  write_file(left, "half");
  for (int i = 0; i < 2; ++i) export_model(model, target);
  EXPECT_FALSE(fs::exists(left));
  const File file(target);
  EXPECT_EQ(file.header.at("__metadata__").to_json(), R"({"format":"pt","protocol":"{\"epochs\":3}"})");
  EXPECT_EQ(file.header.at("encoder.weight").at("shape").to_json(), "[2,1]");
  EXPECT_EQ(std::memcmp(file.data.data(), numbers, 8), 0);
  EXPECT_NE(test::error_of([&] { export_model(other, target); }).find("holds 'features', expected 'model'"), std::string::npos);
}

}  // namespace
}  // namespace cdc
