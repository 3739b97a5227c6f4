// TensorBoard's own readers beside the runs' own files (tests/oracle/tensorboard_events.py).
#include <fstream>

#include "support/fake_pipeline.hpp"
#include "support/oracle.hpp"

namespace cdc::test {
namespace {

/// Tag -> [[step, value], ...], of a run of the fake pipeline: each line's numbers as float32, then the scores.
Value scalars_of(const fs::path& run) {
  Value out = Value::table();
  const auto add = [&](const std::string& tag, std::int64_t step, const Value& value) {
    if (out.find(tag) == nullptr) out[tag] = Value::array();
    out[tag].push_back(Value(Value::Array{Value(step), Value(static_cast<double>(static_cast<float>(value.as_real())))}));
  };
  std::istringstream lines(read_file(run / "metrics.jsonl"));
  for (std::string text; std::getline(lines, text);) {
    const Value line = Value::from_json(text);
    for (const char* name : {"step", "value"}) add(line.at("stage").as_string() + "/" + name, line.at("epoch").as_integer(), line.at(name));
  }
  const Value summary = Value::from_json(read_file(run / "summary.json"));
  for (const auto& [name, row] : summary.at("scores").as_table()) add("scores/" + name + "/acc", 0, row.at("acc"));
  return out;
}

/// The same tags with the same points, in any order of tags.
void expect_scalars(const Value& seen, const Value& expected, const std::string& who) {
  EXPECT_EQ(seen.as_table().size(), expected.as_table().size()) << who;
  for (const auto& [tag, points] : expected.as_table()) {
    const Value* found = seen.find(tag);
    ASSERT_NE(found, nullptr) << who << ": " << tag;
    ASSERT_EQ(found->as_array().size(), points.as_array().size()) << who << ": " << tag << ": " << found->to_json();
    for (std::size_t i = 0; i < points.as_array().size(); ++i)
      for (std::size_t j = 0; j < 2; ++j)
        EXPECT_EQ(found->as_array()[i].as_array()[j].as_real(), points.as_array()[i].as_array()[j].as_real()) << who << ": " << tag;
  }
}

class TensorBoardOracle : public FakePipeline {
 protected:
  void SetUp() override {
    FakePipeline::SetUp();
    write_file(folder / "p.toml", kFakePipeline);
  }
  std::vector<std::string> command(const std::string& where, const std::vector<std::string>& more) const {
    std::vector<std::string> all{binary_folder() / "bin/cdc-run",
                                 (folder / "p.toml").string(),
                                 "--plugin",
                                 plugin().string(),
                                 "--cache",
                                 (folder / "cache").string(),
                                 "--run-dir",
                                 (folder / "runs" / where).string(),
                                 "--tensorboard"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(TensorBoardOracle, WhatARunWrote) {
  const ProcessResult r = run_process(command("a", {"stage.images.samples=25000"}), folder, {{"CDC_PLUGIN_PATH", ""}}, folder);
  ASSERT_EQ(r.code, 0) << r.err;
  // A second run beside it, all of it from the cache.
  ASSERT_EQ(run_process(command("b", {"stage.images.samples=25000"}), folder, {{"CDC_PLUGIN_PATH", ""}}, folder).code, 0);
  const Value board = run_oracle("tensorboard_events", {(folder / "runs").string()});
  CDC_NEEDS_ORACLE(board);
  for (const char* run : {"a", "b"})
    for (const char* who : {"accumulator", "slow", "fast"}) {
      const Value& reader = board.at(who);
      const std::string name = std::string(run) + "/tensorboard";
      const Value& scalars = *(std::string(who) == "accumulator" ? reader.at(name).find("scalars") : reader.at("scalars").find(name));
      expect_scalars(scalars, scalars_of(folder / "runs" / run), who);
      const Value& images = *(std::string(who) == "accumulator" ? reader.at(name).find("images") : reader.at("images").find(name));
      EXPECT_EQ(images.as_table().size(), 3u) << who;
      for (const auto& [tag, size] :
           {std::pair("samples/images", "[8,2]"), std::pair("clusters/kmeans", "[10,2]"), std::pair("clusters/other", "[10,2]")}) {
        ASSERT_EQ(images.at(tag).as_array().size(), 1u) << who << ": " << tag;
        const Value& image = images.at(tag).as_array().front();
        EXPECT_EQ(image.at("format"), Value("PNG"));
        EXPECT_EQ(image.at("mode"), Value("L"));
        EXPECT_EQ(image.at("size").to_json(), size) << who << ": " << tag;
        EXPECT_EQ(image.at("step"), Value(0));
      }
      // Sixteen of 25,000, each as bright as its number.
      const std::vector<int> first = list<int>(images.at("samples/images").as_array().front().at("first"));
      for (int i = 0; i < 16; ++i) EXPECT_EQ(first[static_cast<std::size_t>(i)], i * 25000 / 16 % 256);
      if (std::string(who) == "accumulator") continue;

      const Value* embedding = reader.at("embeddings").at(name).find("features, 10000 of 25000 rows");
      ASSERT_NE(embedding, nullptr) << reader.at("embeddings").at(name).to_json().substr(0, 200);
      EXPECT_EQ(embedding->at("shape").to_json(), "[10000,1]");
      EXPECT_EQ(embedding->at("tile").to_json(), "[1,1]");
      EXPECT_EQ(embedding->at("sprite").at("size").to_json(), "[100,100]");
      const std::vector<double> values = list<double>(embedding->at("values"));
      const Value::Array& metadata = embedding->at("metadata").as_array();
      ASSERT_EQ(values.size(), 10000u);
      ASSERT_EQ(metadata.size(), 10001u);
      EXPECT_EQ(metadata[0], Value("sample\tkmeans\tother\tlabel"));
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t sample = i * 25000 / 10000;
        ASSERT_EQ(values[i], 2.0 * static_cast<double>(sample));
        std::istringstream row(metadata[i + 1].as_string());
        std::string number, kmeans, other, label;
        row >> number >> kmeans >> other >> label;
        ASSERT_EQ(number, std::to_string(sample));
        ASSERT_EQ(label, sample % 2 == 0 ? "even" : "odd");
      }
    }
}

// Readers that had what a killed run left forget it, and have each point once.
TEST_F(TensorBoardOracle, FollowedThroughAKill) {
  const std::vector<std::string> slow = {"stage.other.steps=40", "stage.other.ms=40"};
  const fs::path run = folder / "runs/a";
  const auto lines = [&] {
    std::ifstream in(run / "metrics.jsonl");
    int n = 0;
    for (std::string line; std::getline(in, line);) n += line.find("\"other\"") != std::string::npos ? 1 : 0;
    return n;
  };
  {
    Process process(command("a", slow), folder, {{"CDC_PLUGIN_PATH", ""}}, folder);
    ASSERT_TRUE(process.reaches([&] { return lines() >= 10; }));
    process.signal(SIGKILL);
    process.wait();
  }
  ASSERT_GE(lines(), 10);
  ASSERT_FALSE(fs::exists(run / "summary.json"));
  for (const auto& entry : fs::directory_iterator(run / "tensorboard"))  // a record that was being written
    if (entry.path().filename().string().find("tfevents") != std::string::npos)
      std::ofstream(entry.path(), std::ios::app) << std::string("\x30\0\0", 3);
  std::vector<std::string> arguments{(folder / "runs").string()};
  for (const std::string& part : command("a", slow)) arguments.push_back(part);
  const Value board = run_oracle("tensorboard_events", arguments);
  CDC_NEEDS_ORACLE(board);
  const Value expected = scalars_of(run);
  ASSERT_EQ(expected.at("other/value").as_array().size(), 40u);
  for (const char* who : {"slow", "fast"}) {
    EXPECT_GE(board.at("before").at(who).at("a/tensorboard").at("other/value").as_array().size(), 10u);
    expect_scalars(board.at(who).at("scalars").at("a/tensorboard"), expected, who);
    EXPECT_EQ(board.at(who).at("images").at("a/tensorboard").at("samples/images").as_array().size(), 1u);
  }
  expect_scalars(board.at("accumulator").at("a/tensorboard").at("scalars"), expected, "accumulator");
}

}  // namespace
}  // namespace cdc::test
