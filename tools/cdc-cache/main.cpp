#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <iostream>

#include "artifact/cache.hpp"
#include "cdc/error.hpp"
#include "common/arguments.hpp"
#include "common/program.hpp"
#include "common/safe_output.hpp"

namespace {

enum ExitCode { kDone = 0, kDamaged = 1, kWrongCommand = 2, kFailed = 4 };

std::string bytes_text(std::uint64_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit < 4; ++unit) size /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, units[unit]);
}

std::string line_of(const cdc::CachedResult& one) {
  std::string stages;
  for (const auto& [stage, used] : one.stages) stages += (stages.empty() ? "  " : ", ") + stage;
  std::string what = one.checkpoint ? "(checkpoint)" : one.plugin.empty() ? "(damaged)" : one.plugin;
  if (one.epoch >= 0)
    stages += fmt::format("{}epoch {}{}", stages.empty() ? "  " : ", ", one.epoch, one.epochs > 0 ? fmt::format(" of {}", one.epochs) : "");
  return fmt::format("{}  {:<24}  {:>10}  {:>10}  {:%Y-%m-%d %H:%M}{}{}\n", one.key, what, bytes_text(one.bytes),
                     one.checkpoint ? "-" : cdc::program::duration_text(one.seconds), fmt::localtime(static_cast<std::time_t>(one.used)), stages,
                     one.in_use ? "  in use" : "");
}

std::uint64_t total(const std::vector<cdc::CachedResult>& all) {
  std::uint64_t bytes = 0;
  for (const cdc::CachedResult& one : all) bytes += one.bytes;
  return bytes;
}

std::string counted(std::size_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

std::string count(const std::vector<cdc::CachedResult>& all) {
  const auto checkpoints =
      static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const cdc::CachedResult& one) { return one.checkpoint; }));
  const std::string results = counted(all.size() - checkpoints, "result");
  return checkpoints == 0 ? results : results + " and " + counted(checkpoints, "checkpoint");
}

int list(const cdc::Cache& cache) {
  const std::vector<cdc::CachedResult> all = cache.list();
  if (!all.empty())
    std::cout << fmt::format("{:<32}  {:<24}  {:>10}  {:>10}  last used         for PIPELINE.STAGE\n", "key", "plugin", "size", "took");
  for (const cdc::CachedResult& one : all) std::cout << line_of(one);
  std::cout << fmt::format("{}, {} in {}\n", count(all), bytes_text(total(all)), cache.folder().string());
  return kDone;
}

int verify(cdc::Cache& cache, bool remove) {
  std::size_t read = 0, damaged = 0, removed = 0;
  for (const cdc::CachedResult& one : cache.list()) {
    if (one.checkpoint) continue;  // each stage has its own form of it, and sees to it when it goes on
    ++read;
    try {
      cache.verify(one.key);
    } catch (const cdc::Error& e) {
      if (!std::filesystem::exists(cache.file(one.key, "").parent_path())) continue;  // removed meanwhile
      ++damaged;
      std::cout << e.what() << '\n';
      if (remove && cache.remove_unused(one.key))
        ++removed;
      else if (remove)
        std::cout << fmt::format("  not removed: a run uses it, or its folder holds what cdc did not write\n");
    }
  }
  std::cout << fmt::format("{} read, {} damaged{}\n", counted(read, "result"), damaged,
                           damaged == 0         ? ""
                           : !remove            ? "; runs find them and compute them again; --remove takes them out"
                           : removed == damaged ? " and removed"
                                                : fmt::format(", {} of them removed", removed));
  return damaged > removed ? kDamaged : kDone;
}

/// What went, or would go. False where something should have gone and is still there.
bool tell(const cdc::Cache::Collection& done, bool dry) {
  for (const cdc::CachedResult& one : done.removed) std::cout << line_of(one);
  std::cout << fmt::format("{} {}, {}; {} kept, {}\n", count(done.removed), dry ? "would go" : "removed", bytes_text(total(done.removed)),
                           count(done.kept), bytes_text(total(done.kept)));
  if (done.leftover_files > 0)
    std::cout << fmt::format("{} of killed runs or of what is gone {}, {}\n", counted(done.leftover_files, "leftover"), dry ? "would go" : "removed",
                             bytes_text(done.leftover_bytes));
  std::cout.flush();
  for (const std::filesystem::path& one : done.stuck)
    std::cerr << fmt::format("cdc-cache: {} cannot be removed whole: it holds what cdc did not write, or may not be written to; see to it by hand\n",
                             one.string());
  return done.stuck.empty();
}

struct Which {
  std::string key, plugin, stage;
  bool operator()(const cdc::CachedResult& one) const {
    const bool of_stage = std::any_of(one.stages.begin(), one.stages.end(), [&](const auto& of) {
      return of.first == stage || of.first.substr(of.first.rfind('.') + 1) == stage;  // PIPELINE.STAGE, or STAGE alone
    });
    return (key.empty() || one.key.compare(0, key.size(), key) == 0) && (plugin.empty() || one.plugin == plugin) && (stage.empty() || of_stage);
  }
};

