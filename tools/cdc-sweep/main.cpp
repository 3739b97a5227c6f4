#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include "artifact/array_file.hpp"
#include "cdc/error.hpp"
#include "common/arguments.hpp"
#include "common/program.hpp"
#include "common/safe_output.hpp"
#include "exec/tensor_engine.hpp"
#include "sweep/plots.hpp"
#include "sweep/runner.hpp"
#include "sweep/slurm.hpp"
#include "sweep/sweep_folder.hpp"
#include "sweep/table.hpp"
#include "sweep/task.hpp"

namespace {

namespace fs = std::filesystem;

enum ExitCode { kDone = 0, kWrongFile = 2, kCellFailed = 4, kStopped = 5 };

std::atomic<int> stops{0};

void on_signal(int number) {
  if (number != SIGINT && stops > 0) return;  // one wish may send several: see on_stop_signals
  if (++stops > 2) ::_exit(kStopped);
}

struct Options {
  fs::path file, folder, cache;
  int jobs = 0, threads = 1;
  std::string device = "cpu", command_line;
  std::string executor = "local", task;
  std::vector<std::string> slurm;
  cdc::SweepStatistics statistics;
  bool dry_run = false, check = false, table = false, wait = false, tensorboard = false;
  std::vector<fs::path> plugins;
};

std::optional<Options> read_options(int argc, char** argv, int& exit_code) {
  Options o;
  CLI::App app("Runs a pipeline many times over, as a sweep file says, and makes one table of it. What is there already is not run again.",
               "cdc-sweep");
  app.footer(
      "Exit codes: 2 a file or the command line, 3 a plugin could not be loaded, 4 a run failed (the others were done) or Slurm refused, 5 stopped "
      "by a signal, or a task "
      "ended before its run.");
  app.set_version_flag("--version", CDC_VERSION);
  app.add_option("FILE", o.file, "The sweep, a TOML file: a pipeline, and what varies")->required();
  app.add_flag("--check", o.check, "Checks the file and every run that it asks for; runs nothing");
  app.add_flag("--dry-run", o.dry_run, "Says of each run what is done or cached, and what would run");
  app.add_flag("--table", o.table, "Makes the tables and plots of the runs that are done; runs nothing");
  app.add_option("--jobs", o.jobs, "Runs side by side (default: as many as the cores hold; as Slurm lets run)")
      ->transform(cdc::program::whole_number(1, 4096));
  app.add_option("--threads", o.threads, "Threads of each run")->transform(cdc::program::whole_number(1, 4096))->capture_default_str();
  app.add_option("--device", o.device, "cpu, cuda or cuda:N")->capture_default_str();
  CLI::Option* executor =
      app.add_option("--executor", o.executor, "local: runs on this machine; slurm: submits what is missing as job arrays, and ends")
          ->check(CLI::IsMember({"local", "slurm"}))
          ->capture_default_str();
  app.add_option("--slurm", o.slurm, "Options for sbatch, \"--partition=gpu --time=4:00:00\"; may be given again")
      ->allow_extra_args(false)
      ->needs(executor);
  app.add_flag("--wait", o.wait, "With --executor slurm: waits for the jobs, then makes the tables; Ctrl-C leaves the jobs as they are")
      ->needs(executor);
  app.add_option("--task", o.task, "Runs this one of a plan that --executor slurm wrote, which is then FILE: what its batch scripts call");
  std::vector<std::string> statistics;
  app.add_option(
         "--statistics", statistics,
         "Further columns of the tables: interval (of each mean, 95 %), difference (to the highest mean, over common seeds); may be given again")
      ->allow_extra_args(false)
      ->check(CLI::IsMember(cdc::statistics_names()));
  app.add_option("--dir", o.folder, "Folder of this sweep's runs and tables (default: sweeps/NAME)")->check(cdc::program::path_name());
  app.add_option("--cache", o.cache, "Folder of the cache (default: CDC_CACHE, else cache)")->check(cdc::program::path_name());
  app.add_flag(
      "--tensorboard", o.tensorboard,
      "Each run writes for TensorBoard, to tensorboard/ in its folder; runs that are done are left as they are: tensorboard --logdir sweeps/NAME");
  app.add_option("--plugin", o.plugins, "A further plugin library, or folder of such; may be given again")
      ->allow_extra_args(false)
      ->check(cdc::program::path_name());
  try {
    app.parse(argc, argv);
    if (o.cache.empty()) o.cache = cdc::program::default_cache();
    if (o.executor != "slurm" && (o.wait || !o.slurm.empty())) throw CLI::ParseError("--slurm and --wait go with --executor slurm", kWrongFile);
    if (const std::string problem = cdc::problem_with(o.slurm); !problem.empty()) throw CLI::ParseError("--slurm: " + problem, kWrongFile);
  } catch (const CLI::ParseError& e) {
    exit_code = e.get_exit_code() == 0 ? app.exit(e) : kWrongFile;
    if (exit_code != 0) std::cerr << "cdc-sweep: " << e.what() << "; --help lists the options\n";
    return std::nullopt;
  }
  for (const std::string& one : statistics) o.statistics.add(one);
  if (o.jobs == 0 && o.executor == "local") o.jobs = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / o.threads);
  o.command_line = cdc::program::command_line(argc, argv);
  return o;
}

