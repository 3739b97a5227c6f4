#pragma once

#include <atomic>
#include <cstddef>

#include "base/at_work.hpp"

namespace cdc {

/// The innermost AtWork of a thread, where a signal handler of any thread finds it.
struct WorkRecord {
  std::atomic<bool> taken{false};
  std::atomic<const AtWork*> top{nullptr};
};
inline constexpr std::size_t kWorkRecords = 512;  ///< further threads work unseen by others
const WorkRecord* work_records();
const AtWork* work_of_this_thread();

/// Where signal handlers of the calling thread run, so that one can tell of a stack that has overflowed. Does nothing where no LastWords lives, or
/// where the thread has such a stack already (the address sanitizer's).
class AlternateStack {
 public:
  ~AlternateStack();
  void set();

 private:
  void* memory_ = nullptr;
};

}  // namespace cdc
