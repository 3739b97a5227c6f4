#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cdc/error.hpp"
#include "cdc/export.hpp"

namespace cdc {

/// A place in a pipeline file, in a sweep's, or on the command line (file "command line", line = which argument). Places are sorted by file, the
/// sweep first, then the command line, then the file that is run, then what it extends (of a list the last first), and within a file by position.
struct CDC_API Location {
  static constexpr int kCommandLine = -1, kSweep = -2;

  std::string file;
  int line = 0, column = 0;  ///< from 1
  int depth = 0;             ///< 0: the file that is run, 1: the (last) one that it extends, and so on; kCommandLine, kSweep

  CDC_API std::string text() const;  ///< "file:line:column"
  friend bool operator<(const Location& a, const Location& b) {
    return std::tie(a.depth, a.file, a.line, a.column) < std::tie(b.depth, b.file, b.line, b.column);
  }
};

struct Diagnostic {
  Location where;
  std::string message;  ///< what is wrong, and the remedy

  CDC_API std::string text() const;  ///< "file:line:column: error: message"
};

/// Everything that is wrong with a pipeline (exit code 2): one line each, "file:line:column: error: message", in order of position.
class CDC_API ConfigError : public Error {
 public:
  explicit ConfigError(std::vector<Diagnostic> all);
  ~ConfigError() override;
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace cdc
