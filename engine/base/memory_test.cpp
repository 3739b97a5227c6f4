#include "base/memory.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>

namespace {

/// Pages that the system hands out while memory of `bytes` is taken, filled and given back `times` times.
long page_faults(std::size_t bytes, int times) {
  struct rusage before {
  }, after{};
  ::getrusage(RUSAGE_THREAD, &before);
  for (int i = 0; i < times; ++i) {
    void* const memory = std::malloc(bytes);
    std::memset(memory, i + 1, bytes);  // not 0: malloc and zeros may become a calloc that touches nothing
    asm volatile("" : : "r"(memory) : "memory");  // the filling is for somebody
    std::free(memory);
  }
  ::getrusage(RUSAGE_THREAD, &after);
  return after.ru_minflt - before.ru_minflt;
}

TEST(Memory, WhatIsFreedIsTakenAgain) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
  GTEST_SKIP() << "the memory here is not glibc's";
#endif
  constexpr std::size_t kBytes = std::size_t{64} << 20;  // beyond what glibc would keep by itself: 32 MiB
  cdc::keep_freed_memory();
  page_faults(kBytes, 1);
  EXPECT_LT(page_faults(kBytes, 10), 1000);  // 163,840 if each time anew
}

}  // namespace
