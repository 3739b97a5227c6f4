#pragma once

#include <cstdint>

#include "cdc/export.hpp"

namespace cdc {

/// Says, as long as it lives, for whom this thread is at work: what last_words.hpp tells where the process dies in it. One made inside another says
/// more. Costs a few stores. Texts are kept by pointer and outlive it.
class CDC_API AtWork {
 public:
  /// @param who "node 'loss' (loss.cdc, ...)"
  /// @param doing "forward pass", or nullptr
  /// @param epoch, batch from 0; -1: not told
  explicit AtWork(const char* who, const char* doing = nullptr, std::int64_t epoch = -1, std::int64_t batch = -1);
  ~AtWork();
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;

  /// The innermost one of this thread; nullptr where there is none.
  static const AtWork* here();
  /// Changes what the innermost one of this thread does; nothing where there is none.
  static void now(const char* doing, std::int64_t epoch = -1, std::int64_t batch = -1);

  const AtWork* outer() const { return outer_; }
  const char* who() const { return who_; }
  const char* doing() const { return doing_; }
  std::int64_t epoch() const { return epoch_; }
  std::int64_t batch() const { return batch_; }

 private:
  const AtWork* outer_;
  const char *who_, *doing_;
  std::int64_t epoch_, batch_;
};

/// As long as it lives, this thread works for another one's `whose`, which waits for it.
class CDC_API AtWorkFor {
 public:
  explicit AtWorkFor(const AtWork* whose);
  ~AtWorkFor();
  AtWorkFor(const AtWorkFor&) = delete;
  AtWorkFor& operator=(const AtWorkFor&) = delete;

 private:
  const AtWork* before_;
};

}  // namespace cdc
