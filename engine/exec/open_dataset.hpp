#pragma once

#include <memory>
#include <string>

#include "cdc/dataset.hpp"
#include "graph/plan.hpp"
#include "plugin/registry.hpp"

namespace cdc {

/// Opens the data set that a stage of the plan gives, outside of any run: for what is looked at afterwards. cdc::Error naming the stage where it has
/// no output of that type, reads another stage, or its files are missing or damaged.
CDC_API std::shared_ptr<const Dataset> open_dataset(const Plan& plan, const Source& source, const Registry& registry);

}  // namespace cdc
