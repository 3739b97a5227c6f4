#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cdc::program {

/// The command line of cdc-run.
struct Options {
  std::filesystem::path file;
  std::vector<std::string> overrides;  ///< key=value, --seed among them
  bool check = false, dry_run = false, print_config = false, fresh = false, no_weights = false, tensorboard = false, detect_anomaly = false;
  int threads = 0;
  std::string device = "cpu";
  std::filesystem::path run_directory, cache;
  std::vector<std::filesystem::path> plugins;
  std::string command_line;  ///< as typed, quoted where a shell would need it
};

/// Reads it; nothing comes back where the program is to end at once, with `exit_code` (--help, --version: 0; a slip: 2, told on stderr).
std::optional<Options> read_options(int argc, const char* const* argv, const std::string& version, int& exit_code);

}  // namespace cdc::program
