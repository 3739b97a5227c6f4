#include "sweep/task.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "artifact/array_file.hpp"
#include "artifact/hash.hpp"
#include "cdc/error.hpp"
#include "sweep/cell_files.hpp"
#include "sweep/processes.hpp"
#include "sweep/watch.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(20);
constexpr auto kWatch = std::chrono::milliseconds(200);
constexpr auto kPatience = std::chrono::seconds(5);

Value stop_as_value(const EarlyStop& stop) {
  Value out = Value::table();
  if (stop.rule == EarlyStop::Rule::none) return out;
  out["rule"] = stop.rule == EarlyStop::Rule::median ? "median" : "halving";
  out["stage"] = stop.stage;
  out["score"] = stop.score;
  out["largest"] = stop.largest;
  out["grace"] = stop.grace;
  out["factor"] = stop.factor;
  out["file"] = stop.score_where.file;
  out["line"] = stop.score_where.line;
  out["column"] = stop.score_where.column;
  return out;
}

/// A number that can be what it is for.
template <class T>
T within(T value, T least, T most, const char* name) {
  if (!(value >= least && value <= most)) throw Error(fmt::format("\"{}\" is {}, and not from {} to {}", name, value, least, most));
  return value;
}

EarlyStop stop_of(const Value& value) {
  EarlyStop out;
  if (value.as_table().empty()) return out;
  const std::string& rule = value.at("rule").as_string();
  if (rule != "median" && rule != "halving") throw Error(fmt::format("there is no rule \"{}\"", rule));
  out.rule = rule == "median" ? EarlyStop::Rule::median : EarlyStop::Rule::halving;
  out.stage = value.at("stage").as_string();
  out.score = value.at("score").as_string();
  out.largest = value.at("largest").as_boolean();
  out.grace = within<std::int64_t>(value.at("grace").as_integer(), 1, 1000000, "grace");
  out.factor = within(value.at("factor").as_real(), 1.5, 100.0, "factor");
  if (const Value* file = value.find("file"))
    out.score_where = {file->as_string(), static_cast<int>(value.at("line").as_integer()), static_cast<int>(value.at("column").as_integer()),
                       Location::kSweep};
  return out;
}

TaskPlan plan_of(const Value& v) {
  TaskPlan out;
  out.sweep.name = v.at("sweep").as_string();
  out.sweep.stop = stop_of(v.at("stop"));
  out.options.folder = v.at("folder").as_string();
  out.options.cache = v.at("cache").as_string();
  out.options.program = v.at("program").as_string();
  for (const Value& plugin : v.at("plugins").as_array()) out.options.plugins.emplace_back(plugin.as_string());
  out.options.threads = static_cast<int>(within<std::int64_t>(v.at("threads").as_integer(), 1, 4096, "threads"));
  out.options.device = v.at("device").as_string();
  out.options.tensorboard = v.at("tensorboard").as_boolean();
  for (const Value& job : v.at("jobs").as_array()) {
    TaskPlan::Job& one = out.jobs.emplace_back();
    one.script = job.at("script").as_string();
    for (const Value& id : job.at("tasks").as_array()) one.tasks.push_back(id.as_string());
  }
  for (const Value& cell : v.at("cells").as_array()) {
    const std::string& id = cell.at("id").as_string();
    if (id.empty() || id[0] == '.' || id.find('/') != std::string::npos) throw Error(fmt::format("'{}' cannot be a run's id", id));
    out.sweep.cells.emplace_back().id = id;
    const Value* kind = cell.find("kind");  // of plans of earlier versions: none
    out.cells.push_back({cell.at("key").as_string(), kind == nullptr ? "" : kind->as_string(), cell.at("pipeline").as_string()});
  }
  return out;
}

/// Another call may hold it for a moment, to look.
std::optional<FileLock> take_patiently(const fs::path& file, const std::atomic<int>& stops) {
  for (const auto end = Clock::now() + kPatience;;) {
    if (std::optional<FileLock> lock = FileLock::take(file)) return lock;
    if (stops > 0 || Clock::now() > end) return std::nullopt;
    std::this_thread::sleep_for(kWatch);
  }
}

}  // namespace

TaskPlan make_task_plan(const Sweep& sweep, const std::vector<PlannedCell>& cells, const SweepOptions& options) {
  TaskPlan out;
  out.sweep.name = sweep.name;
  out.sweep.stop = sweep.stop;
  out.options = options;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    out.sweep.cells.emplace_back().id = sweep.cells[i].id;
    out.cells.push_back({cells[i].key, cells[i].kind, hash_text(cells[i].pipeline)});
  }
  return out;
}

