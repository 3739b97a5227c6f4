#include "sweep/early_stop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace cdc {
namespace {

/// Values up to an epoch; empty where the run did not get that far.
std::vector<double> values_until(const EpochValues& all, std::int64_t epoch) {
  std::vector<double> out;
  if (all.empty() || all.back().first < epoch) return out;
  for (const auto& [at, value] : all)
    if (at <= epoch) out.push_back(value);
  return out;
}

/// With the linear interpolation of NumPy's quantile().
double quantile(std::vector<double> all, double q) {
  std::sort(all.begin(), all.end());
  const double at = q * static_cast<double>(all.size() - 1);
  const auto low = static_cast<std::size_t>(at), high = std::min(low + 1, all.size() - 1);
  if (std::isinf(all[low])) return all[high];
  return all[low] + (at - static_cast<double>(low)) * (all[high] - all[low]);
}

}  // namespace

std::optional<std::pair<std::int64_t, double>> epoch_value(const EarlyStop& rule, const Value& line) {
  const Value *stage = line.find("stage"), *epoch = line.find("epoch");
  if (stage == nullptr || *stage != Value(rule.stage) || epoch == nullptr || !epoch->is_integer()) return std::nullopt;
  std::string path = rule.score;
  const Value* at = &line;
  for (std::size_t dot = 0; at != nullptr && dot != std::string::npos; path = dot == std::string::npos ? "" : path.substr(dot + 1)) {
    dot = path.find('.');
    at = at->find(path.substr(0, dot));
  }
  if (at == nullptr || !at->is_number()) return std::nullopt;
  return std::make_pair(epoch->as_integer(), at->as_real());
}

std::optional<std::string> reason_to_stop(const EarlyStop& rule, const EpochValues& own, const std::vector<EpochValues>& others) {
  if (rule.rule == EarlyStop::Rule::none || own.empty() || own.back().first < rule.grace) return std::nullopt;
  const std::int64_t epoch = own.back().first;
  const double sign = rule.largest ? 1 : -1;  // larger is better from here on
  const auto best = [&](const std::vector<double>& all) {
    double out = -INFINITY;
    for (const double v : all) out = std::max(out, sign * v);
    return out;
  };
  const double mine = best(values_until(own, epoch));
  std::vector<double> limits;
  if (rule.rule == EarlyStop::Rule::median) {
    for (const EpochValues& other : others) {
      const std::vector<double> until = values_until(other, epoch);
      if (until.empty()) continue;
      double mean = 0;
      for (const double v : until) mean += sign * v / static_cast<double>(until.size());
      limits.push_back(mean);
    }
    if (limits.size() < 3) return std::nullopt;
    const double median = quantile(limits, 0.5);
    if (!(mine < median)) return std::nullopt;
    return fmt::format("after epoch {} its best {} is {:.4g}, the median of {} others {:.4g}", epoch, rule.score, sign * mine, limits.size(),
                       sign * median);
  }
  double rung = static_cast<double>(rule.grace);
  while (std::floor(rung) < static_cast<double>(epoch)) rung *= rule.factor;
  if (static_cast<std::int64_t>(std::floor(rung)) != epoch) return std::nullopt;
  limits.push_back(mine);
  for (const EpochValues& other : others)
    if (const std::vector<double> until = values_until(other, epoch); !until.empty()) limits.push_back(best(until));
  const double cutoff = quantile(limits, 1 - 1 / rule.factor);
  if (!(mine < cutoff)) return std::nullopt;
  return fmt::format("after epoch {} its best {} is {:.4g}; of {} runs one in {:g} goes on, from {:.4g}", epoch, rule.score, sign * mine,
                     limits.size(), rule.factor, sign * cutoff);
}

}  // namespace cdc
