// Sweeps over a pipeline that trains.
#include "small_pipeline.hpp"

namespace cdc::test {
namespace {

class TrainSweepTest : public SmallPipeline {
 protected:
  ProcessResult sweep(const std::string& asks, const std::vector<std::string>& more) {
    write_file(folder_ / "s.toml", asks);
    std::vector<std::string> all{binary_folder() / "bin/cdc-sweep", "s.toml", "--cache", "cache"};
    all.insert(all.end(), more.begin(), more.end());
    return run_process(all, folder_, environment_, folder_);
  }
  static std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
    return n;
  }
};

TEST_F(TrainSweepTest, ATrainingThatFallsBehindEndsEarly) {
  // The last one hardly learns, and would take a hundred times as long as the others.
  const std::string head = "[sweep]\nbase = \"small.toml\"\n",
                    rule = "stop = { rule = \"median\", stage = \"cdc\", score = \"loss\", goal = \"least\", grace = 3 }\n",
                    rest =
                        "[variants.one]\n[variants.two]\nstage.cdc.optimizer.lr = 4e-3\n[variants.three]\nstage.cdc.optimizer.lr = 5e-3\n"
                        "[variants.slow]\nstage.cdc.optimizer.lr = 1e-9\nstage.cdc.epochs = ";
  const ProcessResult r = sweep(head + rule + rest + "400\n", {"--jobs", "1"});
  ASSERT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_EQ(count(r.out, ": done in "), 3u) << r.out;
  EXPECT_NE(r.out.find(": stopped early: after epoch 3 its best loss is "), std::string::npos) << r.out;
  EXPECT_NE(r.out.find(", the median of 3 others "), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("; 1 stopped early"), std::string::npos) << r.out;
  std::string slow;
  for (const auto& entry : fs::directory_iterator(folder_ / "sweeps/s/cells"))
    if (entry.is_directory() && entry.path().filename().string().rfind("slow", 0) == 0) slow = entry.path();
  ASSERT_FALSE(slow.empty());
  EXPECT_FALSE(fs::exists(slow + "/summary.json"));
  const std::size_t epochs = count(read_file(slow + "/metrics.jsonl"), "\"epoch\":");
  EXPECT_GE(epochs, 3u);
  EXPECT_LT(epochs, 400u);
  // It was told to stop, not killed: what it had is kept.
  std::size_t checkpoints = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "cache/checkpoints")) checkpoints += entry.path().extension() == ".h5" ? 1 : 0;
  EXPECT_EQ(checkpoints, 1u);
  const ProcessResult again = sweep(head + rule + rest + "400\n", {"--jobs", "1"});
  EXPECT_EQ(count(again.out, "] "), 0u) << again.out;
}

TEST_F(TrainSweepTest, APlanForAGpuNeedsNoneWhereItsPrecisionIsSet) {
  const std::string asks = "[sweep]\nbase = \"small.toml\"\nseeds = [0]\n[set]\nstage.features.precision = \"float32\"\nstage.cdc.precision = ";
  const ProcessResult set = sweep(asks + "\"bfloat16\"\n", {"--check", "--device", "cuda:7"});
  EXPECT_EQ(set.code, 0) << set.err;
  const ProcessResult runs = sweep(asks + "\"bfloat16\"\n", {"--device", "cuda:7"});
  EXPECT_EQ(runs.code, 2);
  EXPECT_NE(runs.err.find("cdc-sweep: --device: there is no device 'cuda:7' here"), std::string::npos) << runs.err;
  EXPECT_EQ(sweep(asks + "\"bfloat16\"\n", {"--check", "--device", "cuda:x"}).code, 2);
  if (fs::exists("/dev/nvidiactl")) return;
  const ProcessResult automatic = sweep(asks + "\"auto\"\n", {"--check", "--device", "cuda:7"});
  EXPECT_EQ(automatic.code, 2);
  EXPECT_NE(automatic.err.find("stage 'cdc': precision = \"auto\" asks the GPU, and there is none on this machine: set precision = \"bfloat16\" or "
                               "\"float32\""),
            std::string::npos)
      << automatic.err;
}

}  // namespace
}  // namespace cdc::test
