#include "sweep/sweep_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "artifact/array_file.hpp"
#include "artifact/files.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = "sweep.json";

bool is_marked(const fs::path& folder) {
  try {
    return Value::from_json(read_file(folder / kMark)).at("sweep").is_string();
  } catch (const Error&) {  // not there, or damaged
    return false;
  }
}

/// Each run of a sweep has ID.toml and ID.lock, or its folder ID.
bool has_cells(const fs::path& folder) {
  std::error_code failure, ignored;
  for (fs::directory_iterator it(folder / "cells", failure), end; !failure && it != end; it.increment(failure))
    if (it->path().extension() == ".lock" || fs::exists(it->path() / "run.json", ignored)) return true;
  return false;
}

}  // namespace

void claim_sweep_folder(const fs::path& folder, const std::string& sweep) {
  std::error_code failure;
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, failure), end; !failure && it != end; it.increment(failure)) names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  const bool begun = names.empty() || std::all_of(names.begin(), names.end(), [](const std::string& name) {  // killed before it was marked
                       return name.rfind(std::string(".") + kMark + ".tmp-", 0) == 0;
                     });
  if (!begun && !is_marked(folder) && !has_cells(folder))
    throw Error(
        fmt::format("{} holds '{}', which is not of a sweep: a sweep there could overwrite it; give --dir a folder of its own, a new or empty one",
                    folder.string(), names.front()));
  make_folder(folder);
  if (is_marked(folder)) return;
  Value mark = Value::table();
  mark["sweep"] = sweep;
  write_file(folder / kMark, mark.to_json(2) + "\n", Durable::nothing);
}

}  // namespace cdc
