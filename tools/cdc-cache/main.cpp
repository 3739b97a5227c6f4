#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <iostream>

#include "artifact/cache.hpp"
#include "cdc/error.hpp"
#include "common/arguments.hpp"
#include "common/program.hpp"

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
  return fmt::format("{}  {:<24}  {:>10}  {:>10}  {:%Y-%m-%d %H:%M}{}{}\n", one.key, one.plugin.empty() ? "(damaged)" : one.plugin,
                     bytes_text(one.bytes), cdc::program::duration_text(one.seconds), fmt::localtime(static_cast<std::time_t>(one.used)), stages,
                     one.in_use ? "  in use" : "");
}

std::uint64_t total(const std::vector<cdc::CachedResult>& all) {
  std::uint64_t bytes = 0;
  for (const cdc::CachedResult& one : all) bytes += one.bytes;
  return bytes;
}

std::string count(std::size_t n) { return n == 1 ? "1 result" : fmt::format("{} results", n); }

int list(const cdc::Cache& cache) {
  const std::vector<cdc::CachedResult> all = cache.list();
  if (!all.empty())
    std::cout << fmt::format("{:<32}  {:<24}  {:>10}  {:>10}  last used         for PIPELINE.STAGE\n", "key", "plugin", "size", "took");
  for (const cdc::CachedResult& one : all) std::cout << line_of(one);
  std::cout << fmt::format("{}, {} in {}\n", count(all.size()), bytes_text(total(all)), cache.folder().string());
  return kDone;
}

int verify(cdc::Cache& cache, bool remove) {
  std::size_t damaged = 0;
  const std::vector<cdc::CachedResult> all = cache.list();
  for (const cdc::CachedResult& one : all) {
    try {
      cache.verify(one.key);
    } catch (const cdc::Error& e) {
      if (!cache.contains(one.key)) continue;  // removed meanwhile
      ++damaged;
      std::cout << e.what() << '\n';
      if (remove) cache.remove(one.key);
    }
  }
  std::cout << fmt::format("{} read, {} damaged{}\n", count(all.size()), damaged,
                           damaged == 0 ? ""
                           : remove     ? " and removed"
                                        : "; runs find them and compute them again; --remove takes them out");
  return damaged > 0 && !remove ? kDamaged : kDone;
}

int collect(cdc::Cache& cache, std::optional<std::size_t> keep_last, std::optional<std::uint64_t> max_size, bool dry) {
  const cdc::Cache::Collection done = cache.collect(keep_last, max_size, dry);
  for (const cdc::CachedResult& one : done.removed) std::cout << line_of(one);
  std::cout << fmt::format("{} {}, {}; {} kept, {}\n", count(done.removed.size()), dry ? "would go" : "removed", bytes_text(total(done.removed)),
                           count(done.kept.size()), bytes_text(total(done.kept)));
  return kDone;
}

int program(int argc, char** argv) {
  std::filesystem::path folder;
  bool remove = false, dry = false;
  std::optional<std::size_t> keep_last;
  std::optional<std::uint64_t> max_size;
  CLI::App app("Looks after the cache: what is in it, whether it is whole, what may go.", "cdc-cache");
  app.set_version_flag("--version", CDC_VERSION);
  app.add_option("--cache", folder, "Folder of the cache (default: CDC_CACHE, else cache)")->check(cdc::program::path_name());
  app.require_subcommand(1);
  app.fallthrough();
  app.add_subcommand("ls", "Lists results, the last used first");
  CLI::App* verifies = app.add_subcommand("verify", "Reads every result and compares checksums; exit code 1 where one is damaged");
  verifies->add_flag("--remove", remove, "Removes damaged ones");
  CLI::App* collects = app.add_subcommand("gc", "Removes results that are not in use, as --keep-last and --max-size say");
  collects
      ->add_option("--keep-last", keep_last,
                   "Of each stage of a pipeline so many results are kept, the last used ones (of a plugin, where no stage is known)")
      ->transform(cdc::program::whole_number(0, 1'000'000'000));
  collects->add_option("--max-size", max_size, "The longest unused go until the rest has this size: 500M, 20G")
      ->transform(cdc::program::size_in_bytes());
  collects->add_flag("--dry-run", dry, "Says what would go");
  try {
    app.parse(argc, argv);
    if (folder.empty()) folder = cdc::program::default_cache();
    if (collects->parsed() && !keep_last && !max_size)
      throw CLI::ParseError("gc needs --keep-last N or --max-size SIZE, so that it knows what may go", CLI::ExitCodes::RequiredError);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    std::cerr << "cdc-cache: " << e.what() << "; --help lists the options\n";
    return kWrongCommand;
  }
  try {
    if (!std::filesystem::is_directory(folder)) throw cdc::Error(fmt::format("there is no cache at {}: name one with --cache", folder.string()));
    cdc::Cache cache(folder);
    if (verifies->parsed()) return verify(cache, remove);
    if (collects->parsed()) return collect(cache, keep_last, max_size, dry);
    return list(cache);
  } catch (const std::exception& e) {
    std::cerr << "cdc-cache: " << e.what() << '\n';
    return kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) { return program(argc, argv); }
