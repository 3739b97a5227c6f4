#include "sweep/slurm.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "artifact/array_file.hpp"
#include "artifact/files.hpp"
#include "base/shell.hpp"
#include "cdc/error.hpp"
#include "sweep/cell_files.hpp"
#include "sweep/processes.hpp"
#include "sweep/task.hpp"

namespace cdc {
namespace {

namespace fs = std::filesystem;

/// One of Slurm's programs, to its end.
ProgramResult call(const std::vector<std::string>& arguments) {
  std::optional<ProgramResult> result = run_program(arguments);
  if (!result)
    throw Error(fmt::format("there is no {} in PATH: call this where jobs are submitted to Slurm, or leave out --executor slurm", arguments[0]));
  while (!result->err.empty() && result->err.back() == '\n') result->err.pop_back();
  return std::move(*result);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// The index of an array's last task is below this.
std::size_t most_tasks() {
  const std::optional<ProgramResult> config = run_program({"scontrol", "show", "config"});
  const std::size_t at = config ? config->out.find("MaxArraySize") : std::string::npos;
  const std::size_t equals = at == std::string::npos ? at : config->out.find('=', at);
  const long most = equals == std::string::npos ? 0 : std::atol(config->out.c_str() + equals + 1);
  return most > 0 ? static_cast<std::size_t>(most) : 1001;  // Slurm's default
}

/// A part of a name that sbatch reads between quotes, with % for its patterns.
std::string as_pattern(const std::string& path) {
  std::string out;
  for (const char c : path) out += c == '"' || c == '\\' ? std::string{'\\', c} : c == '%' ? std::string("%%") : std::string(1, c);
  return out;
}

std::string script_text(const TaskPlan& plan, const TaskPlan::Job& job, const fs::path& folder, const fs::path& plan_file, const SlurmOptions& slurm,
                        const std::vector<std::string>& after) {
  std::string name = "cdc-" + plan.sweep.name;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '-' && c != '.') c = '_';
  const std::string stem = job.script.substr(0, job.script.rfind('.'));
  const fs::path script = folder / job.script;
  std::string out = "#!/bin/bash\n";
  out += fmt::format("# Runs of the sweep '{}', a task each{}. By hand:\n", plan.sweep.name,
                     after.empty() ? "" : fmt::format("; submitted to begin after {}", fmt::join(after, " and ")));
  out += fmt::format("#   sbatch {0}     all of them\n#   bash {0} ID    one of them, without Slurm\n", shell_quoted(script.string()));
  out += fmt::format("#SBATCH --job-name={}\n#SBATCH --array=0-{}{}\n", name, job.tasks.size() - 1,
                     slurm.at_once > 0 ? fmt::format("%{}", slurm.at_once) : "");
  out += fmt::format("#SBATCH --cpus-per-task={}\n", plan.options.threads);
  out += fmt::format("#SBATCH --output=\"{}-%a.out\" --open-mode=append\n", as_pattern((folder / stem).string()));
  out += "#SBATCH --signal=B:TERM@60  # before the time limit: the run saves what it has\n";
  for (const std::string& line : slurm.options) out += fmt::format("#SBATCH {}\n", line);
  out += "runs=(\n";
  for (const std::string& id : job.tasks) out += fmt::format("  {}\n", shell_quoted(id));
  out += ")\n";
  out += fmt::format("cd {} || exit\n", shell_quoted(fs::current_path().string()));
  if (const char* plugins = std::getenv("CDC_PLUGIN_PATH"); plugins != nullptr)
    out += fmt::format("export CDC_PLUGIN_PATH={}\n", shell_quoted(plugins));
  out += fmt::format("exec {} {} --task \"${{1:-${{runs[SLURM_ARRAY_TASK_ID]}}}}\"\n", shell_quoted(slurm.program.string()),
                     shell_quoted(plan_file.string()));
  return out;
}

/// Keys of what is not in the cache.
std::set<std::string> missing_keys(const PlannedCell& cell) {
  std::set<std::string> out;
  for (const PlannedCell::Stage& stage : cell.stages)
    if (!stage.cached) out.insert(stage.key);
  return out;
}

bool meet(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const std::string& key) { return b.count(key) > 0; });
}

