#include "cdc-run/options.hpp"

#include <algorithm>
#include <cstdint>
#include <iostream>

#include "common/arguments.hpp"
#include "common/program.hpp"

namespace cdc::program {
std::optional<Options> read_options(int argc, const char* const* argv, const std::string& version, int& exit_code) {
  Options options;
  std::optional<std::int64_t> seed;
  CLI::App app("Runs a pipeline file: what is in the cache is not computed again, and what was stopped goes on.", "cdc-run");
  app.footer(
      "Exit codes: 2 the file or command line, 3 a plugin could not be loaded, 4 a stage failed (what is done stays cached), 5 stopped by a signal.");
  app.set_version_flag("--version", version);
  app.add_option("FILE", options.file,
                 "The pipeline, a TOML file; with extends = \"OTHER.toml\", or a list of files, it states what differs from them")
      ->required();
  app.add_option("key=value", options.overrides, "Changes to it: stage.train.epochs=5");
  app.add_option("--seed", seed, "The same as pipeline.seed=N")->transform(whole_number(0, INT64_MAX));
  app.add_flag("--check", options.check, "Checks the file alone; needs no data");
  app.add_flag("--dry-run", options.dry_run, "Says of each stage whether it is cached, or why it would run");
  app.add_flag("--print-config", options.print_config,
               "Prints the pipeline as resolved, and behind each value where it comes from: file and line, command line, or default");
  app.add_flag("--fresh", options.fresh, "Takes nothing from the cache and starts over");
  app.add_option("--threads", options.threads, "Threads to use (default: all)")->transform(whole_number(1, 4096));
  app.add_option("--device", options.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--run-dir", options.run_directory, "Folder of this run (default: runs/NAME/TIME)")->check(path_name());
  app.add_option("--cache", options.cache, "Folder of the cache (default: CDC_CACHE, else cache)")->check(path_name());
  app.add_flag("--no-weights", options.no_weights, "Leaves the weights of trained models in the cache, and writes none to the run's folder");
  app.add_flag("--tensorboard", options.tensorboard,
               "Writes scalars, images and embeddings for TensorBoard to tensorboard/ in the run's folder: tensorboard --logdir runs");
  app.add_flag("--detect-anomaly", options.detect_anomaly,
               "Follows each backward pass, at a cost: of the first function that gives nan, or fails, it names the node whose forward pass made it");
  app.add_option("--plugin", options.plugins, "A further plugin library, or folder of such; may be given again")
      ->allow_extra_args(false)
      ->check(path_name());
  try {
    app.parse(argc, argv);
    const auto says_seed = [](const std::string& one) { return one.rfind("pipeline.seed=", 0) == 0; };
    if (const auto other = std::find_if(options.overrides.begin(), options.overrides.end(), says_seed); seed && other != options.overrides.end())
      throw CLI::ValidationError("--seed", "is the same as " + *other + ": leave out one of them");
    if (options.cache.empty()) options.cache = default_cache();
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {
      app.exit(e);
      exit_code = 0;
    } else {
      std::cerr << "cdc-run: " << e.what() << "; --help lists the options\n";
      exit_code = 2;
    }
    return std::nullopt;
  }
  if (seed) options.overrides.push_back("pipeline.seed=" + std::to_string(*seed));
  options.command_line = command_line(argc, argv);
  return options;
}

}  // namespace cdc::program
