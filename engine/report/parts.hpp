#pragma once

#include <string>
#include <vector>

#include "cdc/value.hpp"
#include "report/report.hpp"
#include "sweep/chart.hpp"

namespace cdc {

/// What every page begins with: kind, title, who made it and when.
Value report_head(const std::string& kind, const std::string& title, const ReportOptions& options);
Value charts_table(const std::vector<Chart>& charts);

}  // namespace cdc