void write_task_plan(const TaskPlan& plan, const fs::path& file) {
  Value v = Value::table();
  v["sweep"] = plan.sweep.name;
  v["folder"] = plan.options.folder.string();
  v["cache"] = plan.options.cache.string();
  v["program"] = plan.options.program.string();
  v["plugins"] = Value::array();
  for (const fs::path& plugin : plan.options.plugins) v["plugins"].push_back(plugin.string());
  v["threads"] = plan.options.threads;
  v["device"] = plan.options.device;
  v["tensorboard"] = plan.options.tensorboard;
  v["stop"] = stop_as_value(plan.sweep.stop);
  v["jobs"] = Value::array();
  for (const TaskPlan::Job& job : plan.jobs) {
    Value one = Value::table();
    one["script"] = job.script;
    one["tasks"] = Value::array();
    for (const std::string& id : job.tasks) one["tasks"].push_back(id);
    v["jobs"].push_back(std::move(one));
  }
  v["cells"] = Value::array();
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    Value one = Value::table();
    one["id"] = plan.sweep.cells[i].id;
    one["key"] = plan.cells[i].key;
    one["kind"] = plan.cells[i].kind;
    one["pipeline"] = plan.cells[i].pipeline;
    v["cells"].push_back(std::move(one));
  }
  write_file(file, v.to_json(1) + "\n");
}

TaskPlan read_task_plan(const fs::path& file) {
  const std::string text = read_file(file);
  try {
    return plan_of(Value::from_json(text));
  } catch (const Error& e) {
    throw Error(fmt::format("{} is no plan of tasks ({}); cdc-sweep SWEEP.toml --executor slurm writes one", file.string(), e.what()));
  }
}

TaskEnd run_task(const TaskPlan& plan, const std::string& id, const std::atomic<int>& stops) {
  const auto found = std::find_if(plan.sweep.cells.begin(), plan.sweep.cells.end(), [&](const SweepCell& cell) { return cell.id == id; });
  if (found == plan.sweep.cells.end()) throw Error(fmt::format("there is no run '{}' in this plan; its \"cells\" names those there are", id));
  const auto index = static_cast<std::size_t>(found - plan.sweep.cells.begin());
  const SweepCell& cell = *found;
  const std::string& key = plan.cells[index].key;
  const auto began = Clock::now();
  TaskEnd end;
  const std::optional<FileLock> lock = take_patiently(beside(plan.options, cell, ".lock"), stops);
  if (!lock) {
    end.how = stops > 0 ? TaskEnd::How::stopped : TaskEnd::How::elsewhere;
    return end;
  }
  end.how = TaskEnd::How::already;
  if (outcome_of(plan.sweep, index, key, plan.options).state != CellOutcome::State::missing) return end;
  end.how = TaskEnd::How::changed;
  if (hash_text(read_file(beside(plan.options, cell, ".toml"))) != plan.cells[index].pipeline) return end;
  forget_failure(plan.options, cell);

  std::vector<EpochWatch::Run> runs;
  for (const TaskPlan::Cell& one : plan.cells) runs.push_back({one.key, one.kind});
  EpochWatch watch(plan.sweep, runs, plan.options);
  ChildProcess process(cell_command(plan.options, cell), beside(plan.options, cell, ".out"), beside(plan.options, cell, ".err"), lock->fd());
  std::string why_stopped, wrong_score;
  std::optional<int> code;
  int told = 0;
  for (auto next = Clock::now(); !(code = process.ended());) {
    if (const int asked = stops; asked > told) {
      process.signal(asked > 1 ? SIGKILL : SIGTERM);
      told = asked;
    }
    if (told == 0 && why_stopped.empty() && Clock::now() >= next) {
      next = Clock::now() + kWatch;
      why_stopped = watch.reason_to_stop(index);
      if (!why_stopped.empty()) process.signal(SIGTERM);
      if (wrong_score.empty()) {
        try {
          watch.check_score();
        } catch (const ConfigError& e) {  // a rule that stops nothing
          wrong_score = e.what();
          process.signal(SIGTERM);
        }
      }
    }
    std::this_thread::sleep_for(kLook);
  }
  // Batch systems send signals to the program itself too, so it may have ended before this process heard of it.
  const CellOutcome outcome = end_of_process(plan.options, cell, key, *code, why_stopped, stops > 0 || *code == 5);
  end.how = outcome.state == CellOutcome::State::done      ? TaskEnd::How::done
            : outcome.state == CellOutcome::State::stopped ? TaskEnd::How::early
            : outcome.state == CellOutcome::State::missing ? TaskEnd::How::stopped
                                                           : TaskEnd::How::failed;
  end.message = outcome.message;
  if (!wrong_score.empty() && end.how == TaskEnd::How::stopped) {
    end.how = TaskEnd::How::failed;
    end.message = wrong_score;
  }
  end.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  return end;
}

}  // namespace cdc
