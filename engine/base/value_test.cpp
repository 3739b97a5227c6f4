#include "cdc/value.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "cdc/error.hpp"

namespace cdc {
namespace {

std::string message_of(std::string_view text) {
  try {
    Value::from_json(text);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Value, TablesKeepTheOrderOfInsertion) {
  Value v;
  v["zebra"] = 1;
  v["apple"]["core"] = "x";
  v["middle"].push_back(2.5);
  v["zebra"] = false;
  EXPECT_EQ(v.to_json(), R"({"zebra":false,"apple":{"core":"x"},"middle":[2.5]})");
  EXPECT_EQ(Value::from_json(v.to_json()), v);
  EXPECT_EQ(v.to_json(2),
            "{\n  \"zebra\": false,\n  \"apple\": {\n    \"core\": \"x\"\n  },\n  \"middle\": [\n    2.5\n  ]\n}");
  EXPECT_EQ(Value::from_json(v.to_json(2)), v);
  EXPECT_EQ(Value::table().to_json(2), "{}");
  EXPECT_EQ(Value::array().to_json(2), "[]");
}

TEST(Value, RealsStayRealsAndIntegersStayIntegers) {
  EXPECT_EQ(Value(1.0).to_json(), "1.0");
  EXPECT_EQ(Value(1).to_json(), "1");
  EXPECT_EQ(Value(-0.0).to_json(), "-0.0");
  EXPECT_EQ(Value(0.1).to_json(), "0.1");
  EXPECT_EQ(Value(1e300).to_json(), "1e+300");
  EXPECT_TRUE(std::signbit(Value::from_json("-0.0").as_real()));
  EXPECT_TRUE(Value::from_json("3e2").is_real());
  EXPECT_TRUE(Value::from_json("300").is_integer());
  for (const std::int64_t i : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
                               std::int64_t{0}, std::int64_t{-1}}) {
    EXPECT_EQ(Value::from_json(Value(i).to_json()), Value(i));
  }
  EXPECT_EQ(Value(std::numeric_limits<double>::quiet_NaN()).to_json(), "null");
  EXPECT_EQ(Value(-std::numeric_limits<double>::infinity()).to_json(), "null");
}

TEST(Value, EveryRealReadsBackBitForBit) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200000; ++i) {
    const std::uint64_t bits = random();
    double v = 0;
    std::memcpy(&v, &bits, sizeof v);
    if (!std::isfinite(v)) continue;
    const Value back = Value::from_json(Value(v).to_json());
    ASSERT_TRUE(back.is_real()) << Value(v).to_json();
    const double read = back.as_real();
    ASSERT_EQ(std::memcmp(&read, &v, sizeof v), 0) << Value(v).to_json();
  }
  for (const double v : {std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::max(), 5e-324, 2e22}) {
    EXPECT_EQ(Value::from_json(Value(v).to_json()), Value(v));
  }
}

TEST(Value, StringsAreEscapedAndMadeValidUtf8) {
  const std::string s = std::string("quote \" back \\ line\n tab\t \x01 nul") + '\0' + "end \xc3\xa9 \xf0\x9f\x90\x9f";
  EXPECT_EQ(Value::from_json(Value(s).to_json()).as_string(), s);
  EXPECT_EQ(Value::from_json(R"("\ud83d\udc1f")").as_string(), "\xf0\x9f\x90\x9f");
  EXPECT_EQ(Value("\xff.png").to_json(), "\"\xef\xbf\xbd.png\"");
}

TEST(Value, TypesAreCheckedByName) {
  EXPECT_EQ(Value(3).as_real(), 3.0);
  try {
    Value("x").as_integer();
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "expected integer, found string");
  }
  EXPECT_THROW(Value(1.5).as_integer(), Error);
  EXPECT_THROW(Value().as_table(), Error);
  EXPECT_THROW(Value(1)["key"], Error);
  EXPECT_THROW(Value("x").push_back(1), Error);
  EXPECT_EQ(Value(1).find("key"), nullptr);
  const Value table(Value::Table{{"a", 1}});
  EXPECT_EQ(table.at("a"), Value(1));
  try {
    table.at("b");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "the table has no entry 'b'");
  }
}

TEST(Value, WhatIsNotJsonIsRefusedWithItsPosition) {
  EXPECT_NE(message_of("{\"a\": 1,\n \"b\": }").find("not JSON at line 2, column 7"), std::string::npos)
      << message_of("{\"a\": 1,\n \"b\": }");
  EXPECT_EQ(message_of("{\"a\": 1,\n \"a\": 2}"), "not JSON at line 2, column 4: the key 'a' is given twice in one table");
  EXPECT_NE(message_of("9223372036854775808").find("the integer 9223372036854775808 does not fit 64 bits"), std::string::npos);
  EXPECT_NE(message_of("99999999999999999999999").find("does not fit 64 bits"), std::string::npos);
  EXPECT_NE(message_of("1e999").find("not JSON at line 1"), std::string::npos);
  EXPECT_NE(message_of("").find("not JSON at line 1, column 1"), std::string::npos);
  EXPECT_NE(message_of("{} x").find("not JSON at line 1, column 4"), std::string::npos) << message_of("{} x");
  EXPECT_NE(message_of("\"\xff\"").find("not JSON"), std::string::npos);
  EXPECT_NE(message_of("NaN").find("not JSON"), std::string::npos);
  EXPECT_NE(message_of(std::string(100000, '[')).find("nested deeper than 512 levels"), std::string::npos);
}

}  // namespace
}  // namespace cdc
