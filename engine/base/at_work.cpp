#include "base/at_work.hpp"

#include <atomic>

#include "base/work_records.hpp"

namespace cdc {
namespace {

WorkRecord all_records[kWorkRecords];

/// Of a thread beyond those that the table has room for.
thread_local WorkRecord record_of_its_own;

/// Read in a signal handler: the memory of initial-exec thread variables is there from the thread's start.
__attribute__((tls_model("initial-exec"))) thread_local WorkRecord* record_here = nullptr;

/// Gives the record and the handler's stack back at the thread's end.
struct AtThreadsEnd {
  AlternateStack stack;
  ~AtThreadsEnd() {
    WorkRecord* const record = record_here;
    // What is still at work called exit(): last_words.cpp is about to ask who it was.
    if (record == nullptr || record->top.load(std::memory_order_relaxed) != nullptr) return;
    record_here = nullptr;
    record->taken.store(false, std::memory_order_release);
  }
};

WorkRecord& record_of_this_thread() {
  if (record_here != nullptr) return *record_here;
  thread_local AtThreadsEnd at_end;
  at_end.stack.set();
  for (WorkRecord& record : all_records)
    if (!record.taken.exchange(true, std::memory_order_acquire)) return *(record_here = &record);
  return *(record_here = &record_of_its_own);
}

}  // namespace

const WorkRecord* work_records() { return all_records; }
const AtWork* work_of_this_thread() { return record_here == nullptr ? nullptr : record_here->top.load(std::memory_order_relaxed); }

AtWork::AtWork(const char* who, const char* doing, std::int64_t epoch, std::int64_t batch) : who_(who), doing_(doing), epoch_(epoch), batch_(batch) {
  WorkRecord& record = record_of_this_thread();
  outer_ = record.top.load(std::memory_order_relaxed);
  record.top.store(this, std::memory_order_release);
}

AtWork::~AtWork() { record_of_this_thread().top.store(outer_, std::memory_order_release); }

const AtWork* AtWork::here() { return work_of_this_thread(); }

void AtWork::now(const char* doing, std::int64_t epoch, std::int64_t batch) {
  // Each is made without const, and this thread alone changes its own.
  auto* const innermost = const_cast<AtWork*>(work_of_this_thread());
  if (innermost == nullptr) return;
  innermost->doing_ = doing;
  innermost->epoch_ = epoch;
  innermost->batch_ = batch;
}

AtWorkFor::AtWorkFor(const AtWork* whose) {
  WorkRecord& record = record_of_this_thread();
  before_ = record.top.load(std::memory_order_relaxed);
  record.top.store(whose, std::memory_order_release);
}

AtWorkFor::~AtWorkFor() { record_of_this_thread().top.store(before_, std::memory_order_release); }

}  // namespace cdc
