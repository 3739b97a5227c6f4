#pragma once

#include <stdexcept>
#include <string>

#include "cdc/export.hpp"

namespace cdc {

/// Something the user can mend: the text names what is wrong, where, and the remedy. Programs print it as it is.
class CDC_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~Error() override;
};

/// A shared object that could not be loaded as a plugin library (exit code 3).
class CDC_API PluginError : public Error {
 public:
  using Error::Error;
  ~PluginError() override;
};

/// The run was asked to stop (SIGINT, SIGTERM); what is done is kept (exit code 5).
class CDC_API Stopped : public Error {
 public:
  using Error::Error;
  ~Stopped() override;
};

}  // namespace cdc
