#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>

#include "artifact/array_file.hpp"
#include "artifact/run_files.hpp"
#include "base/shell.hpp"
#include "cdc/error.hpp"
#include "common/arguments.hpp"
#include "common/program.hpp"
#include "common/safe_output.hpp"
#include "exec/run_store.hpp"
#include "report/page.hpp"
#include "report/report.hpp"

namespace {

namespace fs = std::filesystem;

enum ExitCode { kDone = 0, kWrongFile = 2 };

struct Options {
  fs::path what, out, folder, cache, store;
  std::vector<fs::path> plugins, in{"runs", "sweeps"};
  cdc::ReportOptions report;
  std::string command_line;
};

std::optional<Options> read_options(int argc, char** argv, int& exit_code) {
  Options o;
  CLI::App app("Makes one HTML page of a run or a sweep, which needs no network: what was run, scores, curves, clusters, images, times.",
               "cdc-report");
  app.footer("Exit codes: 2 a file or the command line, 3 a plugin could not be loaded, 4 the page could not be made.");
  app.set_version_flag("--version", CDC_VERSION);
  app.add_option("RUN|SWEEP", o.what,
                 "A run: its directory, that of its pipeline (the latest is taken), a number or part of a name as cdc-runs takes; "
                 "or a sweep's file, *.toml")
      ->required();
  app.add_option("-o,--out", o.out, "The page (default: report.html in the run's or sweep's folder)")->check(cdc::program::path_name());
  app.add_option("--features", o.report.features, "Stage whose features are embedded (default: those of the first clustering)");
  app.add_option("--points", o.report.points, "Images shown at most, evenly spaced")
      ->transform(cdc::program::whole_number(1, 1000000))
      ->capture_default_str();
  app.add_option("--gallery", o.report.gallery, "Pictures in a row of a cluster's gallery")
      ->transform(cdc::program::whole_number(1, 100))
      ->capture_default_str();
  app.add_option("--dir", o.folder, "Folder of the sweep (default: sweeps/NAME)")->check(cdc::program::path_name());
  app.add_option("--cache", o.cache, "Folder of the cache (default: CDC_CACHE, else the one that the run used)")->check(cdc::program::path_name());
  app.add_option("--plugin", o.plugins, "A further plugin library, or folder of such; may be given again")
      ->allow_extra_args(false)
      ->check(cdc::program::path_name());
  try {
    app.parse(argc, argv);
    o.report.cache = o.cache.empty() ? cdc::program::cache_of_environment() : o.cache;
  } catch (const CLI::ParseError& e) {
    exit_code = e.get_exit_code() == 0 ? app.exit(e) : kWrongFile;
    if (exit_code != 0) std::cerr << "cdc-report: " << e.what() << "; --help lists the options\n";
    return std::nullopt;
  }
  o.report.made_by = std::string("cdc-report ") + CDC_VERSION;
  o.report.progress = [](const std::string& what) { std::cout << what << " ...\n" << std::flush; };
  o.command_line = cdc::program::command_line(argc, argv);
  return o;
}

/// The directory of the run that is meant.
fs::path run_directory(const Options& o) {
  for (const fs::path& folder : {o.what, o.what / "latest"})
    if (fs::exists(folder / "run.json")) return folder;
  if (fs::is_directory(o.what / "cells"))
    throw cdc::Error(fmt::format("{} is a sweep's folder: name the sweep's file, *.toml (and with --dir this folder, where it is not sweeps/NAME)",
                                 o.what.string()));
  if (fs::is_directory(o.what)) throw cdc::Error(fmt::format("{} is no run's directory: it has no run.json", o.what.string()));
  cdc::RunStore store(o.in.front() / "runs.sqlite");
  store.refresh(o.in);
  return store.find(o.what.string()).directory;
}

/// Its page's data, and where that stands by default.
std::pair<cdc::Value, fs::path> sweep_data(const Options& o, const cdc::Registry& registry) {
  const cdc::Sweep sweep = cdc::read_sweep(o.what);
  cdc::SweepOptions options;
  options.folder = o.folder.empty() ? fs::path("sweeps") / sweep.name : o.folder;
  options.cache = o.cache.empty() ? cdc::program::default_cache() : o.cache;
  options.command_line = "cdc-sweep " + cdc::shell_quoted(o.what.string());
  const auto with = [&](const char* option, const fs::path& path) {
    if (!path.empty()) options.command_line += fmt::format(" {} {}", option, cdc::shell_quoted(path.string()));
  };
  with("--dir", o.folder);
  with("--cache", o.cache);  // else what is missing would be computed again
  for (const fs::path& plugin : o.plugins) with("--plugin", plugin);
  if (!fs::is_directory(options.folder))
    throw cdc::Error(fmt::format("there is nothing of this sweep in {}: `{}` runs it", options.folder.string(), options.command_line));
  const std::vector<cdc::PlannedCell> cells = cdc::plan_sweep(sweep, registry, options);
  std::vector<cdc::CellOutcome> outcomes = cdc::sweep_outcomes(sweep, cells, options);
  cdc::add_failures(sweep, cells, options, outcomes);
  return {cdc::sweep_report(o.what, sweep, outcomes, options, o.report), options.folder};
}

int run(const Options& o) {
  const auto start = std::chrono::steady_clock::now();
  const cdc::TensorEngine engine = cdc::load_tensor_engine();
  cdc::Registry registry;
  cdc::program::load_plugins(registry, o.plugins);
  std::pair<cdc::Value, fs::path> made;
  if (o.what.extension() == ".toml") {
    made = sweep_data(o, registry);
  } else {
    const fs::path directory = run_directory(o);
    cdc::require_place_for_page(o.out.empty() ? directory / cdc::kReportPage : o.out);  // before the work
    made = {cdc::run_report(directory, registry, o.report), directory};
  }
  const fs::path out = o.out.empty() ? made.second / cdc::kReportPage : o.out;
  cdc::require_place_for_page(out);
  const std::string page = cdc::report_page(made.first);
  cdc::write_file(out, page);
  for (const cdc::Value& note : made.first.at("notes").as_array()) std::cout << note.as_string() << '\n';
  std::cout << fmt::format("{}  ({:.1f} MB, {})\n", out.string(), static_cast<double>(page.size()) / 1e6,
                           cdc::program::duration_text(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()));
  return kDone;
}

int program(int argc, char** argv) {
  int code = kDone;
  const std::optional<Options> options = read_options(argc, argv, code);
  if (!options) return code;
  return cdc::program::with_errors_told("cdc-report", [&] { return run(*options); });
}

}  // namespace

int main(int argc, char** argv) {
  const cdc::program::SafeOutput safe;
  cdc::program::tell_of_files_too_large();
  const int code = program(argc, argv);
  std::cout.flush();
  std::cerr.flush();
  ::_exit(code);  // all that counts is on disk; taking LibTorch down would only take time
}
