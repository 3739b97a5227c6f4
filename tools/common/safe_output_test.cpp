#include "common/safe_output.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace cdc::program {
namespace {

TEST(SafeOutputTest, WhatWouldMoveTheCursorIsShownAndTextIsAsItWas) {
  std::ostringstream out, err;
  std::streambuf *const cout = std::cout.rdbuf(out.rdbuf()), *const cerr = std::cerr.rdbuf(err.rdbuf());
  {
    SafeOutput safe;
    std::cout << "a\x1b[2Jb" << '\r' << "\u00e9\t\n"
              << "\u202e" << std::flush;
    std::cerr << "bell\a\n";
    safe.raw_out() << "\r\x1b[K";
  }
  std::cout << "\x1b";  // as it was before
  std::cout.rdbuf(cout);
  std::cerr.rdbuf(cerr);
  EXPECT_EQ(out.str(), "a\\u001b[2Jb\\u000d\u00e9\t\n\\u202e\r\x1b[K\x1b");
  EXPECT_EQ(err.str(), "bell\\u0007\n");
}

}  // namespace
}  // namespace cdc::program
