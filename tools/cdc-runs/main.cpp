#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "artifact/run_files.hpp"
#include "base/escape.hpp"
#include "cdc/error.hpp"
#include "common/arguments.hpp"
#include "common/program.hpp"
#include "common/safe_output.hpp"
#include "exec/run_store.hpp"

namespace {

namespace fs = std::filesystem;

enum ExitCode { kDone = 0, kWrongCommand = 2, kFailed = 4 };

using Rows = std::vector<std::vector<std::string>>;

/// Columns aligned to the left, the last one as it is.
std::string aligned(Rows rows) {
  for (auto& row : rows)
    for (std::string& cell : row) cell = cdc::terminal_word(cell);
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c == widths.size()) widths.push_back(0);
      widths[c] = std::max(widths[c], row[c].size());
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) line += c + 1 == row.size() ? row[c] : fmt::format("{:<{}}  ", row[c], widths[c]);
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + "\n";
  }
  return out;
}

/// ACC and NMI of each thing scored.
std::string scores_text(const cdc::StoredRun& run) {
  std::string out;
  for (const auto& [name, value] : run.scores) {
    const std::size_t dot = name.rfind('.');
    const std::string key = name.substr(dot + 1);
    if (key == "acc") out += fmt::format("{}{} {:.3f}", out.empty() ? "" : "  ", name.substr(0, dot), value);
    if (key == "nmi") out += fmt::format("/{:.3f}", value);
    if (key == "knn_acc" || key == "linear_probe_acc") out += fmt::format("{}{} {:.3f}", out.empty() ? "" : "  ", name, value);
  }
  return out;
}

void list(const cdc::RunStore& store, const std::string& pipeline) {
  Rows rows{{"run", "pipeline", "seed", "started", "took", "directory", "scores (ACC/NMI)"}};
  const std::vector<cdc::StoredRun> all = store.runs(pipeline);
  for (const cdc::StoredRun& run : all)
    rows.push_back({fmt::format("#{}", run.id), run.pipeline, std::to_string(run.seed), run.started,
                    run.done ? cdc::program::duration_text(run.seconds) : "not done", run.directory.string(), scores_text(run)});
  if (!all.empty()) std::cout << aligned(rows);
  std::cout << fmt::format("{} {}\n", all.size(), all.size() == 1 ? "run" : "runs");
}

void show(const cdc::StoredRun& run) {
  std::cout << fmt::format("#{}  {}, seed {}, {}\n{}\n", run.id, run.pipeline, run.seed,
                           run.done ? "took " + cdc::program::duration_text(run.seconds) : "not done: the command that began it goes on",
                           run.directory.string());
  const cdc::Value record = cdc::read_run_record(run.directory);
  std::cout << "$ " << record.at("command_line").as_string() << '\n';
  Rows rows;
  for (const auto& [name, value] : run.scores) rows.push_back({name, fmt::format("{:.4f}", value)});
  std::cout << aligned(rows);
}

void compare(const cdc::RunStore& store, const cdc::StoredRun& a, const cdc::StoredRun& b) {
  Rows rows{{"", a.directory.string(), b.directory.string()}};
  for (const cdc::RunDifference& one : store.difference(a, b)) rows.push_back({one.what, one.a.empty() ? "-" : one.a, one.b.empty() ? "-" : one.b});
  if (rows.size() == 1)
    std::cout << "they differ in nothing\n";
  else
    std::cout << aligned(rows);
}

void best(const cdc::RunStore& store, const std::string& score, const std::string& pipeline, std::size_t most) {
  Rows rows{{"run", score, "pipeline", "seed", "directory"}};
  for (const auto& [run, value] : store.best(score, pipeline, most))
    rows.push_back({fmt::format("#{}", run.id), fmt::format("{:.4f}", value), run.pipeline, std::to_string(run.seed), run.directory.string()});
  std::cout << aligned(rows);
}

int program(int argc, char** argv) {
  std::vector<fs::path> folders{"runs", "sweeps"};
  fs::path file;
  std::string pipeline, one, other, score, sql;
  std::size_t most = 10;
  CLI::App app("Lists, compares and queries runs.", "cdc-runs");
  app.set_version_flag("--version", CDC_VERSION);
  const CLI::Option* in = app.add_option("--in", folders, "Folders to look for run directories in (default: runs, sweeps); may be given again")
                              ->allow_extra_args(false)
                              ->check(cdc::program::path_name());
  app.add_option("--store", file, "The index, a SQLite file (default: runs.sqlite in the first folder); made and kept up to date by itself")
      ->check(cdc::program::path_name());
  app.require_subcommand(1);
  app.fallthrough();
  CLI::App* lists = app.add_subcommand("ls", "Lists runs, the latest first");
  lists->add_option("--pipeline", pipeline, "Of this pipeline alone");
  CLI::App* shows = app.add_subcommand("show", "What a run was, and its scores");
  shows->add_option("RUN", one, "A number from ls, a directory, or a part of its name")->required();
  CLI::App* compares = app.add_subcommand("diff", "What two runs differ in: keys of the pipeline, and scores");
  compares->add_option("A", one, "A run, as for show")->required();
  compares->add_option("B", other, "Another")->required();
  CLI::App* bests = app.add_subcommand("best", "The runs of the highest score");
  bests->add_option("SCORE", score, "NAME.SCORE: kmeans.acc")->required();
  bests->add_option("--pipeline", pipeline, "Of this pipeline alone");
  bests->add_option("-n", most, "How many")->transform(cdc::program::whole_number(1, 1'000'000'000))->capture_default_str();
  CLI::App* queries = app.add_subcommand("sql", "A query of the store: tables run, setting (run, key, value), score (run, name, value)");
  queries->add_option("QUERY", sql, "SELECT ...")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    std::cerr << "cdc-runs: " << e.what() << "; --help lists the options\n";
    return kWrongCommand;
  }
  try {
    std::vector<fs::path> there;
    for (const fs::path& folder : folders)
      if (fs::is_directory(folder))
        there.push_back(folder);
      else if (in->count() > 0)
        throw cdc::Error(fmt::format("--in: there is no folder {}", folder.string()));
    if (there.empty()) throw cdc::Error("there are no runs here: call it where cdc-run was called, or name a folder with --in");
    cdc::RunStore store(file.empty() ? there.front() / "runs.sqlite" : file);
    for (const std::string& trouble : store.refresh(there)) std::cerr << "warning: " << trouble << '\n';
    if (lists->parsed()) list(store, pipeline);
    if (shows->parsed()) show(store.find(one));
    if (compares->parsed()) compare(store, store.find(one), store.find(other));
    if (bests->parsed()) best(store, score, pipeline, most);
    if (queries->parsed()) std::cout << aligned(store.query(sql));
    return kDone;
  } catch (const std::exception& e) {
    std::cout.flush();
    std::cerr << "cdc-runs: " << e.what() << '\n';
    return kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const cdc::program::SafeOutput safe;
  cdc::program::tell_of_files_too_large();
  return program(argc, argv);
}
