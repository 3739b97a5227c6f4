#pragma once

#include <iostream>
#include <streambuf>
#include <string>

namespace cdc::program {

/// While it lives, all that the program writes to std::cout and std::cerr is safe for a terminal (terminal_text() in base/escape.hpp): no name of a
/// file, pipeline, stage, class or plugin moves the cursor or passes for another. Made first in main().
class SafeOutput {
 public:
  SafeOutput();
  ~SafeOutput();
  SafeOutput(const SafeOutput&) = delete;
  SafeOutput& operator=(const SafeOutput&) = delete;
  /// Standard output as it is, for who draws: what is written here has to be safe by itself.
  std::ostream& raw_out() { return raw_out_; }

 private:
  class Buffer final : public std::streambuf {
   public:
    explicit Buffer(std::streambuf* to) : to_(to) {}
    std::streambuf* to() const { return to_; }

   protected:
    int_type overflow(int_type c) override;
    std::streamsize xsputn(const char* text, std::streamsize size) override;
    int sync() override;

   private:
    bool pass();
    std::streambuf* to_;
    std::string line_;  ///< what has not been passed on
  };
  Buffer out_, err_;
  std::ostream raw_out_;
};

}  // namespace cdc::program