int remove(cdc::Cache& cache, const Which& which, bool dry) {
  std::vector<cdc::CachedResult> meant;
  for (cdc::CachedResult& one : cache.list())
    if (which(one)) meant.push_back(std::move(one));
  if (meant.empty()) throw cdc::Error("nothing in the cache is of that key, plugin and stage: 'cdc-cache ls' lists what there is");
  if (!which.key.empty() && std::any_of(meant.begin(), meant.end(), [&](const cdc::CachedResult& one) { return one.key != meant.front().key; }))
    throw cdc::Error(fmt::format("--key {} may be one of {}: write more of it", which.key, count(meant)));
  const cdc::Cache::Collection done = cache.remove_some(which, dry);
  const bool all = tell(done, dry);
  std::size_t used = 0;
  for (const cdc::CachedResult& one : done.kept) used += one.in_use && which(one) ? 1 : 0;
  if (used > 0) std::cerr << fmt::format("cdc-cache: {} of them in use by a run at work: kept; call it again when that has ended\n", used);
  return all && used == 0 ? kDone : kFailed;
}

/// Seconds of "30d", "12h", "45m", "90s".
std::optional<std::int64_t> seconds_of(const std::string& text) {
  std::int64_t n = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), n);
  const std::string unit(end, text.data() + text.size());
  const std::int64_t factor = unit == "d" ? 86400 : unit == "h" ? 3600 : unit == "m" ? 60 : unit == "s" ? 1 : 0;
  if (failure != std::errc() || factor == 0 || n < 0 || n > INT64_MAX / factor) return std::nullopt;
  return n * factor;
}

int program(int argc, char** argv) {
  std::filesystem::path folder;
  bool remove_damaged = false, dry = false;
  cdc::Cache::Limits limits;
  std::string age;
  Which which;
  CLI::App app("Looks after the cache: what is in it, whether it is whole, what may go.", "cdc-cache");
  app.footer("Exit codes: 1 a result is damaged, 2 the command line, 4 it could not be done, or not all of it.");
  app.set_version_flag("--version", CDC_VERSION);
  app.add_option("--cache", folder, "Folder of the cache (default: CDC_CACHE, else cache)")->check(cdc::program::path_name());
  app.require_subcommand(1);
  app.fallthrough();
  app.add_subcommand("ls", "Lists results, and checkpoints of stages that were stopped, the last used first");
  CLI::App* verifies = app.add_subcommand("verify", "Reads every result and compares checksums; exit code 1 where one is damaged");
  verifies->add_flag("--remove", remove_damaged, "Removes damaged ones");
  CLI::App* collects = app.add_subcommand(
      "gc", "Removes results and checkpoints that are not in use, as --keep-last, --max-size and --older-than say, and what killed runs left");
  collects
      ->add_option("--keep-last", limits.keep_last,
                   "Of each stage of a pipeline so many results are kept, the last used ones (of a plugin, where no stage is known)")
      ->transform(cdc::program::whole_number(0, 1'000'000'000));
  collects->add_option("--max-size", limits.max_bytes, "The longest unused go until the rest has this size: 500M, 20G")
      ->transform(cdc::program::size_in_bytes());
  collects->add_option("--older-than", age, "What was not used for so long goes: 30d, 12h, 45m, 90s");
  CLI::App* removes = app.add_subcommand("rm", "Removes the results and checkpoints that are named, but none in use; several options: what fits all");
  removes->add_option("--key", which.key, "Of this key, or the only one that begins so");
  removes->add_option("--plugin", which.plugin, "Of this plugin: stage.train");
  removes->add_option("--stage", which.stage, "For this stage, of one pipeline or of any: PIPELINE.STAGE or STAGE");
  for (CLI::App* one : {collects, removes}) one->add_flag("--dry-run", dry, "Says what would go");
  try {
    app.parse(argc, argv);
    if (folder.empty()) folder = cdc::program::default_cache();
    const auto wrong = [](const std::string& what) { return CLI::ParseError(what, CLI::ExitCodes::ValidationError); };
    if (!age.empty() && !(limits.max_age = seconds_of(age))) throw wrong(fmt::format("--older-than: '{}' is no time: 30d, 12h, 45m, 90s", age));
    if (collects->parsed() && !limits.keep_last && !limits.max_bytes && !limits.max_age)
      throw wrong("gc needs --keep-last N, --max-size SIZE or --older-than TIME, so that it knows what may go");
    if (removes->parsed() && which.key.empty() && which.plugin.empty() && which.stage.empty())
      throw wrong("rm needs --key KEY, --plugin ID or --stage [PIPELINE.]STAGE, so that it knows what goes");
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    std::cerr << "cdc-cache: " << e.what() << "; --help lists the options\n";
    return kWrongCommand;
  }
  try {
    if (!cdc::Cache::is_cache(folder)) throw cdc::Error(fmt::format("there is no cache at {}: name one with --cache", folder.string()));
    const bool writes = verifies->parsed() ? remove_damaged : (collects->parsed() || removes->parsed()) && !dry;
    cdc::Cache cache(folder, writes ? cdc::Cache::Access::write : cdc::Cache::Access::read);
    if (verifies->parsed()) return verify(cache, remove_damaged);
    if (collects->parsed()) return tell(cache.collect(limits, dry), dry) ? kDone : kFailed;
    if (removes->parsed()) return remove(cache, which, dry);
    return list(cache);
  } catch (const std::exception& e) {
    std::cout.flush();
    std::cerr << "cdc-cache: " << e.what() << '\n';
    return kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const cdc::program::SafeOutput safe;
  cdc::program::tell_of_files_too_large();
  return program(argc, argv);
}
