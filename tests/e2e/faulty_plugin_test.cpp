// Plugins that end their process, in a sweep: the cell has failed, and its reason says whose code it was.
#include "fake_sweep.hpp"

namespace cdc::test {
namespace {

class FaultyPluginTest : public FakeSweep {
 protected:
  void SetUp() override {
    FakeSweep::SetUp();
    write_file(
        folder / "p.toml",
        "[pipeline]\nname = \"p\"\n[stage.data]\nplugin = \"faulty.data\"\n[stage.features]\nplugin = \"faulty.features\"\nin.data = \"data\"\n"
        "[stage.clusters]\nplugin = \"faulty.clusters\"\nin.features = \"features\"\n[stage.scores]\nplugin = \"faulty.scores\"\n"
        "in.prediction = \"clusters\"\n");
  }
};

TEST_F(FaultyPluginTest, ACellThatDiesSaysInWhoseCode) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer ends the process its own way";
#endif
  const ProcessResult r = sweep(
      "[sweep]\nbase = \"p.toml\"\nseeds = [0]\n[variants.good]\n[variants.dies]\nstage.features.how = \"segv\"\n[variants.ends]\nstage.clusters.how "
      "= "
      "\"exit\"\n");
  EXPECT_EQ(r.code, 4);
  EXPECT_NE(r.out.find("2 failed"), std::string::npos) << r.out;
  EXPECT_EQ(lines_with(r.err, "failed: dies,seed=0-"), 1) << r.err;
  EXPECT_EQ(lines_with(r.err, "cdc-run: died of SIGSEGV (memory that is not its own, at address 0x0) in stage 'features' (faulty.features of "), 1)
      << r.err;
  EXPECT_NE(r.err.find("(ended by signal 11)"), std::string::npos) << r.err;
  EXPECT_EQ(lines_with(r.err, "cdc-run: the program was ended, by exit(0), in stage 'clusters' (faulty.clusters of "), 1) << r.err;
  EXPECT_NE(r.err.find("(exit code 4)"), std::string::npos) << r.err;
}

}  // namespace
}  // namespace cdc::test
