// A sweep's table beside NumPy and SciPy, from the runs' own files (tests/oracle/sweep.py).
#include <gtest/gtest.h>

#include "support/fake_pipeline.hpp"
#include "support/oracle.hpp"

namespace cdc::test {
namespace {

class SweepOracle : public FakePipeline {
 protected:
  /// Runs the sweep of four seeds and asks SciPy for all figures of its table.
  Value scipy(const std::string& values, const std::vector<std::string>& more, int code) {
    write_file(folder / "p.toml", kFakePipeline);
    write_file(folder / "s.toml",
               "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1, 2, 3]\nscores = [\"kmeans.acc\", \"other.acc\"]\n"
               "statistics = [\"interval\", \"difference\"]\n[axes]\nstage.kmeans.clusters = " +
                   values + "\n[set]\nstage.images.samples = 97\n");
    std::vector<std::string> command{binary_folder() / "bin/cdc-sweep", "s.toml", "--plugin", plugin(), "--jobs", "2"};
    command.insert(command.end(), more.begin(), more.end());
    const ProcessResult r = run_process(command, folder, {{"CDC_CACHE", "cache"}, {"CDC_PLUGIN_PATH", ""}}, folder);
    EXPECT_EQ(r.code, code) << r.err;
    return run_oracle("sweep", {(folder / "sweeps/s").string(), "stage.kmeans.clusters"});
  }
};

TEST_F(SweepOracle, EveryFigureOfTheTable) {
  const Value all = scipy("[2, 3, 9]", {}, 0);
  CDC_NEEDS_ORACLE(all);
  EXPECT_EQ(all.at("rows"), Value(3));
  EXPECT_EQ(all.at("columns").to_json(), "[\"kmeans.acc\",\"other.acc\"]");
  EXPECT_EQ(all.at("tests").at("kmeans.acc"), Value("paired"));
  EXPECT_GT(all.at("numbers").as_integer(), 24);
  EXPECT_LT(all.at("largest").as_real(), 1e-12);
  EXPECT_EQ(all.at("bold"), all.at("leads"));
}

TEST_F(SweepOracle, RowsOfOtherSeeds) {
  scipy("[2, 3, 9]", {}, 0);
  for (const auto& entry : fs::directory_iterator(folder / "sweeps/s/cells"))  // two runs are lost
    if (const std::string name = entry.path().filename().string();
        entry.is_directory() && (name.rfind("clusters=3,seed=1-", 0) == 0 || name.rfind("clusters=9,seed=2-", 0) == 0))
      fs::remove_all(entry.path());
  const Value all = scipy("[2, 3, 9]", {"--table"}, 0);
  CDC_NEEDS_ORACLE(all);
  EXPECT_EQ(all.at("tests").at("kmeans.acc"), Value("Welch"));
  EXPECT_LT(all.at("largest").as_real(), 1e-12);
  EXPECT_EQ(all.at("bold"), all.at("leads"));
}

}  // namespace
}  // namespace cdc::test
