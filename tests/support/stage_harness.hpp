#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cdc/session.hpp"
#include "cdc/stage.hpp"
#include "plugin/registry.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"

namespace cdc::test {

/// The plugins of this build.
inline const Registry& registry() {
  static const Registry& all = *[] {
    auto* r = new Registry;
    r->load_folder(binary_folder() / "lib/cdc/plugins");
    return r;
  }();
  return all;
}

/// A component of the built plugins, made and checked as the loader does.
template <class T>
std::shared_ptr<T> make(const std::string& id, Value parameters = Value::table()) {
  const ComponentInfo* info = registry().find(id);
  if (!info) throw Error("no plugin " + id);
  std::shared_ptr<Component> made = registry().create(*info, parameters);
  made->check();
  return std::dynamic_pointer_cast<T>(std::move(made));
}

/// Runs one stage by itself: gives it inputs, keeps its outputs and what it says.
class StageHarness final : public StageContext {
 public:
  std::multimap<std::string, std::shared_ptr<const void>> inputs;
  std::map<std::string, std::shared_ptr<const void>, std::less<>> outputs;
  std::vector<std::string> warnings;
  std::vector<std::pair<std::string, Value>> summaries;
  std::vector<Value> metric_lines;
  std::vector<Progress> progress_calls;
  std::uint64_t seed_value = 1;
  bool stop = false;

  const std::string& name() const override { return name_; }
  const std::string& pipeline() const override { return nothing_; }
  const std::string& key() const override { return nothing_; }
  std::uint64_t seed() const override { return seed_value; }
  int threads() const override { return 2; }
  const std::string& device() const override { return device_; }
  bool stopping() const override { return stop; }
  void info(const std::string&) override {}
  void warn(const std::string& text) override { warnings.push_back(text); }
  void progress(const Progress& progress) override { progress_calls.push_back(progress); }
  void metric(Value line) override { metric_lines.push_back(std::move(line)); }
  void metrics(const std::vector<Value>& lines) override { metric_lines = lines; }
  void summary(std::string_view key, Value value) override { summaries.emplace_back(std::string(key), std::move(value)); }
  std::filesystem::path checkpoint_path() const override { return {}; }
  void spent_before(double) override {}
  std::pair<std::string, std::string> port(std::string_view) const override { return {}; }
  std::unique_ptr<GraphSession> session(std::string_view) override { throw Error("this stage has no graph"); }

 protected:
  std::shared_ptr<const void> input(std::string_view port, std::size_t i) const override {
    const auto range = inputs.equal_range(std::string(port));
    auto it = range.first;
    while (it != range.second && i-- > 0) ++it;
    return it == range.second ? nullptr : it->second;
  }
  std::size_t connections_of(std::string_view port) const override { return inputs.count(std::string(port)); }
  std::string source_of(std::string_view port, std::size_t i) const override { return std::string(port) + std::to_string(i); }
  void output(std::string_view port, std::shared_ptr<const void> artifact) override { outputs[std::string(port)] = std::move(artifact); }

 private:
  std::string name_ = "stage", device_ = "cpu", nothing_;
};

/// A folder that is gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "cdc_test_XXXXXX").string();
    if (!mkdtemp(name.data())) throw Error("no temporary folder could be made: " + name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    write_file(file, bytes);
    return file;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace cdc::test
