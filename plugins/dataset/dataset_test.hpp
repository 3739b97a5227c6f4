#pragma once

#include <memory>
#include <string>

#include "cdc/dataset.hpp"
#include "support/stage_harness.hpp"

namespace cdc::test {

/// Opens a data set by its plugin; `harness` hears its warnings.
inline std::shared_ptr<const Dataset> open_dataset(const std::string& id, const Value::Table& parameters, StageHarness& harness) {
  make<Stage>(id, Value(parameters))->run(harness);
  return std::static_pointer_cast<const Dataset>(harness.outputs.at("data"));
}
inline std::shared_ptr<const Dataset> open_dataset(const std::string& id, const Value::Table& parameters) {
  StageHarness harness;
  return open_dataset(id, parameters, harness);
}

/// "train 4, test 1": the splits that samples come from.
inline std::string parts_of(const Dataset& data) {
  std::string out;
  for (const SplitPart& part : data.parts()) out += (out.empty() ? "" : ", ") + part.name + " " + std::to_string(part.samples);
  return out;
}

}  // namespace cdc::test
