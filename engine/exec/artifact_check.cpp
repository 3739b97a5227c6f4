#include "exec/artifact_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "cdc/error.hpp"
#include "cdc/parallel.hpp"

namespace cdc {
namespace {

struct Checks {
  std::mutex mutex;
  std::map<PortType, ArtifactCheck> all;
};

Checks& checks() {
  static Checks one;
  return one;
}

[[noreturn]] void fail(const PortInfo& port, const std::string& what) { throw Error(fmt::format("its output '{}' {}", port.name, what)); }

/// Sizes in the order in which the port declares them; 0: not known.
std::vector<std::int64_t> sizes_of(PortType type, const void* artifact) {
  switch (type) {
    case PortType::dataset: {
      const auto& data = *static_cast<const Dataset*>(artifact);
      const auto [height, width] = data.image_size();
      return {data.size(), data.channels(), height, width};
    }
    case PortType::features: {
      const auto& features = *static_cast<const Features*>(artifact);
      return {features.rows, features.columns};
    }
    case PortType::assignment: {
      const auto& assignment = *static_cast<const Assignment*>(artifact);
      return {static_cast<std::int64_t>(assignment.cluster.size()), assignment.clusters};
    }
    default:
      return {};
  }
}

void check_dataset(const PortInfo& port, const Dataset& data) {
  const std::int64_t size = data.size();
  if (size < 1) fail(port, fmt::format("is a data set of {} images: there must be at least one", size));
  if (data.channels() != 1 && data.channels() != 3)
    fail(port, fmt::format("is a data set of images with {} channels: 1 or 3 are known", data.channels()));
  const auto [height, width] = data.image_size();
  if (height < 0 || width < 0 || (height == 0) != (width == 0))
    fail(port, fmt::format("is a data set of images of {} x {} pixels: both are at least 1, or both 0 where images differ", height, width));
  const std::vector<std::int32_t>& labels = data.labels();
  const auto classes = static_cast<std::int64_t>(data.class_names().size());
  if (!labels.empty()) {
    if (static_cast<std::int64_t>(labels.size()) != size) fail(port, fmt::format("is a data set of {} images with {} labels", size, labels.size()));
    const auto wrong = std::find_if(labels.begin(), labels.end(), [&](std::int32_t label) { return label < 0 || label >= classes; });
    if (wrong != labels.end())
      fail(port,
           fmt::format("is a data set of {} classes, but sample {} ({}) has the label {}: labels are 0 to {}, and there are none at all where some "
                       "samples have none",
                       classes, wrong - labels.begin(), data.sample_name(wrong - labels.begin()), *wrong, classes - 1));
  }
  std::int64_t sum = 0;
  for (const SplitPart& part : data.parts()) {
    if (part.samples < 0) fail(port, fmt::format("is a data set whose part '{}' has {} images", part.name, part.samples));
    sum += part.samples;
  }
  if (sum != size) fail(port, fmt::format("is a data set of {} images, but its parts() have {} together", size, sum));
}

void check_features(const PortInfo& port, const Features& features) {
  if (features.rows < 1 || features.columns < 1)
    fail(port, fmt::format("has {} rows and {} columns: at least one of each", features.rows, features.columns));
  if (features.data == nullptr) fail(port, fmt::format("has {} x {} numbers, but no memory with them", features.rows, features.columns));
}

void check_numbers_of(const PortInfo& port, const Features& features) {
  const std::int64_t numbers = features.rows * features.columns;
  std::atomic<std::int64_t> first{numbers};
  parallel_chunks(numbers, std::int64_t{1} << 18, [&](std::int64_t begin, std::int64_t end) {
    if (begin > first.load(std::memory_order_relaxed)) return;
    const float* const data = features.data.get();
    const float* const wrong = std::find_if(data + begin, data + end, [](float x) { return !std::isfinite(x); });
    if (wrong == data + end) return;
    std::int64_t known = first.load();
    while (wrong - data < known && !first.compare_exchange_weak(known, wrong - data)) continue;
  });
  if (first < numbers)
    fail(port, fmt::format("is {} in row {}, column {} (both from 0): features are finite numbers; look at the images and weights that gave them",
                           features.data.get()[first.load()], first / features.columns, first % features.columns));
}

void check_assignment(const PortInfo& port, const Assignment& assignment) {
  if (assignment.cluster.empty()) fail(port, "assigns no sample");
  if (assignment.clusters < 1) fail(port, fmt::format("has {} clusters: at least one", assignment.clusters));
  for (std::size_t i = 0; i < assignment.cluster.size(); ++i)
    if (const std::int32_t cluster = assignment.cluster[i]; cluster < 0 || cluster >= assignment.clusters)
      fail(port, fmt::format("puts sample {} into cluster {}, but of {} clusters there are 0 to {}", i, cluster, assignment.clusters,
                             assignment.clusters - 1));
}

void check_scores(const PortInfo& port, const Scores& scores) {
  if (!scores.values.is_table())
    fail(port, fmt::format("is a {} instead of a table: name of what was scored -> table of numbers", Value::type_name(scores.values.type())));
  for (const auto& [scored, row] : scores.values.as_table()) {
    if (!row.is_table()) fail(port, fmt::format("has {} for '{}' instead of a table of numbers", row.to_json(), scored));
    for (const auto& [name, value] : row.as_table()) {
      if (name == "protocol") continue;
      if (!value.is_number()) fail(port, fmt::format("has {} as the score '{}' of '{}': scores are numbers", value.to_json(), name, scored));
      if (value.is_real() && !std::isfinite(value.as_real()))
        fail(port, fmt::format("has {} as the score '{}' of '{}': scores are finite numbers", value.as_real(), name, scored));
    }
  }
}

ArtifactCheck registered(PortType type) {
  const std::lock_guard<std::mutex> guard(checks().mutex);
  const auto found = checks().all.find(type);
  return found == checks().all.end() ? ArtifactCheck() : found->second;
}

void check_form(const PortInfo& port, const void* artifact) {
  switch (port.type) {
    case PortType::dataset:
      check_dataset(port, *static_cast<const Dataset*>(artifact));
      break;
    case PortType::features:
      check_features(port, *static_cast<const Features*>(artifact));
      break;
    case PortType::assignment:
      check_assignment(port, *static_cast<const Assignment*>(artifact));
      break;
    case PortType::scores:
      check_scores(port, *static_cast<const Scores*>(artifact));
      break;
    default:
      if (const auto check = registered(port.type).form; check != nullptr) check(port.name, artifact);
  }
}

}  // namespace

void add_sizes(const PortInfo& port, const void* artifact, const std::string& origin, KnownSizes& sizes) {
  const std::vector<std::int64_t> found = sizes_of(port.type, artifact);
  for (std::size_t i = 0; i < std::min(found.size(), port.sizes.size()); ++i) {
    if (found[i] == 0) continue;
    KnownSize& known = sizes[port.sizes[i]];
    if (known.value == 0)
      known = {found[i], origin};
    else if (known.value != found[i])
      known.value = -1;
  }
}

void check_artifact(const PortInfo& port, const std::shared_ptr<const void>& artifact, const KnownSizes& sizes, const std::string& blame) {
  try {
    if (artifact == nullptr) fail(port, "was given as a null pointer");
    check_form(port, artifact.get());
    const std::vector<std::int64_t> found = sizes_of(port.type, artifact.get());
    for (std::size_t i = 0; i < std::min(found.size(), port.sizes.size()); ++i) {
      const auto known = sizes.find(port.sizes[i]);
      if (known == sizes.end() || known->second.value <= 0 || found[i] == 0 || known->second.value == found[i]) continue;
      fail(port, fmt::format("has {} = {}, but {} has {}", port.sizes[i], found[i], known->second.origin, known->second.value));
    }
  } catch (const Error& e) {
    throw Error(e.what() + blame);
  }
}

void check_numbers(const PortInfo& port, const void* artifact) {
  if (port.type == PortType::features) check_numbers_of(port, *static_cast<const Features*>(artifact));
  if (const auto check = registered(port.type).numbers; check != nullptr) check(port.name, artifact);
}

void register_artifact_check(PortType type, const ArtifactCheck& check) {
  const std::lock_guard<std::mutex> guard(checks().mutex);
  checks().all[type] = check;
}

}  // namespace cdc
