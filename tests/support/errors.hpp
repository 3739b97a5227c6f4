#pragma once

#include <gtest/gtest.h>

#include <string>

#include "cdc/error.hpp"

namespace cdc::test {

/// The text of the cdc::Error that `body` throws; fails the test where it throws none.
template <class Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no cdc::Error was thrown";
  return {};
}

}  // namespace cdc::test