std::string runs_text(std::size_t n) { return n == 1 ? "1 run" : fmt::format("{} runs", n); }

/// A line for each run that begins or ends.
class Reporter final : public cdc::SweepObserver {
 public:
  Reporter(const cdc::Sweep& sweep, std::size_t done, bool in_tasks) : sweep_(sweep), done_(done), in_tasks_(in_tasks) {}
  void begins(std::size_t cell) override { line(cell, "runs"); }
  void ends(std::size_t cell, const cdc::CellOutcome& outcome, How how, double seconds) override {
    if (outcome.state == cdc::CellOutcome::State::failed) {
      std::cout.flush();
      std::cerr << fmt::format("failed: {}\n  {}\n", sweep_.cells[cell].id, outcome.message);
      return;
    }
    ++done_;
    if (outcome.state == cdc::CellOutcome::State::stopped) return line(cell, "stopped early: " + outcome.message);
    line(cell, how == How::elsewhere && in_tasks_ ? "done"
               : how == How::elsewhere            ? "done by another call"
               : how == How::cached               ? "cached"
                                                  : "done in " + cdc::program::duration_text(seconds));
  }
  void stopping(std::size_t running) override {
    std::cout << fmt::format("stopping; {} at work {} what {} (Ctrl-C again: at once)\n", runs_text(running), running == 1 ? "saves" : "save",
                             running == 1 ? "it has" : "they have")
              << std::flush;
  }

 private:
  void line(std::size_t cell, const std::string& text) const {
    std::cout << fmt::format("[{}/{}] {}: {}\n", done_, sweep_.cells.size(), sweep_.cells[cell].id, text) << std::flush;
  }
  const cdc::Sweep& sweep_;
  std::size_t done_;
  bool in_tasks_;
};

void print_plan(const cdc::Sweep& sweep, const std::vector<cdc::PlannedCell>& cells, const std::vector<cdc::CellOutcome>& outcomes) {
  std::map<std::string, std::string> first;  // key of a stage -> the run that would compute it
  std::size_t done = 0, run = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string& id = sweep.cells[i].id;
    if (outcomes[i].state == cdc::CellOutcome::State::done || outcomes[i].state == cdc::CellOutcome::State::stopped) {
      ++done;
      std::cout << fmt::format("{}  {}\n", id, outcomes[i].state == cdc::CellOutcome::State::done ? "done" : "stopped early");
      continue;
    }
    std::string text;
    for (const cdc::PlannedCell::Stage& stage : cells[i].stages) {
      if (stage.cached) continue;
      const auto [at, is_new] = first.emplace(stage.key, id);
      text += fmt::format("{}{}{}", text.empty() ? "" : ", ", stage.name, is_new ? "" : " (shared with " + at->second + ")");
      if (is_new) ++run;
    }
    std::cout << fmt::format("{}  {}\n", id, text.empty() ? "cached" : "runs " + text);
  }
  std::cout << fmt::format("{} runs: {} done; {} stages to compute\n", cells.size(), done, run);
}

using Charts = std::vector<std::pair<std::string, cdc::Chart>>;

/// In place of what was there. Another call may be at the same.
void write_plots(const fs::path& folder, const Charts& scores, const Charts& curves) {
  std::set<fs::path> written;
  fs::create_directories(folder);
  for (const Charts* charts : {&scores, &curves})
    for (const auto& [name, chart] : *charts) {
      cdc::write_file(folder / (name + ".svg"), cdc::chart_as_svg(chart));
      written.insert(name + ".svg");
    }
  std::error_code ignored, gone;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored))
    if (cdc::is_plot_file(it->path().filename().string()) && written.count(it->path().filename()) == 0 && it->is_regular_file(gone))
      fs::remove(it->path(), gone);
}