/// 1 more than the largest number that a file's name begins with.
int next_number(const fs::path& folder) {
  int out = 1;
  for (const auto& entry : fs::directory_iterator(folder)) out = std::max(out, std::atoi(entry.path().filename().c_str()) + 1);
  return out;
}

/// A task for each of the cells `which`; those in `now` are queued, in these jobs.
std::vector<SlurmSubmission::Job> submit(const Sweep& sweep, const std::vector<PlannedCell>& cells, const std::vector<std::size_t>& which,
                                         const std::vector<std::size_t>& now, const std::vector<std::pair<std::string, std::size_t>>& queued,
                                         const SweepOptions& options, const SlurmOptions& slurm) {
  std::set<std::string> before;  // jobs of earlier rounds, and those queued now
  for (const auto& [job, count] : queued) before.insert(job);
  const fs::path folder = fs::absolute(options.folder / "slurm").lexically_normal();
  const int number = next_number(folder);
  const fs::path plan_file = folder / fmt::format("{}.json", number);
  const std::vector<std::vector<std::size_t>> rounds = sweep_rounds(cells, which, now);
  const std::size_t most = most_tasks();
  TaskPlan plan = make_task_plan(sweep, cells, options);
  std::vector<std::size_t> round_of;  // of each job
  for (std::size_t r = 0; r < rounds.size(); ++r)
    for (std::size_t first = 0; first < rounds[r].size(); first += most) {
      TaskPlan::Job& job = plan.jobs.emplace_back();
      job.script = fmt::format("{}-{}.sh", number, plan.jobs.size());
      round_of.push_back(r);
      for (std::size_t i = first; i < std::min(first + most, rounds[r].size()); ++i) job.tasks.push_back(sweep.cells[rounds[r][i]].id);
    }
  for (const std::size_t i : which) {
    forget_failure(options, sweep.cells[i]);
    write_file(beside(options, sweep.cells[i], ".toml"), cells[i].pipeline);
  }
  write_task_plan(plan, plan_file);

  std::vector<SlurmSubmission::Job> out;
  std::set<std::string> of_round;  // jobs
  for (std::size_t j = 0; j < plan.jobs.size(); ++j) {
    if (j > 0 && round_of[j] != round_of[j - 1]) before.merge(std::exchange(of_round, {}));
    SlurmSubmission::Job job;
    job.script = folder / plan.jobs[j].script;
    job.tasks = plan.jobs[j].tasks.size();
    if (round_of[j] > 0) job.after.assign(before.begin(), before.end());
    // So many at once are meant of all jobs together.
    if (slurm.at_once > 0 && !of_round.empty()) job.after = {out.back().id};
    write_file(job.script, script_text(plan, plan.jobs[j], folder, plan_file, slurm, job.after));
    std::vector<std::string> sbatch{"sbatch", "--parsable"};
    if (!job.after.empty()) sbatch.push_back(fmt::format("--dependency=afterany:{}", fmt::join(job.after, ":")));
    sbatch.push_back(job.script.string());
    std::string submitted;
    for (const SlurmSubmission::Job& one : out) submitted += (submitted.empty() ? "" : ", ") + one.id;
    if (!submitted.empty()) submitted = fmt::format("; submitted before it: {}; the same command submits the rest", submitted);
    const ProgramResult result = call(sbatch);
    job.id = first_line(result.out).substr(0, result.out.find_first_of(";\n"));
    if (result.code != 0 || job.id.empty())
      throw Error(fmt::format("sbatch refused {}: {}{}", job.script.string(),
                              result.err.empty() ? fmt::format("it ended with exit code {} and named no job", result.code) : result.err, submitted));
    of_round.insert(job.id);
    out.push_back(std::move(job));
  }
  return out;
}

}  // namespace

