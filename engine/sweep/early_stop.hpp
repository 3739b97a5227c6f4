#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cdc/export.hpp"
#include "cdc/value.hpp"
#include "config/diagnostic.hpp"

namespace cdc {

/// When a run is not worth going on with, judged by what its stage reports epoch by epoch.
struct EarlyStop {
  enum class Rule {
    none,
    median,  ///< Golovin et al., "Google Vizier", KDD 2017, section 3.2.2
    halving  ///< asynchronous successive halving, Li et al., arXiv 1810.05934, its stopping form
  };
  Rule rule = Rule::none;
  std::string stage, score;  ///< score: a number of metrics.jsonl by its path, "loss"; those made with labels have "oracle" in it
  bool largest = false;      ///< the largest is best
  std::int64_t grace = 1;    ///< epochs that every run has
  double factor = 3;         ///< of halving: one of so many goes on
  Location stage_where, score_where;
};

/// (epoch from 1, value), in order.
using EpochValues = std::vector<std::pair<std::int64_t, double>>;

/// What a line of metrics.jsonl says of the score, where it is of the stage and has it.
CDC_API std::optional<std::pair<std::int64_t, double>> epoch_value(const EarlyStop& rule, const Value& line);

/// Why a run should end after the last epoch of `own`; nothing where it should go on. `others`: all other runs, those at work, done and ended early.
/// - median: at `grace` epochs or later, its best value so far is worse than the median, over three or more others that got as far, of their mean up
/// to there.
/// - halving: at the rungs grace, grace * factor, grace * factor^2, ... its best value so far is worse than the quantile 1 - 1 / factor of all that
/// reached the rung, itself
///   among them (linear interpolation, as NumPy). Only where the last epoch is a rung.
CDC_API std::optional<std::string> reason_to_stop(const EarlyStop& rule, const EpochValues& own, const std::vector<EpochValues>& others);

}  // namespace cdc
