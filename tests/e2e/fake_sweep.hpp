#pragma once

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_pipeline.hpp"

namespace cdc::test {

/// Two numbers of clusters, two seeds.
inline const std::string kSweep =
    "[sweep]\nbase = \"p.toml\"\nseeds = [0, 1]\n[axes]\nstage.kmeans.clusters = [2, 3]\n[set]\nstage.images.samples = 12\n";

/// Sweeps over the fake pipeline, as a user calls them.
class FakeSweep : public FakePipeline {
 protected:
  void SetUp() override {
    FakePipeline::SetUp();
    write_file(folder / "p.toml", kFakePipeline);
  }

  std::vector<std::string> command(const std::vector<std::string>& more) const {
    std::vector<std::string> all{binary_folder() / "bin/cdc-sweep", "s.toml", "--plugin", plugin().string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  ProcessResult sweep(const std::string& asks, const std::vector<std::string>& more = {}) {
    write_file(folder / "s.toml", asks);
    return run_process(command(more), folder, environment_, folder);
  }
  std::string read(const std::string& file) const { return read_file(folder / "sweeps/s" / file); }
  /// Lines of a text that hold another.
  static int lines_with(const std::string& text, const std::string& part) {
    std::istringstream in(text);
    int n = 0;
    for (std::string line; std::getline(in, line);) n += line.find(part) != std::string::npos ? 1 : 0;
    return n;
  }
  int began(const std::string& stage) const { return lines_with(trace_text(), "begin " + stage); }

  std::vector<std::pair<std::string, std::string>> environment_{{"CDC_CACHE", "cache"}, {"CDC_PLUGIN_PATH", ""}};
};

}  // namespace cdc::test
