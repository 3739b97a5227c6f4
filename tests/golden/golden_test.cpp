// Every NAME.toml of this folder is wrong; NAME.txt is what it says. bases/ holds what they extend. `# overrides: a=1 | b=2` in the first line are
// arguments of the command line.
// To write the expected texts anew, and then to read them: CDC_GOLDEN_WRITE=1.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "golden/planning.hpp"
#include "graph/planner.hpp"

namespace {

namespace fs = std::filesystem;
using cdc::test::read_file;

std::vector<fs::path> cases() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(cdc::test::source_folder() / "tests/golden"))
    if (entry.path().extension() == ".toml") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> overrides_of(const std::string& text) {
  const std::string mark = "# overrides: ";
  std::vector<std::string> out;
  if (text.compare(0, mark.size(), mark) != 0) return out;
  std::string line = text.substr(mark.size(), text.find('\n') - mark.size());
  for (std::size_t bar; (bar = line.find(" | ")) != std::string::npos; line.erase(0, bar + 3)) out.push_back(line.substr(0, bar));
  out.push_back(line);
  return out;
}

TEST(Golden, EveryWrongPipelineSaysWhatIsWrong) {
  ::unsetenv("CDC_TEST_UNSET_VARIABLE");
  const std::vector<fs::path> all = cases();
  ASSERT_GT(all.size(), 60u);
  const fs::path before = fs::current_path();
  fs::current_path(cdc::test::source_folder() / "tests/golden");  // names without folders in messages
  for (const fs::path& file : all) {
    SCOPED_TRACE(file.filename().string());
    const std::string text = read_file(file);
    std::string said;
    try {
      cdc::plan_pipeline(file.filename(), overrides_of(text), cdc::test::registry());
      ADD_FAILURE() << "was taken";
      continue;
    } catch (const cdc::ConfigError& e) {
      said = std::string(e.what()) + "\n";
      EXPECT_TRUE(std::is_sorted(e.diagnostics().begin(), e.diagnostics().end(), [](const auto& a, const auto& b) { return a.where < b.where; }));
    }
    fs::path expected = file;
    expected.replace_extension(".txt");
    if (std::getenv("CDC_GOLDEN_WRITE") != nullptr) cdc::test::write_file(expected, said);
    EXPECT_EQ(said, read_file(expected));
  }
  fs::current_path(before);
}

}  // namespace
