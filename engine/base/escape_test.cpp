#include "base/escape.hpp"

#include <gtest/gtest.h>

namespace cdc {
namespace {

using namespace std::string_literals;

TEST(Escape, ForATerminal) {
  EXPECT_EQ(terminal_text("plain \u00e9 \u65e5\n\tx"), "plain \u00e9 \u65e5\n\tx");
  EXPECT_EQ(terminal_text("\x1b]0;title\a \x7f\r\b"), "\\u001b]0;title\\u0007 \\u007f\\u000d\\u0008");
  EXPECT_EQ(terminal_text("\u009b2J"), "\\u009b2J");  // CSI in one character
  EXPECT_EQ(terminal_text("a\u202eb\u2066c\u200f"), "a\\u202eb\\u2066c\\u200f");
  EXPECT_EQ(terminal_text("\xff\x9b \xc3"), "\\xff\\x9b \\xc3");
  EXPECT_EQ(terminal_text("\xc0\xaf \xed\xa0\x80"), "\\xc0\\xaf \\xed\\xa0\\x80");  // overlong, a half of a pair
  EXPECT_EQ(terminal_text("a\0b"s), "a\\u0000b");
  EXPECT_EQ(terminal_word("a\nb\tc"), "a\\nb\\tc");
}

TEST(Escape, ForCsv) {
  for (const char* number : {"-1", "-0.5", "+3", "-1e-04", "12"}) EXPECT_EQ(csv_field(number), number);
  EXPECT_EQ(csv_field("=1+2"), "'=1+2");
  EXPECT_EQ(csv_field("+cmd|' /C calc'!A0"), "'+cmd|' /C calc'!A0");
  EXPECT_EQ(csv_field("-2+3"), "'-2+3");
  EXPECT_EQ(csv_field("@SUM(A1)"), "'@SUM(A1)");
  EXPECT_EQ(csv_field("\t=1"), "\"'\t=1\"");
  EXPECT_EQ(csv_field("a=b"), "a=b");
  EXPECT_EQ(csv_field("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
  EXPECT_EQ(csv_field(""), "");
}

TEST(Escape, ForMarkdown) {
  EXPECT_EQ(markdown_text("a|b*_`\\"), "a\\|b\\*\\_\\`\\\\");
  EXPECT_EQ(markdown_text("<img src=x> &amp; [x](y) ~~z~~"), "&lt;img src=x&gt; &amp;amp; \\[x\\](y) \\~\\~z\\~\\~");
  EXPECT_EQ(markdown_text("a\nb\r\tc\x1b"), "a b  c\\\\x1b");
}

TEST(Escape, ForLatex) {
  EXPECT_EQ(latex_text("a_b & 50% $x$ #1 {y}"), "a\\_b \\& 50\\% \\$x\\$ \\#1 \\{y\\}");
  EXPECT_EQ(latex_text("\\input{x}~^"), "\\textbackslash{}input\\{x\\}\\textasciitilde{}\\textasciicircum{}");
  EXPECT_EQ(latex_text("<|>\n\n\a"), "\\textless{}\\textbar{}\\textgreater{}  \\textbackslash{}x07");
}

TEST(Escape, ForXml) {
  EXPECT_EQ(xml_text("<a b=\"c\"> & d"), "&lt;a b=&quot;c&quot;&gt; &amp; d");
  EXPECT_EQ(xml_text("\x1b"
                     "a\tb\xff\u00e9"),
            "a\tb\xEF\xBF\xBD\u00e9");
}

}  // namespace
}  // namespace cdc
