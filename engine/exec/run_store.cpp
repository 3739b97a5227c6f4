#include "exec/run_store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include "artifact/array_file.hpp"
#include "artifact/files.hpp"
#include "artifact/hash.hpp"
#include "artifact/run_files.hpp"
#include "cdc/error.hpp"
#include "config/spec.hpp"
#include "config/suggest.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// Raised when the tables change: a store of another form is made anew.
constexpr int kForm = 2;

constexpr const char* kTables = R"(
DROP TABLE IF EXISTS run; DROP TABLE IF EXISTS setting; DROP TABLE IF EXISTS score;
CREATE TABLE run (id INTEGER PRIMARY KEY, directory TEXT UNIQUE NOT NULL, pipeline TEXT, seed INTEGER, started TEXT, finished TEXT, seconds REAL,
                  device TEXT, threads INTEGER, key TEXT, done INTEGER NOT NULL, stamp TEXT NOT NULL, checksum TEXT NOT NULL DEFAULT '');
CREATE TABLE setting (run INTEGER NOT NULL, key TEXT NOT NULL, value TEXT, PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE TABLE score (run INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (run, place)) WITHOUT ROWID;
CREATE INDEX score_name ON score (name, value);
)";

/// When a run's files were last written, 0 for one that is not there.
std::string stamp_of(const fs::path& directory) {
  std::string out;
  for (const char* name : {"run.json", "summary.json"}) {
    struct stat s {};
    const bool there = ::stat((directory / name).c_str(), &s) == 0;
    out += there ? fmt::format("{}.{}.{} ", s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_size) : "0 ";
  }
  return out;
}

/// Every value of a pipeline by its dotted key.
void flatten(const Value& table, const std::string& before, std::vector<std::pair<std::string, std::string>>& out) {
  for (const auto& [name, value] : table.as_table()) {
    const std::string key = before.empty() ? name : before + "." + name;
    if (value.is_table())
      flatten(value, key, out);
    else
      out.emplace_back(key, value.to_json());
  }
}

std::string text_of(const Value& table, const char* key) {
  const Value* found = table.find(key);
  return found != nullptr && found->is_string() ? found->as_string() : "";
}

std::int64_t integer_of(const Value& table, const char* key) {
  const Value* found = table.find(key);
  return found != nullptr && found->is_integer() ? found->as_integer() : 0;
}

}  // namespace

struct RunStore::Database {
  sqlite3* handle = nullptr;
  fs::path file;
  ~Database() { sqlite3_close(handle); }

  /// Empty tables, of this form.
  void make_tables() { run(fmt::format("{} PRAGMA user_version = {};", kTables, kForm).c_str()); }
  /// SQLite's own look at its pages, tables and indexes; a flipped bit in a number or a text it does not see.
  bool is_sound() const {
    bool sound = false;
    const auto take = [](void* to, int, char** values, char**) {
      *static_cast<bool*>(to) = values[0] != nullptr && std::string(values[0]) == "ok";
      return 0;
    };
    return sqlite3_exec(handle, "PRAGMA integrity_check(1)", take, &sound, nullptr) == SQLITE_OK && sound;
  }

