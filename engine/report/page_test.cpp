#include "report/page.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "artifact/array_file.hpp"
#include "support/errors.hpp"

namespace cdc {
namespace {

using test::error_of;

Value least() {
  Value data = Value::table();
  data["kind"] = "run";
  data["title"] = "t";
  return data;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(PageTest, Base64OfTheStandard) {  // RFC 4648, section 10
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

TEST(PageTest, NumbersArePackedLittleEndian) {
  EXPECT_EQ(packed_u16({1, 256, -1}), "u16:" + base64(std::string("\x01\x00\x00\x01\xff\xff", 6)));
  EXPECT_EQ(packed_u32({1, 70000}), "u32:" + base64(std::string("\x01\x00\x00\x00\x70\x11\x01\x00", 8)));
  EXPECT_EQ(packed_i16({-2, 300}), "i16:" + base64(std::string("\xfe\xff\x2c\x01", 4)));
}

TEST(PageTest, NumbersThatDoNotFitAreTold) {
  EXPECT_EQ(error_of([] { packed_u16({65535}); }), "65535 does not fit into u16");
  EXPECT_EQ(error_of([] { packed_u32({-1}); }), "-1 does not fit into u32");
  EXPECT_EQ(error_of([] { packed_i16({32768}); }), "32768 does not fit into i16");
  EXPECT_EQ(error_of([] { packed_i16({-32769}); }), "-32769 does not fit into i16");
}

TEST(PageTest, ThePageIsWholeAndHoldsItsData) {
  const std::string page = report_page(least());
  EXPECT_EQ(page.substr(0, 15), "<!DOCTYPE html>");
  EXPECT_NE(page.find("<title>t"), std::string::npos);
  EXPECT_NE(page.find("{\"kind\":\"run\",\"title\":\"t\"}"), std::string::npos);
  for (const char* mark : {"{{title}}", "{{data}}", "/*{{css}}*/", "/*{{vendor}}*/", "/*{{js}}*/"})
    EXPECT_EQ(page.find(mark), std::string::npos) << mark;
  EXPECT_GT(page.size(), 100000U);  // the chart library is in it
}

TEST(PageTest, NamesCannotLeaveTheirPlace) {
  Value data = least();
  data["title"] = "</title></script><b>{{data}} /*{{js}}*/ & co";
  const std::string page = report_page(data);
  EXPECT_EQ(count(page, "<b>"), count(report_page(least()), "<b>"));
  EXPECT_EQ(count(page, "</script>"), count(report_page(least()), "</script>"));
  EXPECT_NE(page.find("&lt;/title&gt;&lt;/script&gt;&lt;b&gt;{{data}} /*{{js}}*/ &amp; co"), std::string::npos);
}

TEST(PageTest, WhatIsNoPageIsNotOverwritten) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("cdc_page_" + std::to_string(::getpid())), file = folder / "page.html";
  fs::remove_all(folder);
  const auto problem = [](const fs::path& at) { return error_of([&] { require_place_for_page(at); }); };
  EXPECT_EQ(problem(file), "cannot write " + file.string() + ": No such file or directory; name another place for the page with -o FILE");
  fs::create_directories(folder);
  EXPECT_NO_THROW(require_place_for_page(file));
  write_file(file, "");  // as mktemp makes it
  EXPECT_NO_THROW(require_place_for_page(file));
  write_file(file, report_page(least()));
  EXPECT_NO_THROW(require_place_for_page(file));
  write_file(file, "<!DOCTYPE html>\n<title>my thesis</title>");
  const std::string refused = " is there and is no page of cdc-report: it is not overwritten; name another place for the page with -o FILE";
  EXPECT_EQ(problem(file), file.string() + refused);
  EXPECT_EQ(problem(folder / "."), (folder / ".").string() + refused);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace cdc
