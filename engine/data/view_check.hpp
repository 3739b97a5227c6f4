#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cdc {

/// What is wrong with the numbers of a rendered view; empty where each is finite.
std::string view_problem(const float* view, std::int64_t floats);

/// Memory for one view between two strips of guards: tells what was written outside of it, and what was not written at all.
class GuardedView {
 public:
  explicit GuardedView(std::int64_t floats);
  float* view();
  std::string problem() const;

 private:
  std::int64_t floats_;
  std::vector<float> memory_;
};

}  // namespace cdc
