// Runs a pipeline of fake stages: run_stages PLUGIN FILE CACHE RUNS [key=value ...]; PLUGIN "-": those beside the program. Prints what the observer
// hears. For tests that kill it or start two.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "cdc/error.hpp"
#include "exec/runner.hpp"
#include "graph/planner.hpp"

namespace {

std::atomic<bool> stop{false};

class Printer final : public cdc::RunObserver {
 public:
  void info(const std::string& stage, const std::string& text) override { print("info", stage, text); }
  void warn(const std::string& stage, const std::string& text) override { print("warn", stage, text); }
  void stage_begins(const std::string& stage, const std::string&, const std::string& why) override { print("begins", stage, why); }
  void stage_cached(const std::string& stage, const std::string&) override { print("cached", stage, ""); }
  void stage_ends(const std::string& stage, double) override { print("ends", stage, ""); }
  void progress(const std::string&, const cdc::Progress&) override {}

 private:
  static void print(const char* what, const std::string& stage, const std::string& text) {
    std::printf("%s %s %s\n", what, stage.c_str(), text.c_str());
    std::fflush(stdout);
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  std::signal(SIGTERM, [](int) { stop = true; });
  try {
    cdc::Registry registry;
    if (std::strcmp(argv[1], "-") == 0)
      registry.load_default_folders();
    else
      registry.load_library(argv[1]);
    const cdc::Plan plan = cdc::plan_pipeline(argv[2], {argv + 5, argv + argc}, registry);
    Printer printer;
    cdc::RunOptions options;
    options.cache = argv[3];
    options.runs = argv[4];
    options.threads = 2;
    options.observer = &printer;
    options.stop = &stop;
    cdc::run_pipeline(plan, registry, options);
  } catch (const cdc::Stopped& e) {
    std::printf("stopped %s\n", e.what());
    return 5;
  } catch (const std::exception& e) {
    std::printf("error %s\n", e.what());
    return 4;
  }
  return 0;
}
