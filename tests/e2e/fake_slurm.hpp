#pragma once

#include "fake_sweep.hpp"

namespace cdc::test {

inline void write_program(const fs::path& file, const std::string& text) {
  write_file(file, "#!/bin/bash\n" + text);
  fs::permissions(file, fs::perms::owner_all);
}

/// A Slurm that only keeps a queue, in `queue`: JOB|INDEX|STATE|SCRIPT a line. What sbatch is to refuse is in `refuse`, from job `from` on.
class FakeSlurm : public FakeSweep {
 protected:
  void SetUp() override {
    FakeSweep::SetUp();
    const fs::path bin = folder / "slurm";
    fs::create_directories(bin);
    const std::string in = "cd '" + folder.string() + "'\n";
    write_program(bin / "sbatch", in + R"sh(script=${!#}
echo "$*" >>calls
job=$(($(cat job 2>/dev/null || echo 0) + 1))
if [ -e refuse ] && [ "$job" -ge "$(cat from 2>/dev/null || echo 1)" ]; then cat refuse >&2; exit 1; fi
echo $job >job
last=$(sed -n 's/^#SBATCH --array=0-\([0-9]*\).*/\1/p' "$script")
for ((i = 0; i <= last; i++)); do echo "$job|$i|PD|$script" >>queue; done
echo "$job;cluster"
)sh");
    write_program(bin / "squeue", in + "if [ -e broken ]; then cat broken >&2; exit 1; fi\ncat queue 2>/dev/null || true\n");
    write_program(bin / "scontrol", in + "echo \"MaxArraySize            = $(cat most 2>/dev/null || echo 1001)\"\n");
    environment_.emplace_back("PATH", bin.string() + ":/usr/bin:/bin");
  }

  ProcessResult slurm(const std::string& asks, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--executor", "slurm"});
    return sweep(asks, more);
  }
  std::vector<std::string> queue() const {
    std::vector<std::string> out;
    std::istringstream in(fs::exists(folder / "queue") ? read_file(folder / "queue") : "");
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  /// Runs what is first in the queue, or another script's task, as Slurm does.
  ProcessResult run_task(const std::string& line) {
    const std::string index = line.substr(line.find('|') + 1, line.find("|PD") - line.find('|') - 1), script = line.substr(line.rfind('|') + 1);
    auto environment = environment_;
    environment.emplace_back("SLURM_ARRAY_TASK_ID", index);
    return run_process({"/bin/bash", script}, folder, environment, "/");
  }
  /// Runs all tasks that are queued, one after the other; what they printed.
  std::string run_queue() {
    std::string out;
    for (std::vector<std::string> all = queue(); !all.empty(); all = queue()) {
      const ProcessResult r = run_task(all.front());
      EXPECT_EQ(r.code, 0) << r.err;
      out += r.out;
      std::string rest;
      for (std::size_t i = 1; i < all.size(); ++i) rest += all[i] + "\n";
      write_file(folder / "queue", rest);
    }
    return out;
  }
  std::string calls() const { return fs::exists(folder / "calls") ? read_file(folder / "calls") : ""; }
  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder / "sweeps/s/cells"))
      if (entry.path().extension() == ".toml") out.push_back(entry.path().stem());
    return sorted(out);
  }
};

}  // namespace cdc::test
