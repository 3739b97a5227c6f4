#include "exec/run_assignments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "artifact/array_file.hpp"
#include "artifact/files.hpp"
#include "artifact/hash.hpp"
#include "cdc/error.hpp"
#include "cdc/parallel.hpp"
#include "exec/schedule.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "assignments";

/// As RFC 4180 has it.
std::string csv_field(const std::string& text) {
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

/// How many characters at their beginning are folders that all names have in common.
std::size_t common_folders(const std::vector<std::string>& names) {
  if (names.empty()) return 0;
  std::size_t same = names[0].size();
  for (const std::string& name : names) {
    same = std::min(same, name.size());
    same = static_cast<std::size_t>(std::mismatch(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(same), names[0].begin()).first -
                                    name.begin());
  }
  const std::size_t slash = same == 0 ? std::string::npos : names[0].rfind('/', same - 1);
  return slash == std::string::npos ? 0 : slash + 1;
}

std::vector<std::string_view> split(std::string_view all) {
  std::vector<std::string_view> out;
  out.reserve(static_cast<std::size_t>(std::count(all.begin(), all.end(), '\0')));
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = all.find('\0', begin);
    if (end == std::string::npos) break;
    out.push_back(all.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

/// The table's text, in parts.
std::vector<std::string> table_parts(const std::vector<std::string_view>* names, const std::vector<const RunAssignments::Result*>& columns) {
  const std::size_t rows = columns.front()->assignment->cluster.size();
  std::string head = names != nullptr ? "sample" : "number";
  for (const RunAssignments::Result* column : columns) head += "," + column->title;
  constexpr std::int64_t kChunk = 1 << 14;
  const auto chunks = (static_cast<std::int64_t>(rows) + kChunk - 1) / kChunk;
  std::vector<std::string> parts(static_cast<std::size_t>(chunks) + 1);
  parts[0] = head + "\n";
  parallel_chunks(static_cast<std::int64_t>(rows), kChunk, [&](std::int64_t begin, std::int64_t end) {
    std::string& text = parts[static_cast<std::size_t>(begin / kChunk) + 1];
    text.reserve(static_cast<std::size_t>(end - begin) * 48);
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      if (names != nullptr)
        text += (*names)[i];
      else
        text += fmt::format_int(i).c_str();
      for (const RunAssignments::Result* column : columns) {
        const fmt::format_int cluster(column->assignment->cluster[i]);
        text += ',';
        text.append(cluster.data(), cluster.size());
      }
      text += '\n';
    }
  });
  return parts;
}

}  // namespace

RunAssignments::RunAssignments(const Plan& plan, const std::vector<StageIdentity>& identities, fs::path memo_folder)
    : plan_(plan), identities_(identities), memo_folder_(std::move(memo_folder)) {}

fs::path RunAssignments::memo(std::size_t stage) const { return memo_folder_ / (identities_[stage].key + ".samples"); }

void RunAssignments::opened(std::size_t stage, const Dataset& data) {
  if (names(stage)) return;
  std::vector<std::string> all;
  all.reserve(static_cast<std::size_t>(data.size()));
  for (std::int64_t i = 0; i < data.size(); ++i) all.push_back(data.sample_name(i));
  const std::size_t folders = common_folders(all);
  const auto made = std::make_shared<Names>();
  for (const std::string& name : all) (made->all += csv_field(name.substr(folders))) += '\0';
  made->of = split(made->all);
  try {
    make_folder(memo_folder_);
    write_parts(memo(stage), {hash_text(made->all), "\n", made->all}, Durable::nothing);
  } catch (const Error&) {  // a cache that may not be written: this run knows them
  }
  const std::lock_guard<std::mutex> guard(mutex_);
  known_[stage] = made;
}

std::shared_ptr<const RunAssignments::Names> RunAssignments::names(std::size_t stage) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (const auto found = known_.find(stage); found != known_.end()) return found->second;
  std::shared_ptr<const Names>& known = known_[stage];
  std::error_code ignored;
  if (!fs::exists(memo(stage), ignored)) return known;
  try {  // a memo that is damaged is no memo
    const auto read = std::make_shared<Names>();
    read->all = read_file(memo(stage));
    const std::string_view text = read->all;
    const std::size_t line = text.find('\n');
    if (line == std::string_view::npos || text.substr(0, line) != hash_text(text.substr(line + 1))) return known;
    read->of = split(text.substr(line + 1));
    known = read;
  } catch (const Error&) {
  }
  return known;
}

/// The nearest data set on the way back along what the stages read that may have these samples.
std::optional<std::size_t> RunAssignments::data_of(std::size_t stage, std::size_t samples) {
  std::deque<std::size_t> next{stage};
  std::set<std::size_t> seen;
  for (; !next.empty(); next.pop_front()) {
    const std::size_t at = next.front();
    if (!seen.insert(at).second) continue;
    if (is_data_set(*plan_.stages[at].info)) {
      const std::shared_ptr<const Names> known = names(at);
      if (known == nullptr || known->of.size() == samples) return at;
    }
    for (const Connection& connection : plan_.stages[at].inputs)
      for (const Source& source : connection.sources) next.push_back(source.index);
  }
  return std::nullopt;
}

void RunAssignments::write(const fs::path& run_directory, const std::vector<Result>& results) {
  std::map<std::pair<std::string, std::size_t>, std::vector<const Result*>> files;  // by name and number of samples
  std::map<std::string, std::shared_ptr<const Names>> known;
  for (const Result& result : results) {
    const std::size_t samples = result.assignment->cluster.size();
    const std::optional<std::size_t> data = data_of(result.stage, samples);
    const std::string name = data ? plan_.stages[*data].name : result.title;
    if (data) known[name] = names(*data);
    files[{name, samples}].push_back(&result);
  }
  if (files.empty()) return;
  const fs::path folder = run_directory / kFolder;
  make_folder(folder);
  for (const auto& [file, columns] : files) {
    const std::shared_ptr<const Names>& of = known[file.first];
    // Assignments of other numbers of samples, of data sets that nothing is known of.
    const std::string& called = file.first;
    const bool alone = std::count_if(files.begin(), files.end(), [&](const auto& one) { return one.first.first == called; }) == 1;
    const std::string& name = alone ? called : columns.front()->title;
    const std::vector<std::string> parts = table_parts(of ? &of->of : nullptr, columns);
    write_parts(folder / (name + ".csv"), {parts.begin(), parts.end()}, Durable::contents);
  }
}

void RunAssignments::remove_files(const fs::path& run_directory) {
  const fs::path folder = run_directory / kFolder;
  std::error_code ignored;
  if (fs::is_symlink(folder, ignored)) return;  // what is beyond it is somebody's
  std::vector<fs::path> files;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored))
    if (it->path().extension() == ".csv") files.push_back(it->path());
  for (const fs::path& file : files) fs::remove(file, ignored);
  fs::remove(folder, ignored);  // where nothing else is in it
}

}  // namespace cdc