/// cdc-sweep PLAN --task ID
int run_task(const Options& o) {
  using How = cdc::TaskEnd::How;
  const cdc::TaskEnd end = cdc::run_task(cdc::read_task_plan(o.file), o.task, stops);
  if (end.how == How::failed) {
    std::cerr << fmt::format("failed: {}\n  {}\n", o.task, end.message);
    return kCellFailed;
  }
  std::cout << fmt::format("{}: {}\n", o.task,
                           end.how == How::done        ? "done in " + cdc::program::duration_text(end.seconds)
                           : end.how == How::already   ? "was done before"
                           : end.how == How::early     ? "stopped early: " + end.message
                           : end.how == How::elsewhere ? "another process is at it; left to that"
                           : end.how == How::changed   ? "not run: the sweep asks for something else since"
                                                       : "stopped; a later task goes on");
  return end.how == How::stopped ? kStopped : kDone;
}

void print(const cdc::SlurmSubmission& submission) {
  for (const auto& [job, count] : submission.queued) std::cout << fmt::format("{} queued or at work already: job {}\n", runs_text(count), job);
  if (submission.elsewhere > 0) std::cout << fmt::format("{} at work in another call\n", runs_text(submission.elsewhere));
  std::string all;
  for (const cdc::SlurmSubmission::Job& job : submission.jobs) {
    std::cout << fmt::format("submitted {} as job {}{}: {}\n", runs_text(job.tasks), job.id,
                             job.after.empty() ? "" : fmt::format(", after {}", fmt::join(job.after, " and ")), job.script.string());
    all += " " + job.id;
  }
  if (!all.empty()) std::cout << fmt::format("scancel{} stops what is not done; the same command goes on\n", all);
  std::cout << std::flush;
}

/// Nothing of a device is needed where nothing runs.
std::string device_of(const Options& o, const cdc::TensorEngine& engine) {
  try {
    return engine.check_device != nullptr ? engine.check_device(o.device) : o.device;
  } catch (const cdc::Error&) {
    const bool runs = !o.check && !o.dry_run && !o.table && o.executor == "local";
    const bool cuda = o.device.rfind("cuda:", 0) == 0 && o.device.find_first_not_of("0123456789", 5) == std::string::npos && o.device.size() > 5;
    if (runs || (!cuda && o.device != "cuda")) throw;
    return cuda ? o.device : "cuda:0";
  }
}