  [[noreturn]] void fail() const {
    const int code = sqlite3_errcode(handle);
    const std::string remedy = code == SQLITE_NOTADB || code == SQLITE_CORRUPT || code == SQLITE_ERROR
                                   ? "; delete it: it is an index, and is made anew"
                               : code == SQLITE_FULL                                ? "; free some space there, or choose another place (--store)"
                               : code == SQLITE_CANTOPEN || code == SQLITE_READONLY ? "; choose a place that you may write to (--store)"
                                                                                    : "";
    throw Error(fmt::format("the store {} cannot be used: {}{}", file.string(), sqlite3_errmsg(handle), remedy));
  }
  void run(const char* sql) {
    if (sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
  }
  /// In memory, for a file that cannot be written: as it is, so that runs keep their numbers, or empty where it is not there.
  void open_copy() {
    if (sqlite3_open(":memory:", &handle) != SQLITE_OK) fail();
    sqlite3* from = nullptr;
    if (sqlite3_open_v2(file.c_str(), &from, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
      sqlite3_busy_timeout(from, 60000);
      if (sqlite3_backup* copy = sqlite3_backup_init(handle, "main", from, "main")) {
        sqlite3_backup_step(copy, -1);  // what cannot be read is made anew
        sqlite3_backup_finish(copy);
      }
    }
    sqlite3_close(from);
  }
  /// Tables of another program are not to be dropped.
  void require_own() {
    std::string foreign;
    const auto take = [](void* to, int, char** values, char**) {
      *static_cast<std::string*>(to) = values[0];
      return 0;
    };
    const char* const question =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND (name NOT IN ('run', 'setting', 'score') OR "
        "(name = 'run' AND sql NOT LIKE '%stamp TEXT%')) LIMIT 1";
    if (sqlite3_exec(handle, question, take, &foreign, nullptr) != SQLITE_OK) fail();
    if (!foreign.empty())
      throw Error(
          fmt::format("{} is no index of runs, but another program's: it has a table '{}'; name another file with --store", file.string(), foreign));
  }
};

namespace {

/// One statement with its values bound in order.
class Statement {
 public:
  Statement(sqlite3* handle, const std::string& sql) : handle_(handle) {
    const char* rest = nullptr;
    if (sqlite3_prepare_v2(handle, sql.c_str(), -1, &statement_, &rest) != SQLITE_OK) throw Error(sqlite3_errmsg(handle));
    if (statement_ == nullptr) throw Error("this is no SQL statement");
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(const std::string& text) {
    sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(std::int64_t number) {
    sqlite3_bind_int64(statement_, ++bound_, number);
    return *this;
  }
  Statement& bind(double number) {
    sqlite3_bind_double(statement_, ++bound_, number);
    return *this;
  }
  /// True with a row, false at the end.
  bool step() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) throw Error(sqlite3_errmsg(handle_));
    return code == SQLITE_ROW;
  }
  /// To be used again.
  void reset() {
    sqlite3_reset(statement_);
    bound_ = 0;
  }
  int columns() const { return sqlite3_column_count(statement_); }
  std::string name(int column) const { return sqlite3_column_name(statement_, column); }
  bool reads() const { return sqlite3_stmt_readonly(statement_) != 0; }
  std::string text(int column) const {
    const unsigned char* found = sqlite3_column_text(statement_, column);
    return found == nullptr ? ""
                            : std::string(reinterpret_cast<const char*>(found), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }
  /// Exactly, with its type.
  std::string exact(int column) const {
    const int type = sqlite3_column_type(statement_, column);
    return type == SQLITE_FLOAT ? fmt::format("{}:{:a}", type, real(column)) : fmt::format("{}:{}", type, text(column));
  }
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  double real(int column) const { return sqlite3_column_double(statement_, column); }

 private:
  sqlite3* handle_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

constexpr const char* kRunColumns = "SELECT id, directory, pipeline, seed, started, done, seconds FROM run";

StoredRun run_of(const Statement& row) {
  StoredRun out;
  out.id = row.integer(0);
  out.directory = row.text(1);
  out.pipeline = row.text(2);
  out.seed = row.integer(3);
  out.started = row.text(4);
  out.done = row.integer(5) != 0;
  out.seconds = row.real(6);
  return out;
}

void add_scores(sqlite3* handle, StoredRun& run) {
  Statement scores(handle, "SELECT name, value FROM score WHERE run = ? ORDER BY place");
  scores.bind(run.id);
  while (scores.step()) run.scores.emplace_back(scores.text(0), scores.real(1));
}

/// What is read of a run directory.
struct Read {
  Value run, summary;
  std::vector<std::pair<std::string, std::string>> settings;
};

Read read_directory(const fs::path& directory) {
  Read out;
  out.run = read_run_record(directory);
  out.summary = read_run_summary(directory);
  std::vector<Diagnostic> problems;
  std::error_code ignored;
  if (!fs::exists(directory / "pipeline.toml", ignored)) return out;  // killed at its start
  if (const std::optional<Spec> spec = read_spec(read_file(directory / "pipeline.toml"), "pipeline.toml", {}, problems))
    flatten(spec->value(), "", out.settings);
  return out;
}

/// Of all that the store holds of a run, as it is read back.
class RowChecksum {
 public:
  explicit RowChecksum(sqlite3* handle)
      : parts_{{handle, "SELECT id, directory, pipeline, seed, started, finished, seconds, device, threads, key, done, stamp FROM run WHERE id = ?"},
               {handle, "SELECT key, value FROM setting WHERE run = ? ORDER BY key"},
               {handle, "SELECT place, name, value FROM score WHERE run = ? ORDER BY place"}} {}
  std::string of(std::int64_t run) {
    std::string all;
    for (Statement& part : parts_) {
      part.reset();
      part.bind(run);
      while (part.step())
        for (int c = 0; c < part.columns(); ++c) (all += part.exact(c)) += '\0';
      all += '\n';
    }
    for (Statement& part : parts_) part.reset();
    return hash_text(all);
  }

 private:
  Statement parts_[3];
};

/// Removes from the tables what is not as it was written, so that it is read anew. Returns how many runs that were, of all.
std::pair<std::size_t, std::size_t> remove_damaged(sqlite3* handle) {
  std::vector<std::int64_t> damaged;
  std::size_t all = 0;
  {
    RowChecksum checksum(handle);
    for (Statement runs(handle, "SELECT id, checksum FROM run"); runs.step(); ++all)
      if (checksum.of(runs.integer(0)) != runs.text(1)) damaged.push_back(runs.integer(0));
  }
  for (const std::int64_t id : damaged) {
    for (const char* table : {"setting", "score"}) Statement(handle, fmt::format("DELETE FROM {} WHERE run = ?", table)).bind(id).step();
    Statement(handle, "DELETE FROM run WHERE id = ?").bind(id).step();
  }
  for (const char* table : {"setting", "score"}) Statement(handle, fmt::format("DELETE FROM {} WHERE run NOT IN (SELECT id FROM run)", table)).step();
  return {damaged.size(), all};
}

void write_run(sqlite3* handle, const fs::path& directory, const std::string& stamp, const Read& read) {
  Statement old(handle, "SELECT id FROM run WHERE directory = ?");
  old.bind(directory.string());
  std::int64_t id = old.step() ? old.integer(0) : 0;
  for (const char* table : {"setting", "score"}) Statement(handle, fmt::format("DELETE FROM {} WHERE run = ?", table)).bind(id).step();
  const std::string values = "directory, pipeline, seed, started, finished, seconds, device, threads, key, done, stamp";
  Statement run(handle, id == 0 ? "INSERT INTO run (" + values + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                                : "UPDATE run SET (" + values + ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?");
  const Value* seconds = read.summary.find("seconds");
  run.bind(directory.string()).bind(text_of(read.run, "pipeline")).bind(integer_of(read.run, "seed")).bind(text_of(read.run, "started"));
  run.bind(text_of(read.summary, "finished")).bind(seconds != nullptr && seconds->is_number() ? seconds->as_real() : 0.0);
  run.bind(text_of(read.run, "device")).bind(integer_of(read.run, "threads")).bind(text_of(read.run, "key"));
  run.bind(std::int64_t{read.summary.is_null() ? 0 : 1}).bind(stamp);
  if (id != 0) run.bind(id);
  run.step();
  if (id == 0) id = sqlite3_last_insert_rowid(handle);
  Statement setting(handle, "INSERT OR REPLACE INTO setting VALUES (?, ?, ?)");
  for (const auto& [key, value] : read.settings) {
    setting.bind(id).bind(key).bind(value).step();
    setting.reset();
  }
  if (const Value* scores = read.summary.find("scores"); scores != nullptr && scores->is_table()) {
    Statement score(handle, "INSERT INTO score VALUES (?, ?, ?, ?)");
    std::int64_t place = 0;
    for (const auto& [row, all] : scores->as_table()) {
      if (!all.is_table()) continue;
      for (const auto& [name, value] : all.as_table()) {
        if (!value.is_number()) continue;
        score.bind(id).bind(place++).bind(row + "." + name).bind(value.as_real()).step();
        score.reset();
      }
    }
  }
  Statement(handle, "UPDATE run SET checksum = ? WHERE id = ?").bind(RowChecksum(handle).of(id)).bind(id).step();
}

}  // namespace

RunStore::RunStore(const fs::path& file) : database_(std::make_unique<Database>()) {
  database_->file = file;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  std::error_code ignored;
  if (fs::is_directory(folder, ignored) &&
      (::access(folder.c_str(), W_OK) != 0 || (fs::exists(file, ignored) && ::access(file.c_str(), W_OK) != 0))) {
    database_->open_copy();
  } else {
    make_folder(folder);
    if (sqlite3_open(file.c_str(), &database_->handle) != SQLITE_OK) database_->fail();
  }
  sqlite3_busy_timeout(database_->handle, 60000);  // another program may be at the same
  database_->require_own();
  int form = 0;
  const auto take = [](void* to, int, char** values, char**) {
    *static_cast<int*>(to) = std::atoi(values[0]);
    return 0;
  };
  if (sqlite3_exec(database_->handle, "PRAGMA user_version", take, &form, nullptr) != SQLITE_OK) database_->fail();
  if (form == kForm) return;
  database_->run("BEGIN IMMEDIATE");
  database_->make_tables();
  database_->run("COMMIT");
}

RunStore::~RunStore() = default;

std::vector<std::string> RunStore::refresh(const std::vector<fs::path>& folders) {
  sqlite3* handle = database_->handle;
  std::vector<std::string> trouble;
  database_->run("BEGIN IMMEDIATE");
  try {
    if (!database_->is_sound()) {
      database_->make_tables();
      trouble.push_back(fmt::format("the index {} was damaged, and is made anew of the run directories: numbers of runs may be others than before",
                                    database_->file.string()));
    } else if (const auto [damaged, all] = remove_damaged(handle); damaged > 0) {
      trouble.push_back(
          fmt::format("the index {} was damaged: {} of {} runs in it were not as written, and are read anew from their directories, under "
                      "other numbers",
                      database_->file.string(), damaged, all));
    }
    std::map<std::string, std::string> known;
    for (Statement all(handle, "SELECT directory, stamp FROM run"); all.step();) known[all.text(0)] = all.text(1);
    std::set<std::string> seen;
    std::map<std::pair<std::string, std::string>, std::pair<std::string, Read>> changed;  // in order of time, so that numbers are too
    for (const fs::path& folder : folders) {
      std::error_code failure;
      for (fs::recursive_directory_iterator it(folder, failure), end; !failure && it != end; it.increment(failure)) {
        if (it->path().filename() != "run.json") continue;
        const fs::path directory = it->path().parent_path();
        if (!seen.insert(directory.string()).second) continue;
        const std::string stamp = stamp_of(directory);
        const auto before = known.find(directory.string());
        if (before != known.end() && before->second == stamp) continue;
        try {
          Read read = read_directory(directory);
          const std::pair<std::string, std::string> place(text_of(read.run, "started"), directory.string());
          changed.emplace(place, std::make_pair(stamp, std::move(read)));
        } catch (const Error& e) {
          trouble.push_back(fmt::format("{}: {}", directory.string(), e.what()));
          seen.erase(directory.string());  // and what is known of it from before is not what is there now
        }
      }
    }
    for (const auto& [place, one] : changed) write_run(handle, place.second, one.first, one.second);
    for (const auto& [directory, stamp] : known) {
      if (seen.count(directory) > 0) continue;
      for (const char* table : {"setting", "score"})
        Statement(handle, fmt::format("DELETE FROM {} WHERE run = (SELECT id FROM run WHERE directory = ?)", table)).bind(directory).step();
      Statement(handle, "DELETE FROM run WHERE directory = ?").bind(directory).step();
    }
  } catch (const Error&) {
    const int code = sqlite3_errcode(handle);
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) throw;
    database_->fail();  // its transaction ends with it
  }
  database_->run("COMMIT");
  return trouble;
}

std::vector<StoredRun> RunStore::runs(const std::string& pipeline) const {
  std::vector<StoredRun> out;
  Statement all(database_->handle, std::string(kRunColumns) + (pipeline.empty() ? "" : " WHERE pipeline = ?") + " ORDER BY started DESC, id DESC");
  if (!pipeline.empty()) all.bind(pipeline);
  while (all.step()) {
    out.push_back(run_of(all));
    add_scores(database_->handle, out.back());
  }
  return out;
}

StoredRun RunStore::find(const std::string& text) const {
  std::vector<StoredRun> found;
  const std::string number = text.substr(0, 1) == "#" ? text.substr(1) : text;
  const bool is_number = !number.empty() && number.find_first_not_of("0123456789") == std::string::npos && number.size() < 18;
  std::error_code ignored;
  // A link such as runs/NAME/latest means what it points at.
  const fs::path named = fs::exists(text, ignored) ? fs::canonical(text, ignored) : fs::path();
  for (StoredRun& run : runs()) {
    const std::string directory = run.directory.string();
    if ((is_number && run.id == std::stoll(number)) || directory == text || (!named.empty() && fs::canonical(run.directory, ignored) == named))
      return run;
    if (!is_number && directory.find(text) != std::string::npos) found.push_back(std::move(run));
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) throw Error(fmt::format("there is no run '{}': 'cdc-runs ls' lists those there are", text));
  std::vector<std::string> names;
  for (const StoredRun& run : found) names.push_back(run.directory.string());
  throw Error(fmt::format("'{}' may be one of {} runs: {}; write more of its name, or its number", text, found.size(), quoted_list(names, 6)));
}

std::vector<std::pair<StoredRun, double>> RunStore::best(const std::string& score, const std::string& pipeline, std::size_t most) const {
  const std::vector<std::string> names = score_names();
  if (std::find(names.begin(), names.end(), score) == names.end())
    throw Error(fmt::format("no run has the score '{}'{}", score,
                            names.empty()                        ? ""
                            : did_you_mean(score, names).empty() ? "; there are " + quoted_list(names)
                                                                 : did_you_mean(score, names)));
  std::vector<std::pair<StoredRun, double>> out;
  Statement all(database_->handle, std::string("SELECT id, directory, pipeline, seed, started, done, seconds, score.value FROM run JOIN score ON "
                                               "score.run = run.id WHERE score.name = ?") +
                                       (pipeline.empty() ? "" : " AND pipeline = ?") + " ORDER BY score.value DESC, id LIMIT " +
                                       std::to_string(most));
  all.bind(score);
  if (!pipeline.empty()) all.bind(pipeline);
  while (all.step()) {
    out.emplace_back(run_of(all), all.real(7));
    add_scores(database_->handle, out.back().first);
  }
  return out;
}

std::vector<RunDifference> RunStore::difference(const StoredRun& a, const StoredRun& b) const {
  std::vector<RunDifference> out;
  Statement settings(
      database_->handle,
      "SELECT key, max(CASE WHEN run = ?1 THEN value END), max(CASE WHEN run = ?2 THEN value END) FROM setting WHERE run IN (?1, ?2) GROUP BY key "
      "ORDER BY key");
  settings.bind(a.id).bind(b.id);
  while (settings.step())
    if (settings.text(1) != settings.text(2)) out.push_back({settings.text(0), settings.text(1), settings.text(2)});
  std::vector<std::string> names;
  std::map<std::string, double> of_a(a.scores.begin(), a.scores.end()), of_b(b.scores.begin(), b.scores.end());
  for (const StoredRun* run : {&a, &b})
    for (const auto& [name, value] : run->scores)
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  const auto shown = [](const std::map<std::string, double>& all, const std::string& name) {
    const auto at = all.find(name);
    return at == all.end() ? std::string() : fmt::format("{:.4f}", at->second);
  };
  for (const std::string& name : names) {
    RunDifference one{name, shown(of_a, name), shown(of_b, name)};
    if (one.a != one.b) out.push_back(std::move(one));
  }
  return out;
}

std::vector<std::string> RunStore::score_names() const {
  std::vector<std::string> out;
  for (Statement all(database_->handle, "SELECT DISTINCT name FROM score ORDER BY name"); all.step();) out.push_back(all.text(0));
  return out;
}

std::vector<std::vector<std::string>> RunStore::query(const std::string& sql) const {
  Statement statement(database_->handle, sql);
  if (!statement.reads()) throw Error("this statement changes the store, which is made of the run directories: only SELECT is possible");
  std::vector<std::vector<std::string>> out(1);
  for (int c = 0; c < statement.columns(); ++c) out[0].push_back(statement.name(c));
  while (statement.step()) {
    std::vector<std::string> row;
    for (int c = 0; c < statement.columns(); ++c) row.push_back(statement.text(c));
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace cdc
