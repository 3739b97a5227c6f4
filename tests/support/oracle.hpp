#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "cdc/value.hpp"
#include "support/files.hpp"

namespace cdc::test {

/// What tests/oracle/NAME.py prints, read as JSON; null where there is no Python for it.
inline Value run_oracle(const std::string& name, const std::vector<std::string>& arguments = {}) {
  const char* given = std::getenv("CDC_ORACLE_PYTHON");
  const std::string python = given ? std::string(given) : (source_folder() / "build/oracle-venv/bin/python").string();
  const std::string script = (source_folder() / "tests/oracle" / (name + ".py")).string();
  if (!std::filesystem::exists(python)) return {};
  std::string command = "'" + python + "' '" + script + "'";
  for (const std::string& one : arguments) command += " '" + one + "'";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error(python + " cannot be started");
  std::string text;
  char buffer[65536];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  if (::pclose(pipe) != 0) throw std::runtime_error(script + " failed");
  return Value::from_json(text);
}

/// A list of numbers.
template <class T>
std::vector<T> list(const Value& value) {
  std::vector<T> out;
  for (const Value& v : value.as_array()) out.push_back(static_cast<T>(v.as_real()));
  return out;
}

}  // namespace cdc::test

/// Skips the test where run_oracle() gave nothing.
#define CDC_NEEDS_ORACLE(result) \
  if ((result).is_null())        \
  GTEST_SKIP() << "no Python with PyTorch and scikit-learn: make build/oracle-venv (tools/test does), or set CDC_ORACLE_PYTHON"