std::string problem_with(const std::vector<std::string>& sbatch_options) {
  for (const std::string& line : sbatch_options) {
    if (line.find('\n') != std::string::npos) return "options for sbatch stand in one line";
    std::istringstream words(line);
    bool first = true;
    for (std::string word; words >> word; first = false) {
      if (first && word[0] != '-') return fmt::format("'{}' is no option of sbatch, they begin with '-': \"--partition=gpu --time=4:00:00\"", word);
      for (const char* own : {"--array", "-a", "--dependency", "-d", "--wrap", "--parsable", "--test-only"})
        if (word == own || word.rfind(std::string(own) + "=", 0) == 0)
          return fmt::format("'{}' is not for you to set: which tasks there are, and after which, is what the sweep says", own);
    }
    if (first) return "it is empty: name options of sbatch, or leave it out";
  }
  return "";
}

std::vector<SlurmTask> slurm_tasks(const SweepOptions& options) {
  const ProgramResult queue = call({"squeue", "--noheader", "--array", fmt::format("--user={}", ::geteuid()),
                                    "--states=PENDING,CONFIGURING,RUNNING,SUSPENDED", "--format=%F|%K|%t|%o"});
  if (queue.code != 0)
    throw Error(fmt::format("squeue, which would say what is queued already, failed: {}",
                            queue.err.empty() ? fmt::format("exit code {}", queue.code) : queue.err));
  const fs::path folder = fs::weakly_canonical(options.folder / "slurm");
  std::map<std::string, TaskPlan> plans;
  std::vector<SlurmTask> out;
  std::istringstream lines(queue.out);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream parts(line);
    std::string job, index, state, script;
    std::getline(parts, job, '|');
    std::getline(parts, index, '|');
    std::getline(parts, state, '|');
    std::getline(parts, script);
    const fs::path path = fs::weakly_canonical(script);
    if (script.empty() || path.parent_path() != folder) continue;
    const std::string name = path.filename(), number = name.substr(0, name.find('-'));
    try {
      if (plans.count(number) == 0) plans[number] = read_task_plan(folder / (number + ".json"));
    } catch (const Error&) {  // removed: its tasks will say so and end
      continue;
    }
    const TaskPlan& plan = plans[number];
    const auto of = std::find_if(plan.jobs.begin(), plan.jobs.end(), [&](const TaskPlan::Job& one) { return one.script == name; });
    const std::size_t task = static_cast<std::size_t>(std::strtoull(index.c_str(), nullptr, 10));
    if (of == plan.jobs.end() || task >= of->tasks.size()) continue;
    const auto cell = std::find_if(plan.sweep.cells.begin(), plan.sweep.cells.end(), [&](const SweepCell& c) { return c.id == of->tasks[task]; });
    if (cell != plan.sweep.cells.end())
      out.push_back({job, cell->id, plan.cells[static_cast<std::size_t>(cell - plan.sweep.cells.begin())].key, state == "R" || state == "S"});
  }
  return out;
}

std::vector<std::vector<std::size_t>> sweep_rounds(const std::vector<PlannedCell>& cells, const std::vector<std::size_t>& which,
                                                   const std::vector<std::size_t>& now) {
  std::vector<std::vector<std::size_t>> out;
  std::set<std::string> taken, computed;  // by cells of this round or queued now; by those before it
  for (const std::size_t i : now) taken.merge(missing_keys(cells[i]));
  std::vector<std::size_t> rest = which;
  while (!rest.empty()) {
    std::vector<std::size_t> later;
    out.emplace_back();
    for (const std::size_t i : rest) {
      std::set<std::string> missing = missing_keys(cells[i]);
      for (auto key = missing.begin(); key != missing.end();) key = computed.count(*key) > 0 ? missing.erase(key) : std::next(key);
      const bool waits = meet(missing, taken);
      (waits ? later : out.back()).push_back(i);
      if (!waits) taken.merge(missing);
    }
    computed.merge(taken);
    taken.clear();
    rest = std::move(later);
  }
  return out;
}

