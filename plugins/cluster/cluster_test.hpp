#pragma once

#include <cmath>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cdc/random.hpp"
#include "support/stage_harness.hpp"

// What tests of this folder share.
namespace cdc::test {

/// 30 samples in three groups; those of the third are up to ten times as long.
inline std::shared_ptr<Features> grouped_features() {
  auto out = std::make_shared<Features>();
  out->rows = 30;
  out->columns = 4;
  auto data = std::make_shared<std::vector<float>>();
  Random random(1);
  for (int i = 0; i < 30; ++i)
    for (int j = 0; j < 4; ++j)
      data->push_back(static_cast<float>((j == i % 3 ? 5.0 : 0.0) * (i % 3 == 2 ? std::pow(10.0, random.uniform()) : 1.0) + 0.1 * random.normal()));
  out->data = std::shared_ptr<const float>(data, data->data());
  out->protocol = Value::table();
  out->protocol["split"] = "train";
  return out;
}

inline Value parameters(std::initializer_list<std::pair<const char*, Value>> list) {
  Value out = Value::table();
  for (const auto& [name, value] : list) out[name] = value;
  return out;
}

inline std::shared_ptr<const Assignment> run_cluster(const std::string& plugin, StageHarness& harness, const Value& given,
                                                     std::shared_ptr<const Features> input) {
  harness.inputs.emplace("features", std::move(input));
  make<Stage>(plugin, given)->run(harness);
  return std::static_pointer_cast<const Assignment>(harness.outputs.at("assignment"));
}

}  // namespace cdc::test
