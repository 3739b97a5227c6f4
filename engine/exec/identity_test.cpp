#include "exec/identity.hpp"

#include "support/fake_pipeline.hpp"

namespace cdc::test {
namespace {

using Names = std::vector<std::string>;

class IdentityTest : public FakePipeline {};

TEST_F(IdentityTest, CodeOfALibraryThatDoesNotComeWithTheEngineCounts) {
  const fs::path mine = folder / "fake_stages.so";
  const std::string bytes = read_file(plugin());
  const auto built = [&](const std::string& as) {  // as a linker does: a new file in the old one's place
    write_file(folder / "new", as);
    fs::rename(folder / "new", mine);
    auto all = std::make_unique<Registry>();
    all->load_library(mine);
    return all;
  };
  const auto run_with = [&](const Registry& all) {
    listener = Listener();
    return run_pipeline(plan_text(text, "p.toml", {}, all), all, options(listener));
  };
  const auto first = built(bytes);
  const RunResult result = run_with(*first);
  const Value record = Value::from_json(read_file(result.directory / "run.json"));
  EXPECT_EQ(record.at("libraries").at(mine.string()).as_string(), first->libraries().at(0)->code);
  const auto again = built(bytes + "debug information");
  run_with(*again);
  EXPECT_EQ(listener.began, Names{});

  std::string changed = bytes;
  const std::size_t at = changed.find("the clusters are too heavy");
  ASSERT_NE(at, std::string::npos);
  changed[at] = 'T';
  const auto other = built(changed);
  run_with(*other);
  EXPECT_EQ(sorted(listener.began), (Names{"features", "images", "kmeans", "other", "scores"}));
  const std::string why = "plugin library " + mine.string() + " changed";
  EXPECT_EQ(listener.why.at("features"), why + "; input 'images': " + why);
  EXPECT_EQ(listener.why.at("kmeans"), why + "; input 'features' runs");
  // Moved, it is what it was.
  fs::create_directories(folder / "elsewhere");
  fs::rename(mine, folder / "elsewhere/fake_stages.so");
  Registry moved;
  moved.load_library(folder / "elsewhere/fake_stages.so");
  run_with(moved);
  EXPECT_EQ(listener.began, Names{});
}

TEST_F(IdentityTest, ALibraryThatComesWithTheEngineCountsByVersionsAlone) {
  const fs::path library = folder / "lib/cdc/plugins/fake_stages.so", program = folder / "bin/run_stages";
  fs::create_directories(program.parent_path());
  fs::create_directories(library.parent_path());
  fs::copy_file(binary_folder() / "tests/run_stages", program);
  write_file(folder / "p.toml", text);
  std::string bytes = read_file(plugin());
  const auto run_with = [&] {
    write_file(library, bytes);
    return run_process({program, "-", folder / "p.toml", folder / "cache", folder / "runs"}, folder);
  };
  const ProcessResult first = run_with();
  ASSERT_EQ(first.code, 0) << first.out;
  EXPECT_NE(first.out.find("begins kmeans"), std::string::npos) << first.out;
  bytes[bytes.find("the clusters are too heavy")] = 'T';
  const ProcessResult second = run_with();
  EXPECT_EQ(second.out.find("begins"), std::string::npos) << second.out;
  EXPECT_NE(second.out.find("cached kmeans"), std::string::npos) << second.out;
}

TEST(Identity, FilesThatLieElsewhereAreNotGone) {
  const auto record = [](const std::vector<std::pair<std::string, std::string>>& files) {
    Value out = Value::table();
    out["plugin"] = "dataset.idx";
    out["version"] = 1;
    out["parameters"] = Value::table();
    for (const auto& [path, print] : files) out["files"][path] = print;
    return out;
  };
  const Value before = record({{"/old/images", "file:1"}, {"/old/labels", "file:2"}});
  EXPECT_EQ(changes_between(before, record({{"/new/images", "file:1"}, {"/new/labels", "file:2"}})),
            Names{"its data are read from /new now, with the same contents as in /old"});
  EXPECT_EQ(
      changes_between(before, record({{"/new/images", "file:1"}, {"/new/labels", "file:3"}})),
      (Names{"data file /new/labels has other contents than /old/labels had", "its data are read from /new now, with the same contents as in /old"}));
  EXPECT_EQ(changes_between(before, record({{"/old/images", "file:4"}, {"/old/more", "folder:5"}})),
            (Names{"data file /old/images changed", "data folder /old/more is new", "data file /old/labels is no longer read"}));
}

}  // namespace
}  // namespace cdc::test
