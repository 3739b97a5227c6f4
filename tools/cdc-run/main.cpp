#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "base/last_words.hpp"
#include "base/memory.hpp"
#include "cdc-run/options.hpp"
#include "cdc-run/terminal.hpp"
#include "cdc/error.hpp"
#include "common/program.hpp"
#include "common/safe_output.hpp"
#include "config/diagnostic.hpp"
#include "config/spec.hpp"
#include "exec/runner.hpp"
#include "exec/tensor_engine.hpp"
#include "graph/planner.hpp"
#include "plugin/registry.hpp"

namespace {

enum ExitCode { kDone = 0, kWrongFile = 2, kWrongPlugin = 3, kStageFailed = 4, kStopped = 5 };

std::atomic<bool> stop{false};

void on_signal(int number) {
  if (stop.exchange(true)) {
    if (number != SIGINT) return;  // of the others one wish may send several: a batch system and a parent, Ctrl-C and the `tee` that it ends
    ::_exit(kStopped);             // asked twice: at once; a kill at any moment is harmless
  }
  if (number == SIGPIPE) return;  // as in `cdc-run --help | head`: nothing to stop, nobody to tell
  constexpr char text[] = "\nstopping; what is done is saved (Ctrl-C again: at once)\n";
  [[maybe_unused]] const ssize_t wrote = ::write(2, text, sizeof text - 1);
}

/// Before LibTorch is loaded: its OpenMP library reads the environment then. Spinning threads take the cores from the loaders.
void prepare_process() {
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  cdc::keep_freed_memory();
  cdc::program::on_stop_signals(&on_signal);
  cdc::program::tell_of_files_too_large();
}

int columns() {
  struct winsize size {};
  return ::ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 100;
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int tell(const char* what, int code) {
  std::cout.flush();
  std::cerr << what << std::endl;
  return code;
}

int run(const cdc::program::Options& options, cdc::program::SafeOutput& safe) {
  const double start = seconds();
  if (const std::string problem = cdc::program::memory_problem(); !problem.empty())
    return tell(fmt::format("cdc-run: {}", problem).c_str(), kWrongFile);
  const cdc::TensorEngine engine = cdc::load_tensor_engine();
  cdc::Registry registry;
  cdc::program::load_plugins(registry, options.plugins);
  const cdc::Plan plan = cdc::plan_pipeline(options.file, options.overrides, registry);
  if (options.print_config) std::cout << cdc::to_toml(plan.resolved, plan.spec);
  if (options.check) std::cout << fmt::format("{}: ok, {} stages\n", options.file.string(), plan.stages.size());
  if (options.print_config || options.check) return kDone;

  cdc::program::Terminal terminal(safe.raw_out(), std::cerr, ::isatty(1) != 0, columns(), &seconds);
  cdc::RunOptions run;
  try {
    if (engine.check_device != nullptr) run.device = engine.check_device(options.device);
  } catch (const cdc::Error& e) {
    return tell(fmt::format("cdc-run: --device: {}", e.what()).c_str(), kWrongFile);
  }
  run.cache = options.cache;
  run.run_directory = options.run_directory;
  run.threads = options.threads;
  run.fresh = options.fresh;
  run.weights = !options.no_weights;
  run.tensorboard = options.tensorboard;
  run.sessions = options.detect_anomaly ? engine.anomaly_sessions : engine.sessions;
  run.last_backward = options.detect_anomaly ? engine.last_backward : nullptr;
  run.observer = &terminal;
  run.stop = &stop;
  run.command_line = options.command_line;
  run.versions = cdc::program::versions(engine);
  if (options.dry_run) {
    std::cout << cdc::program::status_text(cdc::stage_status(plan, registry, run));
    return kDone;
  }
  try {
    const cdc::RunResult result = cdc::run_pipeline(plan, registry, run);
    terminal.finish();
    const std::string table = cdc::program::score_table(result.summary);
    if (!table.empty()) std::cout << '\n' << table << '\n';
    std::cout << fmt::format("{}  ({})\n", result.directory.string(), cdc::program::duration_text(seconds() - start));
  } catch (...) {
    terminal.finish();
    throw;
  }
  return kDone;
}

int program(int argc, char** argv, cdc::program::SafeOutput& safe) {
  int code = kDone;
  const std::optional<cdc::program::Options> options = cdc::program::read_options(argc, argv, CDC_VERSION, code);
  if (!options) return code;
  try {
    return run(*options, safe);
  } catch (const cdc::ConfigError& e) {
    return tell(e.what(), kWrongFile);
  } catch (const cdc::PluginError& e) {
    return tell(fmt::format("cdc-run: {}", e.what()).c_str(), kWrongPlugin);
  } catch (const cdc::Stopped& e) {
    return tell(fmt::format("cdc-run: {}", e.what()).c_str(), kStopped);
  } catch (const cdc::Error& e) {
    return tell(fmt::format("cdc-run: {}", e.what()).c_str(), kStageFailed);
  } catch (const std::exception& e) {
    return tell(fmt::format("cdc-run: the engine failed ({}); this is a fault of cdc, not of the pipeline", e.what()).c_str(), kStageFailed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  prepare_process();
  const cdc::LastWords words("cdc-run", kStageFailed);
  cdc::program::SafeOutput safe;
  const int code = program(argc, argv, safe);
  std::cout.flush();
  std::cerr.flush();
  ::_exit(code);  // all that counts is on disk; taking LibTorch down would only take time
}
