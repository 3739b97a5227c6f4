#include "common/program.hpp"

#include <fmt/format.h>

#include <cmath>
#include <csignal>
#include <cstdint>
#include <iostream>

#include "base/last_words.hpp"
#include "base/memory.hpp"
#include "base/shell.hpp"
#include "cdc/error.hpp"
#include "config/diagnostic.hpp"

namespace cdc::program {

std::string command_line(int argc, const char* const* argv) {
  std::string out;
  for (int i = 0; i < argc; ++i) out += (i > 0 ? " " : "") + shell_quoted(argv[i]);
  return out;
}

void load_plugins(Registry& registry, const std::vector<std::filesystem::path>& further) {
  registry.load_default_folders();
  for (const std::filesystem::path& path : further) {
    if (std::filesystem::is_directory(path))
      registry.load_folder(path);
    else
      registry.load_library(path);
  }
}

std::string memory_problem() {
#ifdef CDC_WITHOUT_TORCH
  return {};
#else
  return memory_limit_problem();
#endif
}

Value versions(const TensorEngine& engine) {
  Value out = Value::table();
  out["cdc"] = CDC_VERSION;
  if (*kCommit != '\0') out["commit"] = kCommit;
  out["torch"] = engine.version != nullptr ? Value(engine.version()) : Value();
  out["compiler"] = __VERSION__;
  return out;
}

void on_stop_signals(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGPIPE}) ::sigaction(number, &action, nullptr);
  struct sigaction hangup {};
  if (::sigaction(SIGHUP, nullptr, &hangup) != 0 || hangup.sa_handler != SIG_IGN) ::sigaction(SIGHUP, &action, nullptr);
}

void tell_of_files_too_large() { std::signal(SIGXFSZ, SIG_IGN); }

std::string duration_text(double seconds) {
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

int with_errors_told(const std::string& program, const std::function<int()>& work) {
  const auto tell = [](const std::string& what, int code) {
    std::cout.flush();
    std::cerr << what << std::endl;
    return code;
  };
  const LastWords words(program.c_str(), 4);
  if (const std::string problem = memory_problem(); !problem.empty()) return tell(fmt::format("{}: {}", program, problem), 2);
  try {
    return work();
  } catch (const ConfigError& e) {
    return tell(e.what(), 2);
  } catch (const PluginError& e) {
    return tell(fmt::format("{}: {}", program, e.what()), 3);
  } catch (const std::exception& e) {
    return tell(fmt::format("{}: {}", program, e.what()), 4);
  }
}

}  // namespace cdc::program
