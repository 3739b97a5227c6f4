// A sweep's table beside NumPy, from the runs' own files (tests/oracle/sweep.py).
#include <gtest/gtest.h>

#include "support/fake_pipeline.hpp"
#include "support/oracle.hpp"

namespace cdc::test {
namespace {

class SweepOracle : public FakePipeline {};

TEST_F(SweepOracle, EveryFigureOfTheTable) {
  write_file(folder / "p.toml", kFakePipeline);
  write_file(
      folder / "s.toml",
      "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1, 2, 3]\nscores = [\"kmeans.acc\", \"other.acc\"]\n[axes]\nstage.kmeans.clusters = [2, 3, 9]\n[set]\n"
      "stage.images.samples = 97\n");
  const ProcessResult r = run_process({binary_folder() / "bin/cdc-sweep", "s.toml", "--plugin", plugin(), "--jobs", "2"}, folder,
                                      {{"CDC_CACHE", "cache"}, {"CDC_PLUGIN_PATH", ""}}, folder);
  ASSERT_EQ(r.code, 0) << r.err;
  const Value numpy = run_oracle("sweep", {(folder / "sweeps/s").string(), "stage.kmeans.clusters"});
  CDC_NEEDS_ORACLE(numpy);
  EXPECT_EQ(numpy.at("rows"), Value(3));
  EXPECT_EQ(numpy.at("columns").to_json(), "[\"kmeans.acc\",\"other.acc\"]");
  EXPECT_EQ(numpy.at("numbers"), Value(12));
  EXPECT_LT(numpy.at("largest").as_real(), 1e-12);
  EXPECT_EQ(numpy.at("bold"), numpy.at("leads"));
}

}  // namespace
}  // namespace cdc::test
