#pragma once

#include "cdc/export.hpp"

namespace cdc {

/// What a program says where it dies, as long as this lives. Of a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) one paragraph on stderr says which
/// it is and, by AtWork, in whose code; then the signal does what it would have done, core file and exit status included. Where exit() or
/// quick_exit() is called, by a plugin then, that is said and the exit code is `exit_code`. One at a time.
class CDC_API LastWords {
 public:
  /// @param program begins the text; kept by pointer
  LastWords(const char* program, int exit_code);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;
};

}  // namespace cdc
