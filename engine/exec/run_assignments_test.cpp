#include "exec/run_assignments.hpp"

#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

class NamedSet final : public Dataset {
 public:
  explicit NamedSet(std::vector<std::string> names) : names_(std::move(names)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(names_.size()); }
  int channels() const override { return 1; }
  std::array<int, 2> image_size() const override { return {1, 1}; }
  Image image(std::int64_t) const override { return {}; }
  const std::vector<std::int32_t>& labels() const override { return labels_; }
  const std::vector<std::string>& class_names() const override { return classes_; }
  std::string split() const override { return "train"; }
  std::string sample_name(std::int64_t i) const override { return names_[static_cast<std::size_t>(i)]; }

 private:
  std::vector<std::string> names_, classes_;
  std::vector<std::int32_t> labels_;
};

class RunAssignmentsTest : public FakePipeline {
 protected:
  /// As the runner has them, of the fake pipeline.
  RunAssignments assignments(const Plan& of) {
    identities.resize(of.stages.size());
    for (std::size_t i = 0; i < identities.size(); ++i) identities[i].key = "key" + std::to_string(i);
    return {of, identities, folder / "memo"};
  }
  static std::size_t stage(const Plan& of, const std::string& name) {
    for (std::size_t i = 0; i < of.stages.size(); ++i)
      if (of.stages[i].name == name) return i;
    throw std::runtime_error("no stage " + name);
  }
  static RunAssignments::Result result(const Plan& of, const std::string& name, std::vector<std::int32_t> clusters) {
    const auto made = std::make_shared<Assignment>();
    made->cluster = std::move(clusters);
    return {stage(of, name), name, made};
  }
  std::string text_of(const std::string& file) const { return read_file(folder / "run/assignments" / file); }

  std::vector<StageIdentity> identities;
};

TEST_F(RunAssignmentsTest, ATableHasALineASampleAndAColumnAStage) {
  const Plan p = plan();
  const std::vector<RunAssignments::Result> results = {result(p, "kmeans", {0, 1, 12}), result(p, "other", {2, -1, 0})};
  assignments(p).write(folder / "run", results);
  EXPECT_EQ(text_of("images.csv"), "number,kmeans,other\n0,0,2\n1,1,-1\n2,12,0\n");  // nobody has opened the images yet
  const std::string expected = "sample,kmeans,other\na b.png,0,2\n\"c,d.png\",1,-1\n\"sub/\"\"e\"\".png\",12,0\n";
  assignments(p).opened(stage(p, "images"), NamedSet({"/data/a b.png", "/data/c,d.png", "/data/sub/\"e\".png"}));
  assignments(p).write(folder / "run", results);  // a later run, which opens nothing
  EXPECT_EQ(text_of("images.csv"), expected);

  // A damaged memo is none.
  const fs::path memo = folder / "memo/key0.samples";
  std::string bytes = read_file(memo);
  bytes[bytes.size() - 3] = 'x';
  write_file(memo, bytes);
  assignments(p).write(folder / "run", results);
  EXPECT_EQ(text_of("images.csv"), "number,kmeans,other\n0,0,2\n1,1,-1\n2,12,0\n");
}

TEST_F(RunAssignmentsTest, AnAssignmentOfOtherSamplesIsNotMixedIn) {
  const Plan p = plan();
  RunAssignments all = assignments(p);
  all.opened(stage(p, "images"), NamedSet({"x/a", "x/b"}));
  all.write(folder / "run", {result(p, "kmeans", {0, 1}), result(p, "other", {2, 1, 0})});
  EXPECT_EQ(text_of("images.csv"), "sample,kmeans\na,0\nb,1\n");
  EXPECT_EQ(text_of("other.csv"), "number,other\n0,2\n1,1\n2,0\n");
}

TEST_F(RunAssignmentsTest, ARunHasThemWithoutItsCacheAndTheCachedRunToo) {
  const RunResult first = run();
  const std::string table = read_file(first.directory / "assignments/images.csv");
  fs::remove_all(folder / "trace");
  const RunResult second = run();
  EXPECT_EQ(trace_text(), "");
  EXPECT_EQ(read_file(second.directory / "assignments/images.csv"), table);
  fs::remove_all(folder / "cache");
  // Its scores follow from it: of ten samples, labels are 0, 1, 0, ...
  std::istringstream lines(table);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "sample,kmeans,other");
  int rows = 0;
  double kmeans = 0, other = 0;
  for (; std::getline(lines, line); ++rows) {
    const std::string label = std::to_string(rows % 2);
    EXPECT_EQ(line.substr(0, 2), std::to_string(rows) + ",");
    kmeans += line.substr(2, 1) == label ? 1 : 0;
    other += line.substr(4) == label ? 1 : 0;
  }
  EXPECT_EQ(rows, 10);
  EXPECT_EQ(kmeans / 10, first.summary.at("scores").at("kmeans").at("acc").as_real());
  EXPECT_EQ(other / 10, first.summary.at("scores").at("other").at("acc").as_real());
}

TEST_F(RunAssignmentsTest, ARunThatIsReplacedLeavesNoneOfItsOwn) {
  const auto into = [&](const std::vector<std::string>& overrides) {
    RunOptions o = options(listener);
    o.run_directory = folder / "here";
    run_pipeline(plan(overrides), registry(), o);
  };
  into({});
  write_file(folder / "here/assignments/earlier.csv", "sample,kmeans\n");
  write_file(folder / "here/assignments/mine.txt", "of no run");
  into({"stage.other.steps=4"});
  EXPECT_FALSE(fs::exists(folder / "here/assignments/earlier.csv"));
  EXPECT_TRUE(fs::exists(folder / "here/assignments/images.csv"));
  EXPECT_TRUE(fs::exists(folder / "here/assignments/mine.txt"));
}

}  // namespace
}  // namespace cdc::test
