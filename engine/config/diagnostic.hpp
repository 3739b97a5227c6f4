#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cdc/error.hpp"
#include "cdc/export.hpp"

namespace cdc {

/// A place in a pipeline file, or on the command line (file "command line", line = which argument).
struct CDC_API Location {
  std::string file;
  int line = 0, column = 0;  ///< from 1

  CDC_API std::string text() const;  ///< "file:line:column"
  friend bool operator<(const Location& a, const Location& b) { return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column); }
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