SlurmSubmission submit_to_slurm(const Sweep& sweep, const std::vector<PlannedCell>& cells, std::vector<CellOutcome>& outcomes,
                                const Registry& registry, const SweepOptions& options, const SlurmOptions& slurm, SweepObserver& observer) {
  using State = CellOutcome::State;
  for (const char* part : {"cells", "slurm"}) make_folder(options.folder / part);
  const std::optional<FileLock> alone = FileLock::take(options.folder / "slurm" / "submit.lock");
  if (!alone) throw Error(fmt::format("another call submits this sweep just now ({}); call again when it has", (options.folder / "slurm").string()));
  const std::vector<SlurmTask> queue = slurm_tasks(options);
  std::vector<std::size_t> which, now;
  std::map<std::string, std::size_t> queued;
  SlurmSubmission out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (options.stops != nullptr && *options.stops > 0) return out;
    if (outcomes[i].state != State::missing) continue;
    const auto same = [&](const SlurmTask& task) { return task.id == sweep.cells[i].id && task.key == cells[i].key; };
    if (const auto task = std::find_if(queue.begin(), queue.end(), same); task != queue.end()) {
      ++queued[task->job];
      now.push_back(i);
      continue;
    }
    const std::optional<FileLock> lock = FileLock::take(beside(options, sweep.cells[i], ".lock"));
    if (!lock) {
      ++out.elsewhere;
      continue;
    }
    if (missing_keys(cells[i]).empty()) {
      outcomes[i].summary = cached_summary(sweep.cells[i], cells[i], registry, options);
      if (!outcomes[i].summary.is_null()) {
        outcomes[i].state = State::done;
        observer.ends(i, outcomes[i], SweepObserver::How::cached, 0);
        continue;
      }
    }
    which.push_back(i);
  }
  out.queued.assign(queued.begin(), queued.end());
  if (!which.empty()) out.jobs = submit(sweep, cells, which, now, out.queued, options, slurm);
  return out;
}

std::vector<CellOutcome> wait_for_slurm(const Sweep& sweep, const std::vector<PlannedCell>& cells, std::vector<CellOutcome> outcomes,
                                        const SweepOptions& options, SweepObserver& observer) {
  using State = CellOutcome::State;
  using Milliseconds = std::chrono::milliseconds;
  constexpr int kMostFailures = 30;  // of squeue, one after the other: some minutes
  std::set<std::string> begun;
  int failures = 0, empty = 0;
  for (Milliseconds pause(200); options.stops == nullptr || *options.stops == 0; pause = std::min(pause * 3 / 2, Milliseconds(10000))) {
    std::vector<SlurmTask> tasks;
    try {
      tasks = slurm_tasks(options);
      failures = 0;
    } catch (const Error&) {  // Slurm is restarted, for example
      if (++failures == kMostFailures) throw;
    }
    bool at_work = failures > 0 || !tasks.empty();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const SweepCell& cell = sweep.cells[i];
      if (outcomes[i].state != State::missing) continue;
      outcomes[i] = outcome_of(sweep, i, cells[i].key, options);
      if (outcomes[i].state == State::missing) {
        outcomes[i].message = failure_of(options, cell, cells[i].key);
        if (!outcomes[i].message.empty()) outcomes[i].state = State::failed;
      }
      if (outcomes[i].state != State::missing) {
        observer.ends(i, outcomes[i], SweepObserver::How::elsewhere, 0);
        continue;
      }
      const bool running = std::any_of(tasks.begin(), tasks.end(), [&](const SlurmTask& one) { return one.id == cell.id && one.running; });
      if (running && begun.insert(cell.id).second) observer.begins(i);
      // A task that was told to stop is out of the queue before it has saved what it has.
      if (tasks.empty() && begun.count(cell.id) > 0 && !FileLock::take(beside(options, cell, ".lock"))) at_work = true;
    }
    // Twice: what a node has written may be seen here a moment later.
    empty = at_work ? 0 : empty + 1;
    const bool rest = std::any_of(outcomes.begin(), outcomes.end(), [](const CellOutcome& one) { return one.state == State::missing; });
    if (!rest || empty > 1) break;
    if (empty == 1) pause = std::max(pause, Milliseconds(1000));
    for (const auto end = std::chrono::steady_clock::now() + pause;
         std::chrono::steady_clock::now() < end && (options.stops == nullptr || *options.stops == 0);)
      std::this_thread::sleep_for(Milliseconds(20));
  }
  return outcomes;
}

}  // namespace cdc
