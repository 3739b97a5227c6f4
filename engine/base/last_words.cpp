#include "base/last_words.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>

#include "base/work_records.hpp"

namespace cdc {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr std::size_t kStackBytes = std::size_t{64} << 10;

std::atomic<const char*> program{nullptr};
std::atomic<int> exit_code{1};
std::atomic<const char*> start{""};  ///< of the text: a terminal may be in the middle of a line
std::atomic<pid_t> telling{0};       ///< the thread that does
struct sigaction before[std::size(kSignals)];
AlternateStack first_stack;  ///< of the thread that made the LastWords

/// Text in a buffer of its own: a signal handler may neither take memory nor use stdio.
class Text {
 public:
  Text& operator<<(const char* text) {
    for (; *text != '\0' && size_ < sizeof bytes_; ++text) bytes_[size_++] = *text;
    return *this;
  }
  Text& number(std::uint64_t value, unsigned base = 10) {
    char digits[24];
    std::size_t at = sizeof digits;
    do digits[--at] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    for (; at < sizeof digits && size_ < sizeof bytes_; ++at) bytes_[size_++] = digits[at];
    return *this;
  }
  Text& work(const AtWork* work) {
    *this << "in " << (work->who() == nullptr ? "?" : work->who());
    if (work->doing() != nullptr) *this << ", " << work->doing();
    if (work->epoch() >= 0) (*this << ", epoch ").number(static_cast<std::uint64_t>(work->epoch()) + 1);
    if (work->batch() >= 0) (*this << ", batch ").number(static_cast<std::uint64_t>(work->batch()) + 1);
    return *this;
  }
  /// For whom this thread is at work, the innermost first; if for nobody, what others do.
  Text& whereabouts() {
    if (const AtWork* work = work_of_this_thread(); work != nullptr) {
      for (const char* between = ""; work != nullptr; work = work->outer(), between = "; ") (*this << between).work(work);
      return *this;
    }
    const char* between = "on a thread of which nothing is known; others are ";
    const WorkRecord* const all = work_records();
    bool any = false;
    for (std::size_t i = 0; i < kWorkRecords; ++i)
      if (const AtWork* work = all[i].top.load(std::memory_order_acquire); work != nullptr) {
        (*this << between).work(work);
        between = "; ";
        any = true;
      }
    return any ? *this : *this << "while no plugin was at work";
  }
  void send() const {
    for (std::size_t at = 0; at < size_;) {
      const ssize_t wrote = ::write(2, bytes_ + at, size_ - at);
      if (wrote <= 0) return;
      at += static_cast<std::size_t>(wrote);
    }
  }

 private:
  char bytes_[4096];
  std::size_t size_ = 0;
};

/// Where the stack ended when the signal came; 0 where that is not known.
std::uintptr_t stack_pointer([[maybe_unused]] const void* context) {
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.sp);
#else
  return 0;
#endif
}

void describe(Text& text, int number, const siginfo_t& info, const void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info.si_addr);
  const std::uintptr_t stack = stack_pointer(context);
  const bool sent = info.si_code <= 0;
  switch (number) {
    case SIGSEGV:
    case SIGBUS:
      text << (number == SIGSEGV ? "SIGSEGV" : "SIGBUS");
      if (sent)
        text << " (sent to it)";
      else if (number == SIGSEGV && stack != 0 && address + (std::uintptr_t{1} << 16) > stack && address < stack + (std::uintptr_t{1} << 16))
        text << " (the stack is full: endless recursion, or very large local variables)";
      else if (number == SIGSEGV)
        (text << " (memory that is not its own, at address 0x").number(address, 16) << ")";
      else
        text << " (memory that is not there: a file that was cut while it was read, or a full /dev/shm)";
      break;
    case SIGFPE:
      text << "SIGFPE (an integer divided by zero, or a quotient that does not fit)";
      break;
    case SIGILL:
      text << "SIGILL (an instruction that this processor does not have)";
      break;
    default:
      text << "SIGABRT (abort(): an exception that nobody may catch, such as one out of a destructor, or a check that failed)";
  }
}

extern "C" void on_fault(int number, siginfo_t* info, void* context) {
  const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
  pid_t teller = 0;
  if (telling.compare_exchange_strong(teller, self)) {
    Text text;
    text << start.load() << program.load() << ": died of ";
    describe(text, number, *info, context);
    (text << " ").whereabouts()
        << ". The fault is most likely in that code. What was done before is kept: mended, the same command goes on from there\n";
    text.send();
  } else if (teller != self) {
    for (;;) ::pause();  // the one that tells ends the process
  }
  for (std::size_t i = 0; i < std::size(kSignals); ++i)
    if (kSignals[i] == number) ::sigaction(number, &before[i], nullptr);
  // What was sent does not come again by itself; a faulty instruction does.
  if (info->si_code <= 0) ::raise(number);
}

/// exit() was called, by what is at work on this thread.
void on_exit_called(int code) {
  if (program.load() == nullptr) return;
  std::cout.flush();
  Text text;
  (text << start.load() << program.load() << ": the program was ended, by exit(").number(static_cast<std::uint64_t>(code < 0 ? -code : code))
      << "), ";
  text.whereabouts() << ". That is not for a plugin to do: it throws cdc::Error with what is wrong. What was done before is kept\n";
  text.send();
  ::_exit(exit_code.load());
}

void listen_to_exits() {
  static std::once_flag once;
  std::call_once(once, [] {
    ::on_exit([](int code, void*) { on_exit_called(code); }, nullptr);
    std::at_quick_exit([] { on_exit_called(0); });
  });
}

}  // namespace

void AlternateStack::set() {
  stack_t stack{};
  if (memory_ != nullptr || program.load() == nullptr || ::sigaltstack(nullptr, &stack) != 0 || (stack.ss_flags & SS_DISABLE) == 0) return;
  void* const memory = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;
  stack = {};
  stack.ss_sp = memory;
  stack.ss_size = kStackBytes;
  if (::sigaltstack(&stack, nullptr) == 0)
    memory_ = memory;
  else
    ::munmap(memory, kStackBytes);
}

AlternateStack::~AlternateStack() {
  if (memory_ == nullptr) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  if (::sigaltstack(&none, nullptr) == 0) ::munmap(memory_, kStackBytes);
}

LastWords::LastWords(const char* the_program, int the_exit_code) {
  program = the_program;
  exit_code = the_exit_code;
  start = ::isatty(2) != 0 ? "\n" : "";
  first_stack.set();
  struct sigaction action {};
  action.sa_sigaction = &on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (std::size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &action, &before[i]);
  listen_to_exits();
}

LastWords::~LastWords() {
  for (std::size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &before[i], nullptr);
  program = nullptr;
}

}  // namespace cdc