int run(const Options& o) {
  if (!o.task.empty()) return run_task(o);
  const cdc::TensorEngine engine = cdc::load_tensor_engine();
  cdc::Registry registry;
  cdc::program::load_plugins(registry, o.plugins);
  cdc::Sweep sweep = cdc::read_sweep(o.file);
  sweep.statistics.interval = sweep.statistics.interval || o.statistics.interval;
  sweep.statistics.difference = sweep.statistics.difference || o.statistics.difference;
  cdc::SweepOptions options;
  options.folder = o.folder.empty() ? fs::path("sweeps") / sweep.name : o.folder;
  options.cache = o.cache;
  options.program = fs::read_symlink("/proc/self/exe").parent_path() / "cdc-run";
  options.plugins = o.plugins;
  options.jobs = o.jobs;
  options.threads = o.threads;
  try {
    options.device = device_of(o, engine);
  } catch (const cdc::Error& e) {
    std::cerr << "cdc-sweep: --device: " << e.what() << '\n';
    return kWrongFile;
  }
  options.stops = &stops;
  options.tensorboard = o.tensorboard;
  options.command_line = o.command_line;
  options.versions = cdc::program::versions(engine);
  const std::vector<cdc::PlannedCell> cells = cdc::plan_sweep(sweep, registry, options);
  if (o.check) {
    std::cout << fmt::format("{}: ok, {} runs\n", o.file.string(), cells.size());
    return kDone;
  }
  std::vector<cdc::CellOutcome> outcomes = cdc::sweep_outcomes(sweep, cells, options);
  if (o.dry_run) {
    print_plan(sweep, cells, outcomes);
    return kDone;
  }
  const bool printed_alone = o.table && fs::is_directory(options.folder) && ::access(options.folder.c_str(), W_OK | X_OK) != 0;
  if (printed_alone)
    std::cerr << fmt::format("cdc-sweep: {} may not be written to: the table is printed alone\n", options.folder.string());
  else if (!o.table || fs::is_directory(options.folder))
    cdc::claim_sweep_folder(options.folder, sweep.name);
  const auto count = [&](cdc::CellOutcome::State state) {
    return static_cast<std::size_t>(std::count_if(outcomes.begin(), outcomes.end(), [&](const cdc::CellOutcome& c) { return c.state == state; }));
  };
  const bool slurm = o.executor == "slurm";
  if (o.table) {
    cdc::add_failures(sweep, cells, options, outcomes);
    for (std::size_t i = 0; i < cells.size(); ++i)
      if (outcomes[i].state == cdc::CellOutcome::State::failed)
        std::cerr << fmt::format("failed: {}\n  {}\n", sweep.cells[i].id, outcomes[i].message);
  } else {
    Reporter reporter(sweep, count(cdc::CellOutcome::State::done) + count(cdc::CellOutcome::State::stopped), slurm);
    if (!slurm) outcomes = cdc::run_sweep(sweep, cells, std::move(outcomes), registry, options, reporter);
    if (slurm && count(cdc::CellOutcome::State::missing) > 0)
      print(cdc::submit_to_slurm(sweep, cells, outcomes, registry, options, {o.slurm, o.jobs, fs::read_symlink("/proc/self/exe")}, reporter));
    if (slurm && !o.wait && count(cdc::CellOutcome::State::missing) > 0) {
      std::cout << fmt::format("{} of {} runs done; --table instead of --executor makes the tables of those\n",
                               count(cdc::CellOutcome::State::done) + count(cdc::CellOutcome::State::stopped), cells.size());
      return stops > 0 ? kStopped : kDone;
    }
    if (slurm && o.wait) outcomes = cdc::wait_for_slurm(sweep, cells, std::move(outcomes), options, reporter);
  }
  const cdc::SweepTable table = cdc::make_table(sweep, outcomes);
  if (fs::is_directory(options.folder) && !printed_alone) {
    cdc::write_file(options.folder / "table.csv", cdc::table_as_csv(table));
    cdc::write_file(options.folder / "table.md", cdc::table_as_markdown(table));
    cdc::write_file(options.folder / "table.tex", cdc::table_as_latex(table));
    cdc::write_file(options.folder / "cells.csv", cdc::cells_as_csv(sweep, outcomes, table.scores));
    write_plots(options.folder / "plots", cdc::score_charts(sweep, table), cdc::curve_charts(sweep, table, outcomes, options));
  }
  std::cout << '\n' << cdc::table_as_text(table) << '\n';
  for (const std::string& score : table.unknown)
    std::cerr << fmt::format("cdc-sweep: no run has the score '{}': the summary.json of one, in {}, names those there are\n", score,
                             (options.folder / "cells").string());
  const std::size_t failed = count(cdc::CellOutcome::State::failed), missing = count(cdc::CellOutcome::State::missing),
                    early = count(cdc::CellOutcome::State::stopped);
  std::cout << fmt::format("{}{}{}{}\n", options.folder.string(), failed > 0 ? fmt::format("; {} failed", failed) : "",
                           early > 0 ? fmt::format("; {} stopped early", early) : "", missing > 0 ? fmt::format("; {} not run", missing) : "");
  if (stops > 0) {
    std::cerr << (slurm ? "cdc-sweep: no longer waiting; the jobs go on\n" : "cdc-sweep: stopped; the same command goes on where it stopped\n");
    return kStopped;
  }
  if (slurm && failed == 0 && missing > 0) {
    std::cerr << fmt::format("cdc-sweep: some tasks ended before their runs did; the same command goes on, {} has what Slurm said\n",
                             (options.folder / "slurm").string());
    return kStopped;
  }
  return failed > 0 ? kCellFailed : kDone;
}

int program(int argc, char** argv) {
  int code = kDone;
  const std::optional<Options> options = read_options(argc, argv, code);
  if (!options) return code;
  return cdc::program::with_errors_told("cdc-sweep", [&] { return run(*options); });
}

}  // namespace

int main(int argc, char** argv) {
  const cdc::program::SafeOutput safe;
  cdc::program::on_stop_signals(&on_signal);
  cdc::program::tell_of_files_too_large();
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  const int code = program(argc, argv);
  std::cout.flush();
  std::cerr.flush();
  ::_exit(code);  // all that counts is on disk; taking LibTorch down would only take time
}
