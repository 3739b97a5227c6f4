// The report's page in headless Chromium, with made-up data (tests/oracle/report_page.py, report_page_fixtures.py).
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "support/oracle.hpp"

namespace cdc::test {
namespace {

TEST(ReportPageOracle, ShowsWhatItIsGivenAndAnswersMouseTouchAndKeys) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("cdc_report_page_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const Value page = run_oracle("report_page", {folder.string()});
  CDC_NEEDS_ORACLE(page);
  if (const Value* why = page.find("skip")) GTEST_SKIP() << why->as_string();
  for (const Value& problem : page.at("problems").as_array()) ADD_FAILURE() << problem.as_string();
  EXPECT_EQ(page.at("views"), Value(28));  // 8 pages, on a phone and a desk, light and dark; two large ones half of that
  EXPECT_EQ(page.at("lacking"), Value(23));
  EXPECT_EQ(page.at("pages").as_table().size(), 8u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace cdc::test
