#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cdc/dataset.hpp"
#include "cdc/random.hpp"
#include "support/stage_harness.hpp"

// What tests of this folder share.
namespace cdc::test {

/// A data set of labels alone. Without `parts` it is one split, "test".
class Labelled final : public Dataset {
 public:
  explicit Labelled(std::int64_t size, std::vector<std::int32_t> labels, std::vector<std::string> names, std::vector<SplitPart> parts = {})
      : size_(size), labels_(std::move(labels)), names_(std::move(names)), parts_(std::move(parts)) {}
  std::int64_t size() const override { return size_; }
  int channels() const override { return 1; }
  std::array<int, 2> image_size() const override { return {1, 1}; }
  Image image(std::int64_t) const override { throw Error("scores need no images"); }
  const std::vector<std::int32_t>& labels() const override { return labels_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string split() const override { return "test"; }
  std::vector<SplitPart> parts() const override { return parts_.empty() ? Dataset::parts() : parts_; }
  std::string sample_name(std::int64_t i) const override { return prefix + std::to_string(i); }
  std::string prefix;

 private:
  std::int64_t size_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_;
  std::vector<SplitPart> parts_;
};

inline std::shared_ptr<Features> features_of(std::vector<float> values, std::int64_t columns) {
  auto out = std::make_shared<Features>();
  const auto data = std::make_shared<std::vector<float>>(std::move(values));
  out->rows = static_cast<std::int64_t>(data->size()) / columns;
  out->columns = columns;
  out->data = std::shared_ptr<const float>(data, data->data());
  out->protocol = Value::table();
  out->protocol["features"] = "encoder.features";
  return out;
}

/// Sample i is of class i % 3, and points along axis i % 3 with some noise.
inline std::vector<float> three_directions(int n, double noise, std::uint64_t seed = 1) {
  std::vector<float> out;
  Random random(seed);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < 4; ++j) out.push_back(static_cast<float>((j == i % 3 ? 2.0 : 0.0) + noise * random.normal()));
  return out;
}
inline std::shared_ptr<Labelled> three_classes(int n, std::vector<SplitPart> parts = {}) {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < n; ++i) labels.push_back(i % 3);
  return std::make_shared<Labelled>(n, std::move(labels), std::vector<std::string>{"a", "b", "c"}, std::move(parts));
}

inline Value score_features(const std::string& plugin, StageHarness& harness, const Value& given, std::shared_ptr<Dataset> data,
                            const std::vector<std::shared_ptr<Features>>& features) {
  harness.inputs.emplace("data", std::shared_ptr<const Dataset>(std::move(data)));
  for (const auto& f : features) harness.inputs.emplace("features", std::shared_ptr<const Features>(f));
  make<Stage>(plugin, given)->run(harness);
  return std::static_pointer_cast<const Scores>(harness.outputs.at("scores"))->values;
}

}  // namespace cdc::test
